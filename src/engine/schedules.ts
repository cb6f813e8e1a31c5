/**
 * Learning-rate schedules: a factor of the base rate for each step (from 0) of `totalSteps`.
 * Warm-up rises linearly from 1/(warmup+1) to the full rate and comes in front of any schedule.
 */
export type ScheduleDescription =
  | { type: 'constant'; warmupSteps: number }
  | { type: 'step'; warmupSteps: number; everySteps: number; gamma: number }
  | { type: 'cosine'; warmupSteps: number; finalShare: number };

export function scheduleFactor(schedule: ScheduleDescription, step: number, totalSteps: number): number {
  const { warmupSteps } = schedule;
  if (step < warmupSteps) return (step + 1) / (warmupSteps + 1);
  const after = step - warmupSteps;
  switch (schedule.type) {
    case 'constant':
      return 1;
    case 'step':
      return schedule.gamma ** Math.floor(after / schedule.everySteps);
    case 'cosine': {
      const share = Math.min(1, after / Math.max(1, totalSteps - warmupSteps - 1));
      return schedule.finalShare + ((1 - schedule.finalShare) * (1 + Math.cos(Math.PI * share))) / 2;
    }
  }
}
