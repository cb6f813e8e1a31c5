import { readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { describeMachine } from '../machine.ts';
import { table } from '../results.ts';
import { askCharts } from './charts.ts';
import { askClaims, CLAIMS_HEAD } from './claims.ts';
import { describe, type Ground, openGround, show } from './ground.ts';
import { askIngest } from './ingest.ts';
import { askPredictions, PREDICTIONS_HEAD, rowOf } from './predictions.ts';
import { askRequests, FLOOD_HEAD } from './requests.ts';
import { askStreams } from './streams.ts';

/**
 * `npm run load`: how much the service takes, on this machine, clients included. `npm run load -- requests streams` asks some of it. Each question
 * is a section of bench/SERVICE.md, and a run in pieces leaves the others as they are. Everything is bounded and on loopback.
 */
const USAGE = `npm run load -- [requests | claims | ingest | streams | predictions | charts] …
  --seconds 10                  of each flood (at most 60)
  --connections 50              at once (at most 500)
  --queued 100,1000,10000,100000  sizes of the queue, growing (at most 10⁶)
  --ended 900000                rows of ended jobs beside the last (at most 10⁷)
  --streams 1000                (at most 5000)
  --rows 1e7                    of metrics, for charts (at most 10⁹; 10⁸ take 25 GB of disk and a quarter of an hour)`;

function readOptions() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '10' },
      connections: { type: 'string', default: '50' },
      queued: { type: 'string', default: '100,1000,10000,100000' },
      ended: { type: 'string', default: '900000' },
      streams: { type: 'string', default: '1000' },
      rows: { type: 'string', default: '1e7' },
    },
  });
  const whole = (name: string, text: string, most: number, least = 1) => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < least || value > most)
      throw new Error(`--${name} is a whole number from ${least} to ${most}, not "${text}"`);
    return value;
  };
  const wrong = positionals.find((name) => !(name in QUESTIONS));
  if (wrong !== undefined) throw new Error(`there is no question "${wrong}"`);
  return {
    questions: positionals.length > 0 ? positionals : Object.keys(QUESTIONS),
    seconds: whole('seconds', values.seconds, 60),
    connections: whole('connections', values.connections, 500),
    queued: values.queued.split(',').map((text) => whole('queued', text, 1e6)),
    ended: whole('ended', values.ended, 1e7, 0),
    streams: whole('streams', values.streams, 5000),
    rows: whole('rows', values.rows, 1e9),
  };
}
type Options = ReturnType<typeof readOptions>;

/** Each answers a section of the page. */
const QUESTIONS: Record<string, (ground: Ground, options: Options) => Promise<string>> = {
  async requests(ground, { seconds, connections }) {
    const { rows } = await askRequests(ground, { seconds, connections, jobs: 10_000 });
    return `## Requests\n\n${connections} clients at once for ${seconds} s, on one API process, beside 10,000 jobs.\n\n${table(FLOOD_HEAD, rows)}`;
  },
  async claims(ground, { queued, ended }) {
    const results = await askClaims(ground, { queued, ended, times: 50 });
    return `## A long queue\n\nOne after the other, 50 times each: median and 99th percentile. Jobs of ten tenants.\n\n${table(
      CLAIMS_HEAD,
      results.map(({ row }) => row),
    )}`;
  },
  async ingest(ground, { seconds }) {
    const rows = [];
    for (const [writers, batch] of [
      [1, 100],
      [8, 100],
      [8, 1000],
    ] as const) {
      const { perSecond, batchMs } = await askIngest(ground, { writers, batch, seconds });
      rows.push([`${writers} jobs, ${batch} rows at a time`, show(perSecond), describe(batchMs)]);
    }
    return `## Metrics taken in\n\nFenced and durable, with an event each time.\n\n${table(['', 'rows a second', 'a batch'], rows)}`;
  },
  async streams(ground, { streams }) {
    const { each, last } = await askStreams(ground, { streams, events: 10 });
    const rows = [[`${streams}`, describe(each), describe(last), show(last.most)]];
    return `## Streams of one job\n\nFrom the commit of an event until a stream has it; ten events, one API process, its clients in another.\n\n${table(['streams', 'one of them', 'the last of them', 'at most, ms'], rows)}`;
  },
  async predictions(ground, { seconds }) {
    const answered = await askPredictions(ground, { seconds });
    return `## Predictions\n\nOver HTTP, preparation included, of warm networks. The penguins’ is the one that comes of a target’s name alone; the GPT has 112,706 parameters, the LSTM 93,058, and both are trained on windows of 64 characters.\n\n${table(PREDICTIONS_HEAD, answered.map(rowOf))}`;
  },
  async charts(ground, { rows: wanted }) {
    const { rows, gib, one, all, long } = await askCharts(ground, {
      rows: wanted,
      times: 200,
      log: (line) => process.stderr.write(`${line}\n`),
    });
    return `## Charts out of many metrics\n\nOf jobs drawn at random, so mostly not in memory; cut to 1,000 points.\n\n${table(
      [
        'rows in the table',
        'GiB with the key',
        'a series of 2,000 points',
        'all four of the job',
        'a series of 20,000',
      ],
      [[rows.toLocaleString('en-US'), show(gib), one, all, long]],
    )}`;
  },
};

const PAGE = new URL('../SERVICE.md', import.meta.url);

const describePage = () =>
  `# How much the service takes\n\n${describeMachine()}, Node ${process.versions.node}, the embedded PostgreSQL with its own settings, clients and PostgreSQL on the same cores. Written by \`npm run load\`; the figures hold for this machine on that day, and the load average tells how much else ran on it.`;

/** Puts a section in the place of the one with its title. A page of another machine begins anew. */
function record(text: string): void {
  const head = describePage();
  const [before, ...found] = readFileSync(PAGE, 'utf8')
    .trimEnd()
    .split(/\n\n(?=## )/);
  const sections = new Map((before === head ? found : []).map((section) => [titleOf(section), section]));
  const date = new Date().toISOString().slice(0, 10);
  sections.set(titleOf(text), `${text}\n\nMeasured ${date}, load average ${loadavg()[1]!.toFixed(1)}.`);
  writeFileSync(PAGE, `${[head, ...sections.values()].join('\n\n')}\n`);
}

const titleOf = (section: string) => section.slice(0, section.indexOf('\n'));

let options: Options;
try {
  options = readOptions();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n\n${USAGE}\n`);
  process.exit(2);
}
for (const name of options.questions) {
  await using ground = await openGround();
  const text = await QUESTIONS[name]!(ground, options);
  process.stdout.write(`\n${text}\n`);
  record(text);
}
