import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { differentiate } from '../../src/engine/graph/differentiate.ts';
import { Graph } from '../../src/engine/graph/graph.ts';
import { chooseKernels } from '../../src/engine/kernels/load.ts';
import { multiply } from '../../src/engine/ops/elementwise.ts';
import { gather, rowOrder, table } from '../../src/engine/ops/leaves.ts';
import { type LossDescription, meanRows, rowLoss, takesLabels } from '../../src/engine/ops/losses.ts';
import { penalizeActivity } from '../../src/engine/ops/penalty.ts';
import { compile } from '../../src/engine/plan/compile.ts';
import { Team } from '../../src/engine/team/team.ts';
import { targetsOf } from './losses.ts';

/** Every loss on rows and columns of any number, with options drawn too: its gradient against differences of its value. */
const EPSILON = 1e-2;
const { compiled } = chooseKernels();
const between = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const gamma = fc.constantFrom(0, 0.5, 1, 2);
const LOSSES: [string, fc.Arbitrary<LossDescription>][] = [
  ['mse', fc.constant({ type: 'mse' })],
  ['mae', fc.constant({ type: 'mae' })],
  ['huber', fc.record({ type: fc.constant('huber' as const), delta: between(0.1, 2) })],
  ['log_cosh', fc.constant({ type: 'log_cosh' })],
  ['quantile', fc.record({ type: fc.constant('quantile' as const), level: between(0.02, 0.98) })],
  ['poisson', fc.constant({ type: 'poisson' })],
  ['kl_divergence', fc.constant({ type: 'kl_divergence' })],
  ['cosine', fc.constant({ type: 'cosine' })],
  [
    'binary_cross_entropy',
    fc.record({
      type: fc.constant('binary_cross_entropy' as const),
      positiveWeight: between(0.1, 5),
      focalGamma: gamma,
    }),
  ],
  ['cross_entropy', fc.record({ type: fc.constant('cross_entropy' as const), labelSmoothing: between(0, 0.5) })],
  ['focal', fc.record({ type: fc.constant('cross_entropy' as const), focalGamma: gamma })],
  ['hinge', fc.record({ type: fc.constant('hinge' as const), margin: between(0.2, 2), squared: fc.boolean() })],
  ['contrastive', fc.record({ type: fc.constant('contrastive' as const), margin: between(0.5, 4) })],
  [
    'triplet',
    fc.record({
      type: fc.constant('triplet' as const),
      margin: between(0.1, 2),
      mining: fc.constantFrom('all' as const, 'hard' as const),
    }),
  ],
];

interface Drawn {
  loss: LossDescription;
  rows: number;
  cols: number;
  values: number[];
  targets: number[];
  weights: number[] | null;
}

async function check({ loss, rows, cols, values, targets, weights }: Drawn): Promise<void> {
  const graph = new Graph();
  const order = rowOrder(graph, 'order', rows);
  const x = gather(graph, table(graph, { name: 'x', rows, dims: [cols], element: 'f32' }), order);
  const labels = takesLabels(loss);
  const [dims, element] = labels ? [[], 'i32' as const] : [[cols], 'f32' as const];
  const target = gather(graph, table(graph, { name: 'target', rows, dims, element }), order);
  const isWeighted = weights !== null && loss.type === 'cross_entropy';
  const classWeights = isWeighted ? table(graph, { name: 'weights', rows: cols, dims: [], element: 'f32' }) : undefined;
  const losses = rowLoss(graph, x, target, loss, classWeights);
  const [dx] = differentiate(graph, meanRows(graph, losses), [x]);
  const plan = compile(graph, { both: { outputs: { losses, dx: dx! }, maxRows: rows } }, { threads: 1 });
  const team = new Team(plan, compiled);
  team.indices('order').set(Array.from({ length: rows }, (_, i) => i));
  const given = team.floats('x');
  // away from zero, which has no angle; and rows of a batch apart, as a distance of 0 has no direction
  given.set(values.map((v) => Math.sign(v || 1) * (0.3 + 0.85 * Math.abs(v))));
  if (labels) for (let row = 0; row < rows; row++) given[row * cols] = 0.8 * row + 0.1 * values[row * cols]!;
  if (labels) team.integers('target').set(targets.slice(0, rows).map((v) => Math.floor(Math.abs(v) * 100) % cols));
  else team.floats('target').set(targetsOf(loss, targets, cols));
  if (isWeighted) team.floats('weights').set(weights);
  const outcome = team.output('both', 'losses', rows);
  /** in f64: what f32 rounds away of a mean would be large beside ε */
  const run = () => {
    team.run('both', { rows, first: 0, step: 0 });
    return outcome.reduce((sum, value) => sum + value, 0) / rows;
  };
  const here = run();
  expect(Number.isFinite(here)).toBe(true);
  const gradient = team.output('both', 'dx', rows * cols).slice();
  for (let i = 0; i < given.length; i++) {
    const held = given[i]!;
    given[i] = held + EPSILON;
    const above = (run() - here) / (given[i]! - held);
    given[i] = held - EPSILON;
    const below = (here - run()) / (held - given[i]!);
    given[i] = held;
    const middle = (above + below) / 2;
    const tolerance = 3e-3 * Math.max(1, Math.abs(middle));
    // at a kink any slope between the two sides will do
    const reach = Math.abs(above - below) / 2;
    expect(Math.abs(gradient[i]! - middle), `dx[${i}]: ${gradient[i]}, not ${below} … ${above}`).toBeLessThan(
      tolerance + reach,
    );
  }
  await team.close();
}

