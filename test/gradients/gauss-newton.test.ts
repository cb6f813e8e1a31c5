import { describe, expect, it } from 'vitest';
import { differentiate } from '../../src/engine/graph/differentiate.ts';
import { gaussNewtonProduct } from '../../src/engine/graph/gauss-newton.ts';
import { elementsOf, Graph, type Node } from '../../src/engine/graph/graph.ts';
import { chooseKernels } from '../../src/engine/kernels/load.ts';
import { createNoise } from '../../src/engine/kernels/self-check.ts';
import type { LayerDescription } from '../../src/engine/layers/description.ts';
import { ModelBuilder } from '../../src/engine/layers/layer.ts';
import { gather, parameter, rowOrder, table } from '../../src/engine/ops/leaves.ts';
import { type LossDescription, meanRows, rowLoss, takesLabels } from '../../src/engine/ops/losses.ts';
import { compile } from '../../src/engine/plan/compile.ts';
import { Team } from '../../src/engine/team/team.ts';
import { targetsOf } from './losses.ts';

/**
 * Gauss-Newton products against what defines them: uᵀGv = Σ over rows of (J·u)·H·(J·v), where J·u and J·v are differences of the outputs along
 * u and v, and H·(J·v) is the difference of the loss's gradient along J·v. Nothing here is differentiated twice but the product itself.
 */
const [ROWS, INPUTS, OUTPUTS] = [6, 12, 4];
const EPSILON = 2e-3;
const { compiled } = chooseKernels();
const init = { type: 'he_normal', gain: 1 } as const;
const common = { init, bias: true, biasInit: { type: 'uniform', low: -0.3, high: 0.3 } } as const;
const dense = (name: string, units: number, activation: object = { type: 'linear' }) =>
  ({ type: 'dense', name, units, activation, ...common }) as LayerDescription;

const MLP = [dense('a', 5, { type: 'tanh' }), dense('b', OUTPUTS)];
const LOSSES: [LossDescription, number[]?][] = [
  [{ type: 'mse' }],
  [{ type: 'huber', delta: 0.7 }],
  [{ type: 'log_cosh' }],
  [{ type: 'poisson' }],
  [{ type: 'kl_divergence' }],
  [{ type: 'binary_cross_entropy', positiveWeight: 2.5 }],
  [{ type: 'cross_entropy' }],
  [{ type: 'cross_entropy', labelSmoothing: 0.2, ignoreIndex: 2 }, [0.5, 1, 2, 1.5]],
];
const ACTIVATIONS = ['relu', 'sigmoid', 'softplus', 'silu', 'mish', 'softmax', 'log_softmax', 'selu', 'softsign'].map(
  (type): [string, LayerDescription[]] => [type, [dense('a', 6, { type }), dense('b', OUTPUTS)]],
);
const window = { kernel: [2, 2], stride: [1, 1], dilation: [1, 1], padding: 'same', groups: 1 } as const;
const NETWORKS: [string, LayerDescription[]][] = [
  ...ACTIVATIONS,
  ['gelu', [dense('a', 6, { type: 'gelu', approximate: 'none' }), dense('b', OUTPUTS)]],
  [
    'convolution, pooling, dropout, a residual connection',
    [
      { type: 'reshape', name: 'image', shape: [3, 2, 2] },
      { type: 'conv2d', name: 'c', filters: 3, ...window, activation: { type: 'tanh' }, ...common },
      { type: 'average_pool2d', name: 'p', size: [2, 2], stride: [1, 1] },
      { type: 'flatten', name: 'f' },
      { type: 'dropout', name: 'd', rate: 0.3 },
      { ...dense('a', 6, { type: 'sigmoid' }) },
      { type: 'add', name: 'sum', inputs: ['a', 'f'] },
      dense('b', OUTPUTS),
    ] as LayerDescription[],
  ],
];

const steps = { type: 'reshape', name: 'steps', shape: [3, 4] } as LayerDescription;
const recurrent = (type: string, more: object = {}) =>
  ({
    ...{ type, name: type, units: 3, depth: 1, bidirectional: false, returns: 'last', dropout: 0 },
    ...{ recurrentInit: init, ...common, ...more },
  }) as LayerDescription;
