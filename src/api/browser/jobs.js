// @ts-check
/** @import { Job } from '../../spec/job.ts' */
import {
  asWords,
  at,
  element,
  keepReading,
  read,
  show,
  showStatus,
  writeDuration,
  writeFigure,
  writeTime,
} from './common.js';

/** The newest jobs, read again and again. */
const SHOWN = 20;
const EVERY_MS = 5000;

await keepReading(async () => {
  /** @type {{ data: Job[], has_more: boolean }} */
  const { data, has_more: hasMore } = await read(`/v1/jobs?limit=${SHOWN}`);
  at('rows').replaceChildren(...data.map(describe));
  show('table', data.length > 0);
  show('none', data.length === 0);
  show('more', hasMore);
  return EVERY_MS;
});

/** @param {Job} job */
function describe({ id, name, kind, status, stop_reason: why, progress, queue_position: place, created_at: made }) {
  const badge = element('span', '', { class: 'status' });
  showStatus(badge, status);
  const bar = element('progress', '', {
    max: '100',
    value: String(progress?.percentage ?? 0),
    'aria-label': 'progress',
  });
  const isRunning = status === 'running' && progress !== null;
  const left = isRunning && progress.eta_s !== null ? `, ${writeDuration(progress.eta_s)} left` : '';
  // what ended well may have needed fewer steps than it might have made
  const isDone = status === 'succeeded';
  const far = isDone
    ? asWords(why ?? 'completed')
    : progress === null
      ? ''
      : `${Math.floor(progress.percentage)} %${left}`;
  const loss = progress?.metrics['validation.loss'] ?? progress?.metrics['train.loss'];
  return element('tr', [
    element('td', [element('a', name, { href: `/jobs/${encodeURIComponent(id)}` })]),
    element('td', asWords(kind)),
    element('td', [badge]),
    element('td', [
      ...(progress === null || isDone ? [] : [bar]),
      element('div', status === 'queued' && place !== null ? `place ${place}` : far),
    ]),
    element('td', loss === undefined ? '' : `loss ${writeFigure(loss)}`),
    element('td', writeTime(made)),
  ]);
}
