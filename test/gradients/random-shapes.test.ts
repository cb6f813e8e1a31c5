import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Graph } from '../../src/engine/graph/graph.ts';
import { chooseKernels } from '../../src/engine/kernels/load.ts';
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

describe('gradients in networks of random shapes', () => {
  const { compiled } = chooseKernels();

  it.each(FAMILIES.map((family, i) => ({ ...family, i, title: family.ops.join(', ') })))(
    '$title',
    async ({ shapes, i }) => {
      const cases = fc.sample(shapes, { numRuns: CASES, seed: 1000 + i });
      const differences = new Differences(compiled, cases, 1);
      const noise = createNoise(i + 1);
      let moved = 0;
      for (const [n, { name }] of cases.entries()) {
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
            const numeric = (at(1) - at(-1)) / (2 * EPSILON);
            values.set(held);
            const analytic = gradient.reduce((sum, g, e) => sum + g * direction[e]!, 0);
            expect(Math.abs(analytic - numeric), `${name}, ${tensor}: ${analytic} against ${numeric}`).toBeLessThan(
              2e-3 * Math.max(1, Math.abs(numeric)),
            );
            if (Math.abs(numeric) > 1e-3) moved += 1;
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