const heads = { heads: 2, keyHeads: 1, rotary: true, init, bias: true };
const block = {
  ...{ ...heads, keyHeads: 2, rotary: false, units: 5, activation: { type: 'gelu', approximate: 'none' }, gated: true },
  ...{ norm: 'layer_norm', normPosition: 'pre', epsilon: 1e-3, dropout: 0.2 },
};
const tokens = { type: 'embedding', name: 'e', vocabulary: 5, units: 4, init, padding: true } as LayerDescription;
/** indices, 0 behind the end of a row */
const TOKENS = Array.from({ length: ROWS * INPUTS }, (_, i) => (i % INPUTS > 3 + (i % 7) ? 0 : 1 + ((i * i) % 4)));
const SEQUENCES: [string, LayerDescription[], number[]?][] = [
  ...['rnn', 'lstm', 'gru'].flatMap((type): [string, LayerDescription[], number[]?][] => [
    [type, [steps, recurrent(type)]],
    [`${type}, two deep and both ways`, [steps, recurrent(type, { depth: 2, bidirectional: true })]],
    [`${type} over padding`, [tokens, recurrent(type)], TOKENS],
    [
      `${type} with an initial state`,
      [
        { ...dense('h', 3, { type: 'tanh' }), inputs: ['input'] },
        { ...steps, inputs: ['input'] },
        recurrent(type, { inputs: type === 'lstm' ? ['steps', 'h', 'h'] : ['steps', 'h'] }),
      ],
    ],
  ]),
  [
    'causal attention with shared keys and rotary positions',
    [steps, { type: 'attention', name: 'at', ...heads, causal: true }, { type: 'flatten', name: 'f' }],
  ],
  [
    'a transformer over padding',
    [
      tokens,
      { type: 'transformer_encoder', name: 'encoder', ...block } as LayerDescription,
      {
        ...{ type: 'transformer_decoder', name: 'decoder', ...block, normPosition: 'post' },
        inputs: ['e', 'encoder'],
      } as LayerDescription,
      { type: 'flatten', name: 'f' },
    ],
    TOKENS,
  ],
];
const NORMS: [string, object][] = [
  ['layer_norm', {}],
  ['rms_norm', {}],
  ['group_norm', { groups: 2 }],
];

async function check(
  layers: LayerDescription[],
  loss: LossDescription,
  classWeights?: number[],
  inputs?: number[],
): Promise<void> {
  const graph = new Graph();
  const order = rowOrder(graph, 'order', ROWS);
  const source = (name: string, dims: number[], element: 'f32' | 'i32' = 'f32') =>
    gather(graph, table(graph, { name, rows: ROWS, dims, element }), order);
  const x = source('x', [INPUTS]);
  const target = takesLabels(loss) ? source('target', [], 'i32') : source('target', [OUTPUTS]);
  const weights = classWeights && table(graph, { name: 'weights', rows: OUTPUTS, dims: [], element: 'f32' });
  const builder = new ModelBuilder(graph, { low: 3, high: 5 });
  const outputs = builder.build(x, layers, true);
  const parameters = builder.parameters.map((p) => p.node);
  const vectors = builder.parameters.map((p) => parameter(graph, `v/${p.name}`, p.node.shape.dims));
  const mean = meanRows(graph, rowLoss(graph, outputs, target, loss, weights));
  const products = gaussNewtonProduct(graph, mean, [outputs], parameters, vectors);
  // the loss alone, of outputs that are given
  const given = source('given', [OUTPUTS]);
  const lossOfGiven = meanRows(graph, rowLoss(graph, given, target, loss, weights));
  const [slope] = differentiate(graph, lossOfGiven, [given]);
  const named = (prefix: string, nodes: Node[]) => Object.fromEntries(nodes.map((node, i) => [`${prefix}${i}`, node]));
  const plan = compile(
    graph,
    {
      product: { outputs: named('p', products), maxRows: ROWS },
      forward: { outputs: { outputs }, maxRows: ROWS },
      slope: { outputs: { slope: slope! }, maxRows: ROWS },
    },
    { threads: 1 },
  );
  const team = new Team(plan, compiled);
  const noise = createNoise(9);
  const random = (count: number) => Float32Array.from({ length: count }, () => 2 * noise() - 1);
  team.indices('order').set(Array.from({ length: ROWS }, (_, i) => i));
  team.floats('x').set(inputs ?? random(ROWS * INPUTS));
  if (takesLabels(loss)) team.integers('target').set([0, 3, 1, 2, 1, 3]);
  else team.floats('target').set(targetsOf(loss, [...random(ROWS * OUTPUTS)], OUTPUTS));
  if (classWeights !== undefined) team.floats('weights').set(classWeights);
  const at = builder.parameters.map((p) => random(elementsOf(p.node)).map((v) => 0.7 * v));
  const [u, v] = [0, 1].map(() => builder.parameters.map((p) => random(elementsOf(p.node)))) as [
    Float32Array[],
    Float32Array[],
  ];
  const run = (program: string, output: string) => {
    team.run(program, { rows: ROWS, first: 0, step: 4 });
    return team.output(program, output, ROWS * OUTPUTS).slice();
  };
  const place = (direction: Float32Array[], factor: number) =>
    builder.parameters.forEach(({ name }, i) => {
      team.floats(name).set(at[i]!.map((value, j) => value + factor * direction[i]![j]!));
    });
  const alongOutputs = (direction: Float32Array[]) => {
    place(direction, EPSILON);
    const above = run('forward', 'outputs');
    place(direction, -EPSILON);
    const below = run('forward', 'outputs');
    return above.map((value, i) => (value - below[i]!) / (2 * EPSILON));
  };
  const [ju, jv] = [alongOutputs(u), alongOutputs(v)];
  place(u, 0);
  const here = run('forward', 'outputs');
  const slopeAt = (factor: number) => {
    team.floats('given').set(here.map((value, i) => value + factor * jv[i]!));
    return run('slope', 'slope');
  };
  const [above, below] = [slopeAt(EPSILON), slopeAt(-EPSILON)];
  let expected = 0;
  ju.forEach((value, i) => {
    expected += (value * (above[i]! - below[i]!)) / (2 * EPSILON);
  });

  builder.parameters.forEach(({ name }, i) => {
    team.floats(`v/${name}`).set(v[i]!);
  });
  team.run('product', { rows: ROWS, first: 0, step: 4 });
  let actual = 0;
  let size = 0;
  products.forEach((node, i) => {
    const product = team.output('product', `p${i}`, elementsOf(node));
    product.forEach((value, j) => {
      actual += value * u[i]![j]!;
      size += Math.abs(value * u[i]![j]!);
    });
  });
  await team.close();
  expect(size).toBeGreaterThan(1e-3);
  expect(Math.abs(actual - expected), `${actual} instead of ${expected}`).toBeLessThan(4e-3 * Math.max(0.1, size));
}

