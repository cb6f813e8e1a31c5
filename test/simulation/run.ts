import { readOptions } from '../support/read-options.ts';
import { playHistory } from './play.ts';

/** `npm run simulate -- --histories N --seed S`: plays N histories, numbered from S, and says which broke a rule first. */
const values = readOptions('npm run simulate -- [--histories 100000] [--seed 1]', {
  histories: { type: 'string', default: '100000' },
  seed: { type: 'string', default: '1' },
});
const histories = Number(values.histories);
const first = Number(values.seed);
if (!Number.isSafeInteger(histories) || histories < 1 || !Number.isSafeInteger(first)) {
  process.stderr.write('--histories and --seed are whole numbers\n');
  process.exit(2);
}
const begin = performance.now();
const sum = { events: 0, jobs: 0, crashes: 0 };
for (let i = 0; i < histories; i++) {
  try {
    const { events, jobs, crashes } = playHistory(first + i);
    sum.events += events;
    sum.jobs += jobs;
    sum.crashes += crashes;
  } catch (error) {
    process.stderr.write(`history ${first + i}: ${(error as Error).stack}\n`);
    process.exit(1);
  }
}
const seconds = (performance.now() - begin) / 1000;
process.stdout.write(
  `${histories} histories, ${sum.jobs} jobs, ${sum.crashes} crashes, ${sum.events} events: every rule held (${seconds.toFixed(1)} s)\n`,
);
