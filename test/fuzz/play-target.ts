import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import type { Target } from './target.ts';

/** The event loop is held up no longer by one input. */
export const LONGEST_STALL_MS = 200;
/** An answer that takes longer does not come. */
const LONGEST_ANSWER_MS = 20_000;
const RESOLUTION_MS = 10;
/** A machine may hold a process up as well: what the input does, it does each time. */
const TRIES = 4;

export interface Played {
  name: string;
  inputs: number;
  seconds: number;
  /** how often each outcome came */
  outcomes: Map<string, number>;
  /** the longest that the loop was held up, each input by its best try */
  stallMs: number;
  failure: Failure | null;
}
export interface Failure {
  seed: number;
  /** of fast-check: leads to the smallest failing input at once */
  path: string;
  input: string;
  error: string;
  shrunkTimes: number;
}

/** Plays a target with `inputs` inputs, the same for the same seed; a failing one is made as small as can be. */
export async function playTarget<Input>(
  target: Target<Input>,
  { inputs, seed, path, onInput }: { inputs: number; seed: number; path?: string; onInput?: (input: Input) => void },
): Promise<Played> {
  const outcomes = new Map<string, number>();
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  let stallMs = 0;
  let count = 0;

  // a histogram that was reset notes nothing before the second of its timers
  const arm = async () => {
    delays.reset();
    await sleep(3 * RESOLUTION_MS);
  };
  /** How long the loop was held up meanwhile by what this thread computed, in ms; 0 where it cannot have been for long. */
  const playOnce = async (input: Input): Promise<number> => {
    // what was played before has no part in it
    await nextTurn();
    const begin = performance.now();
    const used = process.threadCpuUsage();
    const outcome = await answered(target.play(input));
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    if (performance.now() - begin < LONGEST_STALL_MS / 4) return 0;
    const { user, system } = process.threadCpuUsage(used);
    // a delay is noted by the timer that came late
    await sleep(2 * RESOLUTION_MS);
    // where others have the processors, the loop is late though nobody holds it up
    const heldMs = Math.max(0, Math.min(delays.max / 1e6 - RESOLUTION_MS, (user + system) / 1000));
    await arm();
    return heldMs;
  };

  delays.enable();
  await arm();
  const begin = performance.now();
  const property = fc.asyncProperty(target.inputs, async (input) => {
    count++;
    onInput?.(input);
    let held = Number.POSITIVE_INFINITY;
    for (let i = 0; i < TRIES && held > LONGEST_STALL_MS; i++) held = Math.min(held, await playOnce(input));
    stallMs = Math.max(stallMs, held);
    if (held > LONGEST_STALL_MS) throw new Error(`the event loop was held up for ${held.toFixed(0)} ms`);
  });
  const numRuns = Math.max(1, Math.ceil(inputs * (target.share ?? 1)));
  const result = await fc.check(property, { numRuns, seed, ...(path !== undefined && { path }) });
  delays.disable();
  const failure = !result.failed
    ? null
    : {
        seed: result.seed,
        path: result.counterexamplePath ?? '',
        input: result.counterexample === null ? '' : target.show(result.counterexample[0]),
        error:
          result.errorInstance instanceof Error ? (result.errorInstance.stack ?? '') : String(result.errorInstance),
        shrunkTimes: result.numShrinks,
      };
  return { name: target.name, inputs: count, seconds: (performance.now() - begin) / 1000, outcomes, stallMs, failure };
}

async function answered<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${LONGEST_ANSWER_MS} ms`)), LONGEST_ANSWER_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
