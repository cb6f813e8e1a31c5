import { availableParallelism } from 'node:os';

/**
 * The team's control words: a small Int32Array at the head of the shared memory through which the threads meet.
 *
 * The leader (rank 0) writes an order, then everyone meets at a barrier and carries it out. There are two places for orders, used in turn: the
 * leader may pass the barrier and write the next order before the others have read this one, but it cannot pass the next barrier.
 */
export const Word = {
  arrived: 0,
  phase: 1,
  /** a thread has failed: nobody must wait for it any longer */
  failed: 2,
  /** ranges of the stage's rest that have been taken */
  taken: 3,
} as const;

/** Words of an order, from `orderAt(n)`. `inverseWeight` and `inverseRows` are f32. */
export const Order = {
  command: 0,
  program: 1,
  rows: 2,
  first: 3,
  stepLow: 4,
  stepHigh: 5,
  inverseWeight: 6,
  inverseRows: 7,
} as const;

/** First word of the n-th order. */
export function orderAt(n: number): number {
  return 16 + (n % 2) * 16;
}

export const Command = { run: 1, meet: 2, exit: 3 } as const;

export class TeamFailedError extends Error {}

/**
 * How long a thread looks at the phase word before it sleeps, where each thread has a core: about half a millisecond. Threads of one stage drift apart that far
 * where a core is shared with others, and a sleep and a wake-up cost some 50 µs, more on a virtual machine. With 2000 turns W1 and W5 on two threads beside
 * other work trained 5 to 10 % fewer samples a second.
 */
const SPINS = 50_000;
/** Where threads share cores: 20 µs, too short to keep a core from another thread. */
const SPINS_ON_SHARED_CORES = 2000;
/** Sleeping threads look up this often to see whether somebody failed. */
const LOOK_UP_MS = 200;

/**
 * A barrier for `threads` threads, behind which no range of a rest is taken yet. Returns when all have arrived. Throws TeamFailedError when a thread has failed, or has not
 * arrived within `stallTimeoutMs`.
 */
export function createBarrier(control: Int32Array, threads: number, stallTimeoutMs: number): () => void {
  if (threads === 1) return () => {};
  const spins = threads <= availableParallelism() ? SPINS : SPINS_ON_SHARED_CORES;
  return () => {
    const phase = Atomics.load(control, Word.phase);
    if (Atomics.add(control, Word.arrived, 1) === threads - 1) {
      Atomics.store(control, Word.arrived, 0);
      Atomics.store(control, Word.taken, 0);
      Atomics.add(control, Word.phase, 1);
      Atomics.notify(control, Word.phase);
      return;
    }
    for (let i = 0; i < spins; i++) if (Atomics.load(control, Word.phase) !== phase) return;
    // counted, and not timed: a time is a number on the heap, and a step allocates nothing
    for (let lookUps = 0; Atomics.load(control, Word.phase) === phase; ) {
      if (Atomics.wait(control, Word.phase, phase, LOOK_UP_MS) === 'timed-out') lookUps += 1;
      if (Atomics.load(control, Word.failed) !== 0) throw new TeamFailedError('a thread of the team failed');
      if (lookUps * LOOK_UP_MS > stallTimeoutMs) {
        Atomics.store(control, Word.failed, 1);
        throw new TeamFailedError(`a thread of the team did not arrive within ${stallTimeoutMs} ms`);
      }
    }
  };
}
