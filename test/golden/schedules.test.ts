import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { judgePlateau, type PlateauState } from '../../src/engine/plateau.ts';
import { scheduleFactor } from '../../src/engine/schedules.ts';
import type { JobSpec } from '../../src/spec/job-spec.ts';
import { Schedule } from '../../src/spec/schedule.ts';
import { buildPlateau, buildSchedule } from '../../src/worker/build-network.ts';
import { fillVariant } from './fill-variant.ts';

/** The learning rate in each step under PyTorch's schedulers, from make-schedules.py. A schedule stands there as in a job's spec. */
interface Golden {
  steps: number;
  learning_rate: number;
  cases: { schedule: { type: string }; rates: number[] }[];
  /** the rate behind each epoch whose metric was such */
  plateaus: { schedule: { type: string }; metrics: number[]; rates: number[] }[];
}
const golden = JSON.parse(readFileSync(new URL('./schedules.json', import.meta.url), 'utf8')) as Golden;

const build = (given: { type: string }) =>
  buildSchedule({ training: { schedule: fillVariant<Schedule>(Schedule, given) } } as JobSpec);

describe('learning rates', () => {
  it.each(golden.cases.map((c) => ({ ...c, title: JSON.stringify(c.schedule) })))(
    "are those of PyTorch's schedulers: $title",
    ({ schedule, rates }) => {
      const description = build(schedule);
      expect(rates).toHaveLength(golden.steps);
      rates.forEach((rate, step) => {
        const ours = golden.learning_rate * scheduleFactor(description, step, golden.steps);
        expect(Math.abs(ours - rate), `step ${step}: ${ours} instead of ${rate}`).toBeLessThanOrEqual(
          1e-5 * rate + 1e-11,
        );
      });
    },
  );

  it.each([1, 2, 3, 10])(
    'are finite and at most the full rate in a training of %d steps, whatever the schedule',
    (total) => {
      for (const { schedule } of golden.cases) {
        for (const warmup_steps of [0, 2, 20]) {
          const description = build({ ...schedule, warmup_steps } as { type: string });
          for (let step = 0; step < total; step++) {
            const factor = scheduleFactor(description, step, total);
            expect(factor >= 0 && factor <= 1, `${JSON.stringify(schedule)}, step ${step}: ${factor}`).toBe(true);
          }
        }
      }
    },
  );

  it.each(golden.plateaus.map((p) => ({ ...p, title: JSON.stringify(p.schedule) })))(
    "are those of PyTorch's ReduceLROnPlateau, also when its state has been through a checkpoint: $title",
    ({ schedule, metrics, rates }) => {
      const filled = fillVariant<Schedule>(Schedule, schedule);
      const plateau = buildPlateau({ training: { schedule: filled } } as JobSpec, golden.learning_rate)!;
      let state: PlateauState | null = null;
      metrics.forEach((metric, epoch) => {
        state = JSON.parse(JSON.stringify(judgePlateau(plateau, state, metric))) as PlateauState;
        const ours = golden.learning_rate * state.share;
        expect(Math.abs(ours / rates[epoch]! - 1), `epoch ${epoch}: ${ours} instead of ${rates[epoch]}`).toBeLessThan(
          1e-5,
        );
      });
      expect(new Set(rates).size).toBeGreaterThan(1);
    },
  );
});
