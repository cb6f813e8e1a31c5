import { recordMetrics } from '../../src/jobs/record-metrics.ts';
import { addClaimed } from '../../test/support/jobs.ts';
import { type Ground, type Percentiles, percentilesOf } from './ground.ts';

/** Metrics as workers write them: so many jobs at once, each a batch and an event in a transaction, fenced, and then the next. */
export async function askIngest(
  { db }: Ground,
  { writers, batch, seconds, batches }: { writers: number; batch: number; seconds?: number; batches?: number },
): Promise<{ rows: number; perSecond: number; batchMs: Percentiles; jobs: string[] }> {
  const claims = await Promise.all(Array.from({ length: writers }, () => addClaimed(db)));
  const takenMs: number[] = [];
  const beganMs = performance.now();
  const goesOn = (i: number) =>
    batches === undefined ? performance.now() - beganMs < (seconds ?? 10) * 1000 : i < batches;
  await Promise.all(
    claims.map(async (claim) => {
      for (let i = 0; goesOn(i); i++) {
        const points = Array.from({ length: batch }, (_, at) => ({
          name: 'loss',
          split: 'train' as const,
          step: i * batch + at + 1,
          epoch: i,
          value: Math.random(),
        }));
        const began = performance.now();
        await recordMetrics(db, claim, points, [
          { type: 'job.metrics', data: { epoch: i }, onceKey: `metrics:epoch:${i}` },
        ]);
        takenMs.push(performance.now() - began);
      }
    }),
  );
  const rows = takenMs.length * batch;
  return {
    rows,
    perSecond: rows / ((performance.now() - beganMs) / 1000),
    batchMs: percentilesOf(takenMs),
    jobs: claims.map(({ job }) => job.id),
  };
}
