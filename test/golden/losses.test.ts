import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { differentiate } from '../../src/engine/graph/differentiate.ts';
import { Graph, type Node } from '../../src/engine/graph/graph.ts';
import { type CompiledKernels, compileKernels, KERNEL_BUILDS } from '../../src/engine/kernels/load.ts';
import { gather, rowOrder, table } from '../../src/engine/ops/leaves.ts';
import { classWeightsOf, ignoredLabel, meanRows, rowLoss, takesLabels } from '../../src/engine/ops/losses.ts';
import { compile } from '../../src/engine/plan/compile.ts';
import { sumRowWeights } from '../../src/engine/row-weights.ts';
import { Team } from '../../src/engine/team/team.ts';
import { Loss } from '../../src/spec/loss.ts';
import { describeLoss } from '../../src/worker/build-loss.ts';
import { fillVariant } from './fill-variant.ts';

/**
 * PyTorch's losses, from make-losses.py. One stands there as in a job's spec, but that its classes are numbers; what it leaves out is the
 * default.
 */
interface Golden {
  columns: number;
  cases: {
    loss: { type: string; class_weights?: number[]; ignore_class?: number };
    x: number[];
    target: number[];
    value: number;
    dx: number[];
  }[];
}
const golden = JSON.parse(readFileSync(new URL('./losses.json', import.meta.url), 'utf8')) as Golden;
const { columns } = golden;

/** Positions: so many of the script's rows are one row of ours, a sequence. */
async function run(
  compiled: CompiledKernels,
  { loss: given, x, target }: Golden['cases'][number],
  positions: number,
  threads: number,
) {
  const { class_weights: weightsOf = null, ignore_class: ignored = null, ...rest } = given;
  const loss = describeLoss(fillVariant<Loss>(Loss, rest), { classWeights: weightsOf, ignoreIndex: ignored });
  const rows = x.length / columns / positions;
  const sequence = positions === 1 ? [] : [positions];
  const graph = new Graph();
  const order = rowOrder(graph, 'order', rows);
  const labels = takesLabels(loss);
  const source = (name: string, dims: number[], element: 'f32' | 'i32'): Node =>
    gather(graph, table(graph, { name, rows, dims, element }), order);
  const predicted = source('x', [...sequence, columns], 'f32');
  const targets = labels ? source('target', sequence, 'i32') : source('target', [...sequence, columns], 'f32');
  const classWeights = classWeightsOf(loss);
  const weights = classWeights && table(graph, { name: 'weights', rows: columns, dims: [], element: 'f32' });
  const mean = meanRows(graph, rowLoss(graph, predicted, targets, loss, weights ?? undefined));
  const [dx] = differentiate(graph, mean, [predicted]);
  const plan = compile(graph, { step: { outputs: { mean, dx: dx! }, maxRows: rows } }, { threads });
  const team = new Team(plan, compiled);
  team.indices('order').set(Array.from({ length: rows }, (_, i) => i));
  team.floats('x').set(x);
  if (labels) team.integers('target').set(target);
  else team.floats('target').set(target);
  if (classWeights !== null) team.floats('weights').set(classWeights);
  const description = {
    samples: null,
    labels: labels ? team.integers('target') : null,
    positions,
    stride: positions,
    classWeights,
    ignored: ignoredLabel(loss),
  };
  const inverseWeight = 1 / sumRowWeights(description, team.indices('order'), 0, rows);
  team.run('step', { rows, first: 0, step: 0, inverseWeight });
  team.meet();
  const outcome = {
    value: team.output('step', 'mean', 1)[0]!,
    dx: team.output('step', 'dx', x.length).slice(),
  };
  await team.close();
  return outcome;
}

/** Losses of whole rows: of vectors, or of rows against each other. */
const OF_ROWS = ['kl_divergence', 'cosine', 'contrastive', 'triplet'];
const titled = golden.cases.flatMap((one) =>
  (OF_ROWS.includes(one.loss.type) ? [1] : [1, 4]).map((positions) => ({
    ...{ one, positions },
    title: `${JSON.stringify(one.loss)}${positions > 1 ? `, in sequences of ${positions}` : ''}`,
  })),
);

describe.each(KERNEL_BUILDS)("PyTorch's losses, %s kernels", (build) => {
  const compiled = compileKernels({ build });

  it.each(titled)('are ours: $title', async ({ one, positions }) => {
    const { value, dx } = await run(compiled, one, positions, build === 'relaxed' ? 2 : 1);
    expect(Math.abs(value / one.value - 1), `${value} instead of ${one.value}`).toBeLessThan(2e-6);
    one.dx.forEach((slope, i) => {
      const off = Math.abs(dx[i]! - slope) / (3e-7 + 3e-6 * Math.abs(slope));
      expect(off, `dx[${i}]: ${dx[i]} instead of ${slope}`).toBeLessThan(1);
    });
  });
});