describe('gradients of losses, whatever the shape', () => {
  it.each(LOSSES)('%s', async (_, losses) => {
    const drawn = fc
      .tuple(losses, fc.integer({ min: 1, max: 9 }), fc.integer({ min: 2, max: 11 }))
      .chain(([loss, rows, cols]): fc.Arbitrary<Drawn> => {
        const numbers = (count: number, min: number, max: number) =>
          fc.array(between(min, max), { minLength: count, maxLength: count });
        return fc.record({
          loss: fc.constant(loss),
          rows: fc.constant(rows),
          cols: fc.constant(cols),
          values: numbers(rows * cols, -2, 2),
          // no row of zeros, which no loss of shares or angles can take
          targets: numbers(rows * cols, 0.1, 1.5).map((row) => row.map((v, i) => (i % 3 === 1 ? -v : v))),
          weights: fc.option(numbers(cols, 0.1, 2)),
        });
      });
    await fc.assert(fc.asyncProperty(drawn, check), { numRuns: 25, seed: 11 });
  });
});

describe('the gradient of a penalty on activities, whatever the shape', () => {
  it('is that of the loss and the penalty together', async () => {
    const between2 = fc.tuple(between(0, 1), between(0, 1));
    const drawn = fc.tuple(
      between2,
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 }),
    );
    const property = fc.asyncProperty(drawn, async ([[l1, l2], rows, dims]) => {
      const graph = new Graph();
      const order = rowOrder(graph, 'order', rows);
      const source = (name: string) => gather(graph, table(graph, { name, rows, dims, element: 'f32' }), order);
      const [x, target] = [source('x'), source('target')];
      const y = penalizeActivity(graph, multiply(graph, x, x), { l1, l2 });
      const losses = rowLoss(graph, y, target, { type: 'mse' });
      const [dx] = differentiate(graph, meanRows(graph, losses), [x]);
      const team = new Team(
        compile(graph, { both: { outputs: { losses, dx: dx! }, maxRows: rows } }, { threads: 1 }),
        compiled,
      );
      team.indices('order').set(Array.from({ length: rows }, (_, i) => i));
      const given = team.floats('x');
      given.forEach((_, i) => {
        given[i] = Math.cos(i * 2.7) + (i % 2);
      });
      team.floats('target').fill(0.4);
      const outcome = team.output('both', 'losses', rows);
      const run = () => {
        team.run('both', { rows, first: 0, step: 0 });
        const penalty = given.reduce((sum, value) => sum + l1 * value * value + l2 * value ** 4, 0);
        return (outcome.reduce((sum, value) => sum + value, 0) + penalty) / rows;
      };
      run();
      const gradient = team.output('both', 'dx', given.length).slice();
      for (let i = 0; i < given.length; i++) {
        const held = given[i]!;
        given[i] = held + EPSILON;
        const above = run();
        given[i] = held - EPSILON;
        const numeric = (above - run()) / (2 * EPSILON);
        given[i] = held;
        expect(Math.abs(gradient[i]! - numeric)).toBeLessThan(3e-3 * Math.max(1, Math.abs(numeric)));
      }
      await team.close();
    });
    await fc.assert(property, { numRuns: 25, seed: 12 });
  });
});
