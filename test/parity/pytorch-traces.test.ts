import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { differentiate } from '../../src/engine/graph/differentiate.ts';
import { elementsOf, Graph } from '../../src/engine/graph/graph.ts';
import { compileKernels, KERNEL_BUILDS } from '../../src/engine/kernels/load.ts';
import type { LayerDescription } from '../../src/engine/layers/description.ts';
import { ModelBuilder } from '../../src/engine/layers/layer.ts';
import { gather, rowOrder, table } from '../../src/engine/ops/leaves.ts';
import { type LossDescription, meanRows, rowLoss } from '../../src/engine/ops/losses.ts';
import type { OptimizerDescription } from '../../src/engine/optimizers/optimizer.ts';
import { compile } from '../../src/engine/plan/compile.ts';
import { Team } from '../../src/engine/team/team.ts';
import { createTrainer, dense } from '../support/networks.ts';

/**
 * The fixtures are PyTorch 1.13 runs: weights, batches, the first gradients (float64), 20 losses and the final parameters.
 * `w0` is (in, out), y = x·w0 + b0.
 */
interface Trace {
  config: { batch: number; lr: number };
  hyper: { steps: number; batches: number };
  params: Record<string, { shape: number[]; init: number[]; grad_step0: number[]; final_f64: number[] }>;
  inputs: { x: number[]; y: number[] }[];
  losses_f64: number[];
}

interface Case {
  name: string;
  layers: LayerDescription[];
  /** dims of one row of the features, and width of the output */
  input: number[];
  outputs: number;
  /** labels a row, where it is a sequence */
  positions?: number;
  /** our name of a parameter of the trace; left out: w0 is d0.weight, c1b is c1.bias */
  names?: Record<string, string>;
  loss: LossDescription;
  optimizer: OptimizerDescription;
}

const zeros = { type: 'zeros' } as const;

/** A 3 × 3 convolution with relu, that begins at zero. */
function convolution(name: string, filters: number): LayerDescription {
  const window = { kernel: [3, 3], stride: [1, 1], dilation: [1, 1], padding: 'valid' } as const;
  return {
    ...{ type: 'conv2d', name, filters, ...window },
    ...{ activation: { type: 'relu' }, init: zeros, bias: true, biasInit: zeros },
  };
}

const W1_DIMS = [20, 16, 12, 5];
const W2_DIMS = [2, 16, 1];
const mlp = (dims: number[], activation: 'relu' | 'tanh') =>
  dims.slice(1).map((units, i) => dense(`d${i}`, units, i + 2 < dims.length ? activation : 'linear'));

