// @ts-check
/** @import { Job } from '../../spec/job.ts' */
/** @import { JobEvent } from '../../spec/job-event.ts' */
/** @import { Series } from './curve.js' */
import {
  asWords,
  at,
  element,
  keepReading,
  read,
  readJson,
  readKey,
  send,
  show,
  showStatus,
  write,
  writeDuration,
  writeFigure,
  writeTime,
} from './common.js';
import { Curve, listNames } from './curve.js';

/** One job, read again and again until it has ended. What is held is bounded: points of the series by the question, events by the list. */
const EVERY_MS = 1000;
const MOST_POINTS = 500;
const MOST_SERIES = 200;
const MOST_EVENTS = 100;
/** They come every few seconds, and the newest say enough. */
const MOST_CHECKPOINTS = 5;
const PAGE = 500;
/** The longer the series take, the more rarely they are read. */
const REST = 5;
/** Said by their figures, once an epoch. */
const NOT_LISTED = ['job.metrics'];

const id = decodeURIComponent(location.pathname.split('/')[2] ?? '');
const api = `/v1/jobs/${encodeURIComponent(id)}`;
const chooser = /** @type {HTMLSelectElement} */ (at('series'));
const logSwitch = /** @type {HTMLInputElement} */ (at('log'));
const curve = new Curve(at('curve'));

/** @type {Series[]} */
let series = [];
/** @type {JobEvent[]} the newest first */
let events = [];
let heard = 0;
let etag = '';
let hasEnded = false;
let hasCheckpoint = false;
let readSeriesFromMs = 0;
/** What belongs to a change may be written a moment later: it is looked for twice. */
let roundsLeft = 0;

chooser.addEventListener('change', draw);
logSwitch.addEventListener('change', draw);
// colours are the style sheet's
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);

for (const [link, path, file] of [
  ['link-best', `${api}/checkpoints/best/download`, `${id}.safetensors`],
  ['link-evaluation', `${api}/evaluation`, `${id}.evaluation.json`],
  ['link-job', api, `${id}.json`],
]) {
  const anchor = /** @type {HTMLAnchorElement} */ (at(link));
  anchor.href = path;
  anchor.addEventListener('click', (event) => {
    if (readKey() === null) return;
    // a link carries no key
    event.preventDefault();
    void save(path, file);
  });
}

await keepReading(async () => {
  const response = await send(api, etag === '' ? {} : { 'if-none-match': etag });
  if (response.status !== 304) {
    /** @type {Job} */
    const job = await readJson(response);
    etag = response.headers.get('etag') ?? '';
    roundsLeft = 2;
    hasEnded = job.finished_at !== null;
    showJob(job);
  }
  if (roundsLeft === 0) return EVERY_MS;
  await readEvents();
  // of a long log not all events are read
  hasCheckpoint ||= (await read(`${api}/checkpoints`)).data.length > 0;
  show('link-best', hasCheckpoint);
  if (!hasEnded && performance.now() < readSeriesFromMs) return EVERY_MS;
  const beganMs = performance.now();
  await readSeries();
  readSeriesFromMs = performance.now() + REST * (performance.now() - beganMs);
  roundsLeft -= 1;
  return hasEnded ? null : EVERY_MS;
});

/** @param {Job} job */
function showJob(job) {
  const { name, status, phase, progress, queue_position: place, queue_reason: waits, error, diagnosis } = job;
  const percentage = progress?.percentage ?? 0;
  show('about', true);
  document.title = status === 'running' ? `${Math.floor(percentage)} % · ${name}` : `${status} · ${name}`;
  write('name', name);
  showStatus(at('status'), status);
  write('kind', `${asWords(job.kind)} · ${id}`);

  const ofQueue = place === null ? '' : `Place ${place}${place >= 1000 ? ' or one further back' : ''} in the queue. `;
  const stopped = job.stop_reason === null ? '' : `Ended: ${asWords(job.stop_reason)}. `;
  write(
    'state',
    waits !== null
      ? ofQueue + waits.detail
      : status === 'running'
        ? `Now ${asWords(phase ?? 'starting')}${progress?.evaluation_percentage === undefined ? '' : `, ${Math.floor(progress.evaluation_percentage)} % done`}.`
        : status === 'paused'
          ? 'Paused; it waits to be resumed.'
          : `${stopped}${job.finished_at === null ? '' : writeTime(job.finished_at)}`,
  );
  at('conditions').replaceChildren(...job.conditions.map(({ detail }) => element('p', detail)));

  /** @type {HTMLProgressElement} */ (at('bar')).value = percentage;
  // what ended well may have needed fewer steps than it might have made
  const isDone = status === 'succeeded';
  show('bar', !isDone);
  const { step = 0, total_steps: steps = 0, epoch = 0, epochs = 0 } = progress ?? {};
  const far = [
    ...(isDone ? [] : [`${percentage.toFixed(percentage < 100 ? 1 : 0)} %`]),
    `step ${step.toLocaleString()} of ${steps.toLocaleString()}`,
    `epoch ${epoch.toLocaleString()} of ${epochs.toLocaleString()}`,
  ];
  if (status === 'running' && progress?.eta_s != null) far.push(`${writeDuration(progress.eta_s)} left`);
  if (progress?.samples_per_s != null) far.push(`${progress.samples_per_s.toLocaleString()} samples/s`);
  write('far', progress === null ? 'No step has been made yet.' : far.join(' · '));

  show('error', error !== null);
  write('error-code', error === null ? '' : asWords(error.code));
  write('error-text', error === null ? '' : [error.message, error.hint ?? ''].join('\n').trim());
  // where it is the error that has just been told, once is enough
  show('diagnosis', diagnosis !== null && error === null);
  if (diagnosis !== null) {
    at('diagnosis').className = diagnosis.verdict === 'good_fit' ? 'box good' : 'box';
    write('diagnosis', `${asWords(diagnosis.verdict)}: ${[diagnosis.reason, diagnosis.advice ?? ''].join(' ').trim()}`);
  }
  showFigures({ ...progress?.metrics, ...job.metrics });
  show('link-evaluation', status === 'succeeded');
}

