/**
 * Learning-rate schedules: a factor of the base rate for each step (from 0) of `totalSteps`.
 * Warm-up rises linearly from 1/(warmup+1) to the full rate and comes in front of any schedule; the schedule itself begins when it is over, and what
 * ends with the training ends at its last step.
 */
export type ScheduleDescription = { warmupSteps: number } & (
  | { type: 'constant' }
  | { type: 'step'; everySteps: number; gamma: number }
  /** `milestones` count from the end of the warm-up, as everything here does */
  | { type: 'multi_step'; milestones: readonly number[]; gamma: number }
  | { type: 'exponential'; gamma: number }
  | { type: 'polynomial'; power: number; finalShare: number }
  | { type: 'cosine'; finalShare: number }
  | { type: 'cosine_restarts'; firstSteps: number; growth: number; finalShare: number }
  | { type: 'one_cycle'; riseShare: number; initialDivisor: number; finalDivisor: number }
  | { type: 'inverse_sqrt' }
  /** the factor is 1: what a PlateauState leaves of the rate comes on top */
  | { type: 'reduce_on_plateau' }
);

/** Half a cosine from `from` (share 0) to `to` (share 1). */
function descend(from: number, to: number, share: number): number {
  return to + ((from - to) * (1 + Math.cos(Math.PI * share))) / 2;
}

export function scheduleFactor(schedule: ScheduleDescription, step: number, totalSteps: number): number {
  const { warmupSteps } = schedule;
  if (step < warmupSteps) return (step + 1) / (warmupSteps + 1);
  const after = step - warmupSteps;
  const remaining = totalSteps - warmupSteps;
  /** 0 at the first step, 1 at the last */
  const share = Math.min(1, after / Math.max(1, remaining - 1));
  switch (schedule.type) {
    case 'constant':
    case 'reduce_on_plateau':
      return 1;
    case 'step':
      return schedule.gamma ** Math.floor(after / schedule.everySteps);
    case 'multi_step':
      return schedule.gamma ** schedule.milestones.filter((milestone) => milestone <= after).length;
    case 'exponential':
      return schedule.gamma ** after;
    case 'polynomial':
      return schedule.finalShare + (1 - schedule.finalShare) * (1 - share) ** schedule.power;
    case 'cosine':
      return descend(1, schedule.finalShare, share);
    case 'cosine_restarts': {
      const { at, length } = findCycle(after, schedule.firstSteps, schedule.growth);
      return descend(1, schedule.finalShare, at / length);
    }
    case 'one_cycle': {
      const start = 1 / schedule.initialDivisor;
      const top = schedule.riseShare * remaining - 1;
      if (after <= top) return descend(start, 1, top > 0 ? after / top : 1);
      // a rise shorter than a step is none, and the descent begins at once
      const descent = (after - Math.max(0, top)) / Math.max(1, remaining - 1 - Math.max(0, top));
      return descend(1, start / schedule.finalDivisor, Math.min(1, descent));
    }
    case 'inverse_sqrt':
      return Math.sqrt((warmupSteps + 1) / (step + 1));
  }
}

/** Cycles of firstSteps, firstSteps·growth, firstSteps·growth², … steps: how far into which one a step is. */
function findCycle(step: number, firstSteps: number, growth: number): { at: number; length: number } {
  if (growth === 1) return { at: step % firstSteps, length: firstSteps };
  let [at, length] = [step, firstSteps];
  while (at >= length) {
    at -= length;
    length *= growth;
  }
  return { at, length };
}
