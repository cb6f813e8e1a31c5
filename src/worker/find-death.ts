import type { Replay } from '../engine/replay.ts';
import type { Trainer } from '../engine/trainer.ts';
import { isSearch } from '../spec/check-search.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import { layerOf, listFromHead } from '../spec/unfreezing.ts';
import type { ResumeState } from './resume-state.ts';

/** Share of the loss by which it must change from epoch to epoch, or it stands still: where a constant alone is learnt, it wavers with the order of rows. */
const STANDSTILL = 1e-3;
/** What looking for lost gradients may take beside the training that goes on. */
const LOOK_BYTES = 2 ** 26;
/** Updates whose rows must be without gradients before training is given up. */
const CERTAIN_UPDATES = 8;

/**
 * A loss that stands still from one epoch to the next may have lost its gradients. `dead`: parameters that have none; `layer`: nothing but the last layer
 * has any, in many updates too, so only a constant is learnt, and this one lies nearest to it; null: there is nothing to say. It is looked into the
 * first time, and when the epochs have doubled, so that a resume looks where the training that never stopped does. Notes in `state` that it was.
 * `loss`: mean of the epoch that ends; `rows`: of an update, and of the training split.
 */
export function lookIntoStandstill(
  spec: JobSpec,
  trainer: Trainer,
  state: ResumeState,
  loss: number,
  rows: { update: number; all: number },
): { layer: string } | { dead: readonly string[] } | null {
  const before = state.metrics['train.epoch_loss'];
  const isStill = before !== undefined && Math.abs(loss - before) <= STANDSTILL * Math.abs(loss);
  const epochs = state.epoch + 1;
  if (!isStill || (state.lookedForDead && Math.log2(epochs) % 1 !== 0)) return null;
  state.lookedForDead = true;
  if (!(loss > 0) || isSearch(spec.training.optimizer)) return null;
  const look = (updates: number) =>
    trainer.replay(0, Math.min(updates * rows.update, rows.all), state.step, LOOK_BYTES);
  const { dead = [] } = look(1) ?? {};
  if (dead.length === 0) return null;
  const layer = findDeath(spec, look(CERTAIN_UPDATES));
  return layer === null ? { dead } : { layer };
}

/** The layer nearest the output that no gradient reaches, where gradients reach nothing but the last layers, which tell the targets; else null. */
function findDeath(spec: JobSpec, replay: Replay | null): string | null {
  if (replay === null || replay.dead.length === 0) return null;
  const [heads = [], ...below] = listFromHead(spec);
  const isOfHead = (name: string) => heads.includes(layerOf(name));
  if (replay.alive.some((name) => !isOfHead(name))) return null;
  // units that are off leave the last bias its gradient: where it has none either, these rows count for nothing
  if (replay.dead.some((name) => isOfHead(name) && name.endsWith('.bias'))) return null;
  const dead = new Set(replay.dead.map(layerOf));
  return below.flat().find((layer) => dead.has(layer)) ?? null;
}