const CASES: Case[] = [
  {
    name: 'W1',
    input: [W1_DIMS[0]!],
    outputs: W1_DIMS.at(-1)!,
    layers: mlp(W1_DIMS, 'relu'),
    loss: { type: 'cross_entropy' },
    optimizer: { type: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
  },
  {
    name: 'W1_momentum',
    input: [W1_DIMS[0]!],
    outputs: W1_DIMS.at(-1)!,
    layers: mlp(W1_DIMS, 'relu'),
    loss: { type: 'cross_entropy' },
    optimizer: { type: 'momentum', momentum: 0.9, weightDecay: 0 },
  },
  {
    name: 'W2',
    input: [W2_DIMS[0]!],
    outputs: W2_DIMS.at(-1)!,
    layers: mlp(W2_DIMS, 'tanh'),
    loss: { type: 'mse' },
    optimizer: { type: 'sgd', weightDecay: 0 },
  },
  {
    name: 'W3',
    input: [10, 10, 1],
    outputs: 5,
    layers: [
      convolution('c1', 4),
      convolution('c2', 6),
      { type: 'max_pool2d', name: 'pool', size: [2, 2], stride: [2, 2] },
      { type: 'flatten', name: 'flat' },
      dense('d1', 8, 'relu'),
      dense('d2', 5, 'linear'),
    ],
    loss: { type: 'cross_entropy' },
    optimizer: { type: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
  },
  {
    name: 'W4',
    input: [7],
    outputs: 11,
    positions: 7,
    layers: [
      { type: 'embedding', name: 'tokens', vocabulary: 11, units: 6, init: zeros, padding: false },
      {
        ...{ type: 'lstm', name: 'lstm', units: 10, depth: 1, bidirectional: false, returns: 'sequence', dropout: 0 },
        ...{ init: zeros, recurrentInit: zeros, bias: true, biasInit: zeros },
      },
      dense('out', 11, 'linear'),
    ],
    names: {
      ...{ emb: 'tokens.weight', wx: 'lstm.weight', wh: 'lstm.recurrent_weight', b: 'lstm.bias' },
      ...{ wo: 'out.weight', bo: 'out.bias' },
    },
    loss: { type: 'cross_entropy' },
    optimizer: { type: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
  },
];

/** PyTorch's names of a block, and ours. */
function blockNames(i: number): Record<string, string> {
  const ours = {
    ...{ ln1g: 'norm1.scale', ln1b: 'norm1.bias', qkvw: 'attention.qkv.weight', qkvb: 'attention.qkv.bias' },
    ...{ pw: 'attention.output.weight', pb: 'attention.output.bias', ln2g: 'norm2.scale', ln2b: 'norm2.bias' },
    ...{ fw: 'feed_forward.in.weight', fb: 'feed_forward.in.bias' },
    ...{ f2w: 'feed_forward.out.weight', f2b: 'feed_forward.out.bias' },
  };
  return Object.fromEntries(Object.entries(ours).map(([theirs, name]) => [`l${i}.${theirs}`, `block_${i}.${name}`]));
}

for (const approximate of ['tanh', 'none'] as const) {
  CASES.push({
    name: approximate === 'tanh' ? 'W5' : 'W5_erf',
    input: [8],
    outputs: 13,
    positions: 8,
    layers: [
      { type: 'embedding', name: 'tokens', vocabulary: 13, units: 16, init: zeros, padding: false },
      { type: 'position_embedding', name: 'positions', kind: 'learned', init: zeros },
      ...[0, 1].map(
        (i): LayerDescription => ({
          ...{ type: 'transformer_decoder', name: `block_${i}`, heads: 2, keyHeads: 2, units: 64, rotary: false },
          ...{ activation: { type: 'gelu', approximate }, gated: false, norm: 'layer_norm', normPosition: 'pre' },
          ...{ epsilon: 1e-5, dropout: 0, init: zeros, bias: true },
        }),
      ),
      { type: 'layer_norm', name: 'norm', epsilon: 1e-5 },
      { ...dense('out', 13, 'linear'), bias: false, tiedTo: 'tokens' } as LayerDescription,
    ],
    names: {
      ...{ wte: 'tokens.weight', wpe: 'positions.weight', lnfg: 'norm.scale', lnfb: 'norm.bias' },
      ...blockNames(0),
      ...blockNames(1),
    },
    loss: { type: 'cross_entropy' },
    optimizer: { type: 'adamw', beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, amsgrad: false },
  });
}

const readTrace = (name: string) =>
  JSON.parse(readFileSync(new URL(`./fixtures/${name}.json`, import.meta.url), 'utf8')) as Trace;
function ourName(theirs: string, names: Record<string, string> | undefined): string {
  if (names !== undefined) return names[theirs]!;
  const [layer, kind] = /^[wb]/.test(theirs)
    ? [`d${theirs.slice(1)}`, theirs[0]]
    : [theirs.slice(0, -1), theirs.at(-1)];
  return `${layer}.${kind === 'w' ? 'weight' : 'bias'}`;
}
const targetsOf = (loss: LossDescription, width: number, data: number[]) =>
  loss.type === 'cross_entropy' ? { labels: data } : { values: { width, data } };

/** Largest |actual − expected| beyond rel·|expected|. */
function worst(actual: ArrayLike<number>, expected: readonly number[], relative = 0): number {
  return expected.reduce((most, e, i) => Math.max(most, Math.abs(actual[i]! - e) - relative * Math.abs(e)), 0);
}

for (const build of KERNEL_BUILDS) {
  describe(`PyTorch's traces, ${build} kernels`, () => {
    const compiled = compileKernels({ build });

    it.each(CASES.flatMap((c) => [1, 2].map((threads) => ({ ...c, threads }))))(
      '$name: 20 losses and the final parameters, $threads thread(s)',
      async ({ name, input, outputs, layers, loss, optimizer, threads, positions, names }) => {
        const trace = readTrace(name);
        const { batch, lr } = trace.config;
        const rows = trace.inputs.length * batch;
        const trainer = createTrainer(compiled, threads, {
          layers,
          loss,
          optimizer,
          input,
          rows,
          batchRows: batch,
          ...(positions === undefined ? {} : { positions }),
          x: trace.inputs.flatMap((i) => i.x),
          ...targetsOf(
            loss,
            outputs,
            trace.inputs.flatMap((i) => i.y),
          ),
        });
        for (const [theirs, { init }] of Object.entries(trace.params)) trainer.tensor(ourName(theirs, names)).set(init);
        const losses = trace.losses_f64.map((_, step) =>
          trainer.step((step % trace.hyper.batches) * batch, batch, step, lr),
        );
        trainer.settle();
        expect(worst(losses, trace.losses_f64)).toBeLessThan(1e-5);
        for (const [theirs, { final_f64: final }] of Object.entries(trace.params)) {
          // softmax does not change when all scores do: the keys' bias has no gradient but rounding, which Adam makes steps of
          if (theirs.endsWith('.qkvb')) final.splice(16, 16);
          const actual = [...trainer.tensor(ourName(theirs, names))];
          if (theirs.endsWith('.qkvb')) actual.splice(16, 16);
          expect(worst(actual, final), theirs).toBeLessThan(1e-4);
        }
        await trainer.close();
      },
    );

    it.each(CASES)('$name: the first gradients', async ({ name, input, outputs, layers, loss, positions, names }) => {
      const trace = readTrace(name);
      const { batch } = trace.config;
      const { x, y } = trace.inputs[0]!;
      const graph = new Graph();
      const builder = new ModelBuilder(graph, { low: 0, high: 0 });
      const order = rowOrder(graph, 'order', batch);
      const features = table(graph, { name: 'features', rows: batch, dims: input, element: 'f32' });
      const target =
        loss.type === 'cross_entropy'
          ? table(graph, {
              name: 'target',
              rows: batch,
              dims: positions === undefined ? [] : [positions],
              element: 'i32',
            })
          : table(graph, { name: 'target', rows: batch, dims: [outputs], element: 'f32' });
      const predicted = builder.build(gather(graph, features, order), layers, true);
      const mean = meanRows(graph, rowLoss(graph, predicted, gather(graph, target, order), loss));
      const gradients = differentiate(
        graph,
        mean,
        builder.parameters.map((p) => p.node),
      );
      const named = Object.fromEntries(builder.parameters.map((p, i) => [p.name, gradients[i]!]));
      const plan = compile(graph, { gradients: { outputs: { loss: mean, ...named }, maxRows: batch } }, { threads: 2 });
      const team = new Team(plan, compiled);
      team.floats('features').set(x);
      if (loss.type === 'cross_entropy') team.integers('target').set(y);
      else team.floats('target').set(y);
      team.indices('order').forEach((_, i, o) => {
        o[i] = i;
      });
      for (const [theirs, { init }] of Object.entries(trace.params)) team.floats(ourName(theirs, names)).set(init);
      team.run('gradients', { rows: batch, first: 0, step: 0 });
      team.meet();
      for (const [theirs, { grad_step0: expected }] of Object.entries(trace.params)) {
        const node = named[ourName(theirs, names)]!;
        const actual = team.output('gradients', ourName(theirs, names), elementsOf(node));
        expect(worst(actual, expected, 1e-4), theirs).toBeLessThan(1e-6);
      }
      await team.close();
    });
  });
}
