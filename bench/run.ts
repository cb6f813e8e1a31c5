import { parseArgs } from 'node:util';
import { JOBS } from './estimates.ts';
import { QUALITY_DATASETS } from './quality-data.ts';
import { QUESTIONS } from './questions.ts';
import { renderResults } from './results.ts';
import { WORKLOADS } from './workloads.ts';

/**
 * `npm run bench` asks every question of questions.ts; `npm run bench -- training --workload W3` some of them. What was measured is kept in
 * bench/measured.json, so a run in pieces adds to bench/RESULTS.md, which is written anew each time.
 */
const USUAL_PEERS = '../shared/peers';
const USAGE = `npm run bench -- [${Object.keys(QUESTIONS).join(' | ')}] …
  --workload W1,W3    these workloads only        --threads 1,2      these numbers of threads only
  --seconds 1         a run's length              --rounds 3         runs in turns, whose median counts
  --peers [folder]    compare with other engines: a folder (${USUAL_PEERS}) with run.sh PEER WORKLOAD THREADS SECONDS, which prints what bench/train.ts prints
  --peer torch,numpy  these peers only
  --dataset iris,cars of quality and estimates: these only`;

const DATASETS = [...new Set([...QUALITY_DATASETS.map(({ name }) => name), ...JOBS.map(({ dataset }) => dataset)])];

/** `--peers` alone stands for the usual folder. */
const ARGUMENTS = process.argv.slice(2).flatMap((word, i, all) => {
  const next = all[i + 1];
  return word === '--peers' && (next === undefined || next.startsWith('-')) ? [word, USUAL_PEERS] : [word];
});

function readArguments() {
  const { values, positionals } = parseArgs({
    args: ARGUMENTS,
    allowPositionals: true,
    options: {
      workload: { type: 'string', default: 'W1,W2,W3,W4,W5,W6' },
      threads: { type: 'string', default: '1,2' },
      seconds: { type: 'string', default: '1' },
      rounds: { type: 'string', default: '3' },
      peers: { type: 'string' },
      peer: { type: 'string', default: 'torch,numpy,tfjs' },
      dataset: { type: 'string' },
    },
  });
  const wrong = positionals.find((name) => !(name in QUESTIONS));
  if (wrong !== undefined) throw new Error(`there is no question "${wrong}"`);
  const positive = (name: 'seconds' | 'rounds') => {
    const value = Number(values[name]);
    if (!(value > 0)) throw new Error(`--${name} takes a number above 0, not "${values[name]}"`);
    return value;
  };
  const threads = values.threads.split(',').map(Number);
  if (!threads.every((n) => Number.isInteger(n) && n > 0))
    throw new Error(`--threads takes numbers like 1,2, not "${values.threads}"`);
  const known = (name: 'workload' | 'dataset', all: readonly string[]) => {
    const given = values[name]?.split(',') ?? [];
    const other = given.find((one) => !all.includes(one));
    if (other !== undefined) throw new Error(`--${name} takes some of ${all.join(',')}, not "${other}"`);
    return given;
  };
  const datasets = known('dataset', DATASETS);
  return {
    questions: positionals.length > 0 ? positionals : Object.keys(QUESTIONS),
    workloads: known('workload', Object.keys(WORKLOADS)),
    threads,
    seconds: positive('seconds'),
    rounds: Math.ceil(positive('rounds')),
    datasets: datasets.length === 0 ? null : datasets,
    peers: values.peers === undefined ? null : { folder: values.peers, names: values.peer.split(',') },
  };
}

let options: ReturnType<typeof readArguments>;
try {
  options = readArguments();
} catch (error) {
  console.error(`${(error as Error).message}\n\n${USAGE}`);
  process.exit(2);
}
for (const name of options.questions) {
  await QUESTIONS[name]!.ask(options);
  renderResults(QUESTIONS);
}
