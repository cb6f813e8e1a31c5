import type { ResumeState } from './resume-state.ts';

/** So many times its first value, or times 1 where that was less, a loss is beyond hope */
const FACTOR = 1e6;
/** after so many updates in a row. */
const UPDATES = 100;

/**
 * Has training exploded, though every number is still finite? Each of the last updates' losses was a million times what it was before the first update, and the
 * last is no smaller than the first of them. A single outlier among the rows, or a restart that shakes the weights, is over sooner or falls; and measured
 * against the first loss, not the best, a network that has almost fitted its rows may rise from 1e-9 to 1 without being taken for lost.
 */
export function hasExploded(state: ResumeState, loss: number): boolean {
  state.firstLoss ??= loss;
  if (loss <= FACTOR * Math.max(1, Math.abs(state.firstLoss))) {
    state.explosion = null;
    return false;
  }
  state.explosion =
    state.explosion == null ? { loss, updates: 1 } : { ...state.explosion, updates: state.explosion.updates + 1 };
  return state.explosion.updates >= UPDATES && loss >= state.explosion.loss;
}
