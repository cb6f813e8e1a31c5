import type { Replay } from '../engine/replay.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import { layerOf, listFromHead } from '../spec/unfreezing.ts';

/** The layer nearest the output that no gradient reaches, where gradients reach nothing but the last layers, which tell the targets; else null. */
export function findDeath(spec: JobSpec, replay: Replay | null): string | null {
  if (replay === null || replay.dead.length === 0) return null;
  const [heads = [], ...below] = listFromHead(spec);
  const isOfHead = (name: string) => heads.includes(layerOf(name));
  if (replay.alive.some((name) => !isOfHead(name))) return null;
  // units that are off leave the last bias its gradient: where it has none either, these rows count for nothing
  if (replay.dead.some((name) => isOfHead(name) && name.endsWith('.bias'))) return null;
  const dead = new Set(replay.dead.map(layerOf));
  return below.flat().find((layer) => dead.has(layer)) ?? null;
}
