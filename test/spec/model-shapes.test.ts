import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Graph } from '../../src/engine/graph/graph.ts';
import { ModelBuilder } from '../../src/engine/layers/layer.ts';
import { gather, rowOrder, table } from '../../src/engine/ops/leaves.ts';
import type { Column } from '../../src/spec/dataset.ts';
import type { KnownDataset } from '../../src/spec/known-dataset.ts';
import { ruleOf } from '../../src/spec/layers/rules.ts';
import { shapeOfInput, shapesOf } from '../../src/spec/model-shapes.ts';
import type { Preparation } from '../../src/spec/preparation.ts';
import { buildLayers } from '../../src/worker/build-network.ts';
import { BIRDS, column, dense, resolve, specOf } from './birds.ts';

function imagesOf(...shape: number[]): KnownDataset {
  const pixels: Column = { ...column('pixels', 'image'), shape };
  return { ...BIRDS, columns: [pixels, column('label', 'category', ['a', 'b'])] };
}
const request = (layers: object[], more: object = {}) => ({ target: 'label', model: { layers, ...more } });
const conv = (more: object = {}) => ({ type: 'conv2d', filters: 3, ...more });

describe('layers over images', () => {
  it('get defaults: 3 × 3 windows without padding, He before relu; pooling by 2 in strides of its size', () => {
    const { model } = specOf(request([conv({ activation: 'relu' }), { type: 'max_pool2d' }, { type: 'flatten' }]), {
      dataset: imagesOf(8, 8, 1),
    });
    expect(model.layers[0]).toEqual({
      ...{
        type: 'conv2d',
        name: 'conv2d_1',
        inputs: ['input'],
        filters: 3,
        kernel_size: 3,
        stride: 1,
        dilation: 1,
        padding: 'valid',
        groups: 1,
      },
      ...{ activation: { type: 'relu' }, init: { type: 'he_normal', gain: 1 } },
      ...{ bias: true, bias_init: { type: 'zeros' } },
    });
    expect(model.layers[1]).toEqual({
      ...{ type: 'max_pool2d', name: 'max_pool2d_1', inputs: ['conv2d_1'], size: 2, stride: 2 },
    });
  });

  it.each<[string, object[], string, RegExp]>([
    [
      'dense on an image',
      [conv(), dense()],
      '/model/layers/1/type',
      /takes a vector or a sequence of them; what comes in is \(6, 6, 3\)/,
    ],
    ['an image at the end', [conv()], '/model/layers/0/type', /the last layer gives \(6, 6, 3\)/],
    ['a window too large', [conv({ kernel_size: 9 }), { type: 'flatten' }], '/model/layers/0/kernel_size', /9 × 9/],
    [
      'taps too far apart',
      [conv({ kernel_size: 3, dilation: 4 }), { type: 'flatten' }],
      '/model/layers/0/kernel_size',
      /9 × 9 reaches beyond an image of 8 × 8/,
    ],
    [
      'a window too wide',
      [conv({ kernel_size: [2, 5], dilation: [1, 2] }), { type: 'flatten' }],
      '/model/layers/0/kernel_size',
      /2 × 9 reaches beyond an image of 8 × 8/,
    ],
    [
      'pooling beyond the image',
      [{ type: 'max_pool2d', size: 8 }, { type: 'average_pool2d' }, { type: 'flatten' }],
      '/model/layers/1/size',
      /2 × 2 reaches beyond an image of 1 × 1/,
    ],
    ['groups of channels', [conv({ groups: 2 })], '/model/layers/0/groups', /1 channels cannot be .* 2 groups/],
    [
      'groups of filters',
      [conv(), conv({ filters: 4, groups: 3 })],
      '/model/layers/1/groups',
      /4 filters cannot be shared out among 3 groups/,
    ],
    [
      'a window longer than the sequence',
      [
        { type: 'reshape', shape: [16, 4] },
        { type: 'conv1d', filters: 2, dilation: 8 },
      ],
      '/model/layers/1/kernel_size',
      /17 reaches beyond a sequence of 16/,
    ],
    [
      'a sequence that is an image',
      [conv(), { type: 'max_pool1d' }],
      '/model/layers/1/type',
      /takes a sequence .* \(6, 6, 3\)/,
    ],
    ['a convolution of a vector', [dense(), conv()], '/model/layers/1/type', /takes an image .* is \(4\)/],
    ['other sizes', [{ type: 'reshape', shape: [5, 5, 2] }, conv()], '/model/layers/0/shape', /50 values.*has 64/],
    [
      'an order of other dimensions',
      [{ type: 'permute', order: [1, 0] }, { type: 'flatten' }],
      '/model/layers/0/order',
      /\[1, 0\] is no order of the 3 dimensions of \(8, 8, 1\)/,
    ],
    [
      'an image out of bounds',
      [...Array.from({ length: 4 }, () => ({ type: 'upsample2d', factor: 16 })), { type: 'global_max_pool2d' }],
      '/model/layers/3/factor',
      /\(32768, 32768, 1\) an image of \(524288, 524288, 1\)/,
    ],
    [
      'a transposed convolution out of bounds',
      [
        ...Array.from({ length: 3 }, () => ({
          type: 'conv2d_transpose',
          filters: 1,
          stride: [1, 64],
          padding: 'same',
        })),
        { type: 'flatten' },
      ],
      '/model/layers/2/stride',
      /\(8, 32768, 1\) an image of \(8, 2097152, 1\)/,
    ],
    [
      'dropping channels of a vector',
      [{ type: 'flatten' }, { type: 'spatial_dropout' }],
      '/model/layers/1/type',
      /what comes in is \(64\)/,
    ],
    [
      'a window with too many values',
      [
        conv({ filters: 4096, padding: 'same' }),
        conv({ kernel_size: 4, filters: 1, padding: 'same' }),
        { type: 'flatten' },
      ],
      '/model/layers/1/kernel_size',
      /65,536 values/,
    ],
    [
      'initial values',
      [conv({ init: { type: 'values', values: [1] } }), { type: 'flatten' }],
      '/model/layers/0/init/values',
      /1 initial values for 27 places/,
    ],
  ])('refuses %s, naming the layer', (_, layers, pointer, detail) => {
    const { mistakes } = resolve(request(layers), { dataset: imagesOf(8, 8, 1) });
    expect(mistakes.map((m) => m.pointer)).toEqual([pointer]);
    expect(mistakes[0]!.detail).toMatch(detail);
    expect(mistakes[0]!.expected).not.toBeNull();
  });

  it('says what numbers need before a convolution', () => {
    const { mistakes } = resolve({ target: 'species', inputs: ['bill_length'], model: { layers: [conv()] } });
    expect(mistakes.map((m) => [m.pointer, m.expected])).toEqual([
      ['/model/layers/0/type', 'an image column as the only input, or reshape before it'],
    ]);
  });

  it('come out of the engine in the shapes that the spec is checked with', () => {
    const size = fc.integer({ min: 1, max: 12 });
    const small = fc.integer({ min: 1, max: 4 });
    const edge = fc.integer({ min: 0, max: 2 });
    const sides = (most: number) => {
      const side = fc.integer({ min: 1, max: most });
      return fc.oneof(side, fc.tuple(side, side));
    };
    const anywhere = fc.oneof(
      fc.record({ type: fc.constantFrom('dropout', 'spatial_dropout', 'stochastic_depth') }),
      fc.record({ type: fc.constant('activation'), activation: fc.constantFrom('relu', 'softmax') }),
      fc.record({ type: fc.constantFrom('layer_norm', 'rms_norm', 'batch_norm') }),
      fc.record({ type: fc.constant('group_norm'), groups: small }),
      fc.record({ type: fc.constant('glu') }),
    );
    const window = { filters: small, kernel_size: sides(4), stride: sides(4), dilation: sides(2) };
    const overImage = fc.oneof(
      fc.record({
        type: fc.constant('conv2d'),
        ...window,
        padding: fc.constantFrom('valid', 'same'),
        groups: fc.constantFrom(1, 1, 2, 3),
      }),
      fc.record({ type: fc.constant('conv2d_transpose'), ...window, padding: fc.constantFrom('valid', 'same') }),
      fc.record({ type: fc.constantFrom('max_pool2d', 'average_pool2d'), size: sides(4), stride: sides(4) }),
      fc.record({
        type: fc.constant('upsample2d'),
        factor: fc.integer({ min: 1, max: 3 }),
        method: fc.constantFrom('nearest', 'bilinear'),
      }),
      fc.record({ type: fc.constant('zero_padding2d'), top: edge, bottom: edge, left: edge, right: edge }),
      fc.record({ type: fc.constant('permute'), order: fc.shuffledSubarray([0, 1, 2], { minLength: 3 }) }),
      anywhere,
    );
    const heads = {
      heads: fc.constantFrom(1, 1, 2),
      key_heads: fc.constant(1),
      rotary: fc.boolean(),
      bias: fc.boolean(),
    };
    const forward = { units: small, gated: fc.boolean() };
    const overSequence = fc.oneof(
      fc.record({
        type: fc.constant('conv1d'),
        ...{ filters: small, kernel_size: small, stride: small, dilation: fc.integer({ min: 1, max: 2 }) },
        padding: fc.constantFrom('valid', 'same', 'causal'),
        groups: fc.constantFrom(1, 1, 2, 3),
      }),
      fc.record({ type: fc.constantFrom('max_pool1d', 'average_pool1d'), size: small, stride: small }),
      fc.record({ type: fc.constant('zero_padding1d'), before: edge, after: edge }),
      fc.record({ type: fc.constant('upsample1d'), factor: fc.integer({ min: 1, max: 3 }) }),
      fc.record({
        type: fc.constantFrom('rnn', 'lstm', 'gru'),
        ...{ units: small, depth: fc.integer({ min: 1, max: 2 }), bidirectional: fc.boolean(), bias: fc.boolean() },
        returns: fc.constant('sequence'),
      }),
      fc.record({ type: fc.constant('attention'), ...heads, causal: fc.boolean() }),
      fc.record({ type: fc.constant('feed_forward'), ...forward }),
      fc.record({
        type: fc.constantFrom('transformer_encoder', 'transformer_decoder'),
        ...{ ...heads, ...forward, norm: fc.constantFrom('layer_norm', 'rms_norm') },
        norm_position: fc.constantFrom('pre', 'post'),
      }),
      fc.record({ type: fc.constant('position_embedding'), kind: fc.constantFrom('learned', 'sinusoidal') }),
      fc.record({ type: fc.constant('dense'), units: small }),
      anywhere,
    );
    const between = { minLength: 1, maxLength: 4 };
    const kind = fc.oneof(
      fc.record({
        isSequence: fc.constant(false),
        layers: fc.array(overImage, between),
        end: fc.constantFrom('flatten', 'global_max_pool2d', 'global_average_pool2d'),
      }),
      fc.record({
        isSequence: fc.constant(true),
        layers: fc.array(overSequence, between),
        end: fc.constantFrom('flatten', 'global_average_pool1d', 'global_max_pool1d'),
      }),
    );
    const fitting = { false: 0, true: 0 };
    fc.assert(
      fc.property(fc.tuple(size, size, small), kind, (shape, { isSequence, layers, end }) => {
        const begin = isSequence ? [{ type: 'reshape', shape: [shape[0] * shape[1], shape[2]] }] : [];
        const all = [...begin, ...layers, { type: end }];
        const { spec, mistakes } = resolve(request(all), { dataset: imagesOf(...shape) });
        const preparation = {
          inputs: [{ column: 'pixels', type: 'image', shape, scale: 1, shift: 0 }],
          inputWidth: shape.reduce((product, n) => product * n, 1),
          outputWidth: 2,
        } as unknown as Preparation;
        if (spec === undefined) {
          expect(mistakes.map((m) => m.code)).toEqual(['shape_mismatch']);
          return;
        }
        fitting[`${isSequence}`]++;
        const graph = new Graph();
        const rows = table(graph, { name: 'x', rows: 3, dims: [preparation.inputWidth], element: 'f32' });
        const x = gather(graph, rows, rowOrder(graph, 'order', 3));
        const builder = new ModelBuilder(graph, { low: 0, high: 0 });
        const built = builder.build(x, buildLayers(spec, preparation), true);
        expect(built.shape.dims).toEqual([2]);
        const input = { name: 'input', dims: shape, width: preparation.inputWidth };
        const ofInputs = shapeOfInput(spec.model.layers, input);
        const shapes = shapesOf(spec.model.layers, new Map([['input', ofInputs]]));
        const said = shapes.flatMap(({ layer, inputs }) =>
          (ruleOf(layer).parameters?.(layer, inputs) ?? []).map(({ name, dims }) => [`${layer.name}.${name}`, dims]),
        );
        const output = [
          ['output.weight', [...shapes.at(-1)!.output!, 2]],
          ['output.bias', [2]],
        ];
        const byName = (a: unknown[], b: unknown[]) => (`${a[0]}` < `${b[0]}` ? -1 : 1);
        const made = builder.parameters.map((p) => [p.name, p.shape]);
        expect(made.sort(byName)).toEqual([...said, ...output].sort(byName));
      }),
      { numRuns: 600, seed: 7 },
    );
    expect(Math.min(...Object.values(fitting))).toBeGreaterThan(60);
  });
});