/** A row for each figure, a column for each split. @param {Record<string, number | string>} figures */
function showFigures(figures) {
  /** @type {Map<string, Map<string, number | string>>} */
  const rows = new Map();
  for (const [name, value] of Object.entries(figures)) {
    const [, column = '', figure = ''] = /^(train|validation|test|best\.[a-z]+)\.(.+)$/.exec(name) ?? [];
    if (column.startsWith('best') || figure === '') continue;
    const row = rows.get(figure) ?? new Map();
    rows.set(figure, row.set(column, value));
  }
  const columns = ['train', 'validation', 'test'];
  at('figures').replaceChildren(
    ...[...rows].map(([figure, values]) =>
      element('tr', [
        element('th', asWords(figure), { scope: 'row' }),
        ...columns.map((column) => element('td', values.has(column) ? writeFigure(values.get(column) ?? '') : '–')),
      ]),
    ),
  );
  show('figures-table', rows.size > 0);
}

/** Reads what has happened since; of a long log its beginning and its end alone. */
async function readEvents() {
  for (let isFirst = heard === 0; ; isFirst = false) {
    /** @type {{ data: JobEvent[], has_more: boolean }} */
    const { data, has_more: hasMore } = await read(`${api}/events?after=${heard}&limit=${PAGE}`);
    heard = data.at(-1)?.id ?? heard;
    const told = data.filter(({ type }) => !NOT_LISTED.includes(type)).reverse();
    let checkpoints = 0;
    events = [...told, ...events]
      .filter(({ type }) => type !== 'job.checkpoint' || ++checkpoints <= MOST_CHECKPOINTS)
      .slice(0, MOST_EVENTS);
    if (!hasMore) break;
    if (isFirst) heard = Math.max(heard, (await findLast()) - PAGE);
  }
  at('events').replaceChildren(
    ...events.map(({ type, at: time, data }) =>
      element('li', [
        element('time', writeTime(time), { datetime: time }),
        element('b', asWords(type.replace('job.', ''))),
        document.createTextNode(describeEvent(data)),
      ]),
    ),
  );
}

/** The number of the last event: some two questions for each doubling. */
async function findLast() {
  const isBehind = async (/** @type {number} */ after) =>
    (await read(`${api}/events?after=${after}&limit=1`)).data.length > 0;
  let low = heard;
  let high = 2 * heard;
  while (await isBehind(high)) [low, high] = [high, 2 * high];
  while (high - low > PAGE / 2) {
    const middle = Math.floor((low + high) / 2);
    if (await isBehind(middle)) low = middle;
    else high = middle;
  }
  return high;
}

/** @param {JobEvent['data']} data */
function describeEvent(data) {
  if (typeof data.message === 'string') return data.message;
  const { error } = /** @type {{ error?: { message?: string } }} */ (data);
  if (typeof error?.message === 'string') return error.message;
  const told = ['step', 'epoch', 'attempt', 'worker', 'stop_reason'].filter((name) => data[name] != null);
  const words = told.map((name) => `${asWords(name)} ${data[name]}`);
  return [...words, ...(data.is_best === true ? ['the best so far'] : [])].join(', ');
}

async function readSeries() {
  /** @type {{ data: Series[] }} */
  const { data } = await read(`${api}/metrics?max_points=${MOST_POINTS}`);
  series = data.slice(0, MOST_SERIES);
  const names = listNames(series);
  if (names.join() !== [...chooser.options].map(({ value }) => value).join()) {
    const chosen = chooser.value;
    chooser.replaceChildren(...names.map((name) => element('option', asWords(name), { value: name })));
    if (names.includes(chosen)) chooser.value = chosen;
  }
  draw();
}

function draw() {
  show('curve-box', series.length > 0);
  const { points, step, text } = curve.draw(series, chooser.value, logSwitch.checked);
  write(
    'points',
    `${points.toLocaleString()} ${points === 1 ? 'point' : 'points'}, up to step ${step.toLocaleString()}`,
  );
  at('curve').setAttribute('aria-label', text);
}

/** @param {string} path @param {string} file */
async function save(path, file) {
  try {
    const url = URL.createObjectURL(await (await send(path)).blob());
    element('a', '', { href: url, download: file }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
    write('saved', '');
  } catch (error) {
    write('saved', error instanceof Error ? error.message : String(error));
  }
}