describe('Gauss-Newton products', () => {
  it.each(LOSSES.map(([loss, classWeights]) => ({ loss, classWeights, title: JSON.stringify(loss) })))(
    'of $title',
    ({ loss, classWeights }) => check(MLP, loss, classWeights),
  );
  it.each(NETWORKS)('through %s', (_, layers) => check(layers, { type: 'cross_entropy' }));

  it.each(NORMS)('through %s', (type, more) =>
    check(
      [
        { type: 'reshape', name: 'image', shape: [3, 4] },
        dense('a', 6, { type: 'tanh' }),
        { type, name: 'norm', epsilon: 1e-3, ...more } as LayerDescription,
        { type: 'flatten', name: 'f' },
        dense('b', OUTPUTS),
      ],
      { type: 'cross_entropy' },
    ),
  );

  it('through largest values of windows, padding, gates and a feed-forward network', () =>
    check(
      [
        { type: 'reshape', name: 'image', shape: [3, 2, 2] },
        {
          type: 'conv2d',
          name: 'c',
          filters: 4,
          ...window,
          activation: { type: 'tanh' },
          ...common,
        } as LayerDescription,
        { type: 'max_pool2d', name: 'p', size: [2, 2], stride: [1, 1] },
        { type: 'reshape', name: 'line', shape: [2, 4] },
        { type: 'zero_padding1d', name: 'padded', before: 1, after: 0 },
        { type: 'upsample1d', name: 'up', factor: 2 },
        { type: 'glu', name: 'glu', activation: { type: 'sigmoid' } },
        {
          ...{
            type: 'feed_forward',
            name: 'ff',
            units: 3,
            activation: { type: 'silu' },
            gated: true,
            init,
            bias: true,
          },
        } as LayerDescription,
        { type: 'global_max_pool1d', name: 'most' },
        dense('b', OUTPUTS),
      ],
      { type: 'mse' },
    ));

  it.each(SEQUENCES)('through %s', (_, layers, inputs) =>
    check([...layers, dense('b', OUTPUTS)], { type: 'cross_entropy' }, undefined, inputs),
  );

  it('through an embedding and positions', () =>
    check(
      [
        { type: 'embedding', name: 'e', vocabulary: 5, units: 3, init, padding: false },
        { type: 'position_embedding', name: 'p', kind: 'learned', init },
        dense('a', 2, { type: 'tanh' }),
        { type: 'flatten', name: 'f' },
        dense('b', OUTPUTS),
      ],
      { type: 'cross_entropy' },
      undefined,
      Array.from({ length: ROWS * INPUTS }, (_, i) => (i * i + i) % 5),
    ));

  it('are refused where the curvature of a loss is not known', async () => {
    await expect(check(MLP, { type: 'cosine' })).rejects.toThrow(/cosineLossGrad .* has no gradient/);
  });
});
