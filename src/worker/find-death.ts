import type { Replay } from '../engine/replay.ts';
import type { JobSpec } from '../spec/job.ts';
import { layerOf, listFromHead } from '../spec/unfreezing.ts';

/** The layer nearest the output that no gradient reaches, where gradients reach nothing but the last layers, which tell the targets; else null. */
export function findDeath(spec: JobSpec, replay: Replay | null): string | null {
  if (replay === null || replay.dead.length === 0) return null;
  const [heads = [], ...below] = listFromHead(spec);
  if (replay.alive.some((name) => !heads.includes(layerOf(name)))) return null;
  const dead = new Set(replay.dead.map(layerOf));
  return below.flat().find((layer) => dead.has(layer)) ?? null;
}
