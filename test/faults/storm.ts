import { readOptions } from '../support/read-options.ts';
import { playOneJob } from './one-job.ts';
import { playStorm } from './play-storm.ts';

/**
 * `npm run faults -- --rounds N --seed S`: N faults against a load of jobs.
 * `npm run faults -- --kills N --flushes M --seed S`: one job, whose worker is killed N times while Redis forgets everything M times.
 */
const USAGE = `npm run faults -- [--rounds 20] [--seed 1]
npm run faults -- --kills N --flushes M [--epochs E] [--seed 1]`;
const values = readOptions(USAGE, {
  rounds: { type: 'string' },
  kills: { type: 'string' },
  flushes: { type: 'string' },
  epochs: { type: 'string' },
  seed: { type: 'string', default: '1' },
});
const count = (text: string | undefined, otherwise: number): number => {
  const value = Number(text ?? otherwise);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  process.stderr.write('--rounds, --kills, --flushes, --epochs and --seed are whole numbers\n');
  return process.exit(2);
};
const log = (line: string) => void process.stdout.write(`${line}\n`);
const seed = count(values.seed, 1);
const begin = performance.now();
let wrong: string[];
if (values.kills !== undefined || values.flushes !== undefined) {
  const [kills, flushes] = [count(values.kills, 0), count(values.flushes, 0)];
  const epochs = count(values.epochs, 60 + 90 * (kills + flushes));
  ({ wrong } = await playOneJob({ kills, flushes, seed, epochs, log }));
} else {
  const storm = await playStorm({
    rounds: count(values.rounds, 20),
    seed,
    ...(values.epochs !== undefined && { epochs: count(values.epochs, 60) }),
    log,
  });
  ({ wrong } = storm);
  log('\nfault                             times');
  for (const [name, times] of storm.played) log(`${name.padEnd(32)} ${String(times).padStart(6)}`);
  for (const [name, why] of storm.skipped) log(`${name.padEnd(32)} skipped: ${why}`);
  const by = (status: string) => storm.jobs.filter((job) => job.status === status).length;
  const attempts = storm.jobs.reduce((sum, job) => sum + job.attempt, 0);
  log(
    `\n${storm.jobs.length} jobs acknowledged: ${by('succeeded')} succeeded, ${by('cancelled')} cancelled, ${by('failed')} failed; ${attempts} attempts`,
  );
  log(
    `answers: ${[...storm.answers]
      .sort()
      .map(([status, times]) => `${status === 0 ? 'none' : status} ×${times}`)
      .join(', ')}`,
  );
}
for (const line of wrong) log(`WRONG  ${line}`);
log(
  `${wrong.length === 0 ? 'nothing was lost or doubled' : `${wrong.length} things are wrong`} (${((performance.now() - begin) / 1000).toFixed(0)} s)`,
);
process.exit(wrong.length === 0 ? 0 : 1);
