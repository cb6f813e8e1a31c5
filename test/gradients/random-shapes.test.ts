import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Graph } from '../../src/engine/graph/graph.ts';
import { chooseKernels } from '../../src/engine/kernels/load.ts';
import type { LossDescription } from '../../src/engine/ops/losses.ts';
import { OP_NAMES, opOf } from '../../src/engine/ops/registry.ts';
import { Differences, EPSILON, TENSORS } from './differences.ts';
import { FAMILIES } from './random-shapes.ts';

/**
 * Every operation's gradient in networks of random shapes: along a random direction v of unit length, g·v against (L(x+εv) − L(x−εv)) / 2ε. More of
 * them with GRADIENT_CASES=…
 */
const CASES = Number(process.env.GRADIENT_CASES ?? 6);
const DIRECTIONS = 3;

/** In (-1, 1). */
function createNoise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 16807) % 2147483647;
    return state / 1073741824 - 1;
  };
}

const KINKED = ['mae', 'quantile', 'hinge', 'contrastive', 'triplet'];

/** A step may lead over the kink of such a loss: then the gradient is the slope on one of its sides, and so between the two that are seen. */
function isBetweenSlopes(
  analytic: number,
  above: number,
  here: number,
  below: number,
  loss: LossDescription | undefined,
): boolean {
  if (loss === undefined || !KINKED.includes(loss.type)) return false;
  const slopes = [(above - here) / EPSILON, (here - below) / EPSILON];
  return analytic >= Math.min(...slopes) - 1e-4 && analytic <= Math.max(...slopes) + 1e-4;
}

describe('gradients in networks of random shapes', () => {
  const { compiled } = chooseKernels();

  it.each(FAMILIES.map((family, i) => ({ ...family, i, title: family.ops.join(', ') })))(
    '$title',
    async ({ shapes, i }) => {
      const cases = fc.sample(shapes, { numRuns: CASES, seed: 1000 + i });
      const differences = new Differences(compiled, cases, 1);
      const noise = createNoise(i + 1);
      let moved = 0;
      for (const [n, { name, loss }] of cases.entries()) {
        const gradients = differences.gradients(n);
        for (const tensor of TENSORS) {
          const gradient = gradients[tensor];
          if (gradient === null) continue;
          const values = differences.values(n, tensor);
          const held = values.slice();
          for (let d = 0; d < DIRECTIONS; d++) {
            const raw = held.map(noise);
            const length = Math.hypot(...raw);
            const direction = raw.map((v) => v / length);
            const at = (sign: number) => {
              values.set(held.map((v, e) => v + sign * EPSILON * direction[e]!));
              return differences.loss(n);
            };
            const [above, below] = [at(1), at(-1)];
            const numeric = (above - below) / (2 * EPSILON);
            values.set(held);
            const analytic = gradient.reduce((sum, g, e) => sum + g * direction[e]!, 0);
            if (Math.abs(numeric) > 1e-3) moved += 1;
            if (isBetweenSlopes(analytic, above, differences.loss(n), below, loss)) continue;
            expect(Math.abs(analytic - numeric), `${name}, ${tensor}: ${analytic} against ${numeric}`).toBeLessThan(
              2e-3 * Math.max(1, Math.abs(numeric)),
            );
          }
        }
      }
      // most directions change the loss, or nothing was looked at
      expect(moved).toBeGreaterThanOrEqual(CASES);
      await differences.close();
    },
  );

  it('cover every operation that has a gradient', () => {
    const graph = new Graph();
    const covered = new Set([...FAMILIES.flatMap(({ ops }) => ops), 'gather']);
    const differentiable = OP_NAMES.filter(
      (name) => opOf(graph.add(name, [], { batched: false, dims: [] })).gradient !== undefined,
    );
    expect(differentiable.filter((name) => !covered.has(name))).toEqual([]);
  });
});
