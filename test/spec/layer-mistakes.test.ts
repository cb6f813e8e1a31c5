import { describe, expect, it } from 'vitest';
import { BIRDS, column, resolve } from './birds.ts';

/** Over images of 8 × 8 × 1, or the same values as a sequence of 16 vectors of 4. */
const dataset = {
  ...BIRDS,
  columns: [{ ...column('pixels', 'image'), shape: [8, 8, 1] }, column('label', 'category', ['a', 'b'])],
};
const sequence = { type: 'reshape', name: 'sequence', shape: [16, 4] };
const vector = { type: 'flatten', name: 'vector', inputs: ['input'] };
const end = { type: 'flatten' };
const conv = { type: 'conv2d', filters: 3 };

describe('a layer that does not fit', () => {
  it.each<[string, object[], string, RegExp]>([
    [
      'heads of unequal width',
      [sequence, { type: 'attention', heads: 3 }, end],
      '1/heads',
      /4 cannot be shared out among 3 heads/,
    ],
    [
      'heads that cannot share keys',
      [sequence, { type: 'attention', heads: 4, key_heads: 3 }, end],
      '1/key_heads',
      /4 heads cannot share 3/,
    ],
    [
      'heads too narrow to turn',
      [sequence, { type: 'attention', heads: 4, rotary: true }, end],
      '1/rotary',
      /heads of 1 have no pairs/,
    ],
    [
      'attention of an image',
      [conv, { type: 'attention', heads: 1 }, end],
      '1/type',
      /takes a sequence .* \(6, 6, 3\)/,
    ],
    ['attention of a vector', [vector, { type: 'attention', heads: 1 }], '1/type', /takes a sequence .* \(64\)/],
    [
      'causal attention over another sequence',
      [sequence, { type: 'attention', heads: 2, causal: true, inputs: ['sequence', 'sequence'] }, end],
      '1/causal',
      /no common order/,
    ],
    [
      'three inputs of attention',
      [sequence, { type: 'attention', heads: 2, inputs: ['sequence', 'sequence', 'sequence'] }, end],
      '1/inputs',
      /at most 2 layers, not 3/,
    ],
    [
      'a memory that is no sequence',
      [sequence, vector, { type: 'transformer_decoder', heads: 2, units: 4, inputs: ['sequence', 'vector'] }, end],
      '2/type',
      /takes a sequence .* \(64\)/,
    ],
    [
      'an encoder of two sequences',
      [sequence, { type: 'transformer_encoder', heads: 2, units: 4, inputs: ['sequence', 'sequence'] }, end],
      '1/inputs',
      /takes 1 layer, not 2/,
    ],
    [
      'a block with unequal heads',
      [sequence, { type: 'transformer_encoder', heads: 3, units: 4 }, end],
      '1/heads',
      /among 3 heads/,
    ],
    ['a feed-forward network of an image', [conv, { type: 'feed_forward', units: 4 }, end], '1/type', /\(6, 6, 3\)/],
    ['a recurrent layer of a vector', [vector, { type: 'lstm', units: 4 }], '1/type', /takes a sequence .* \(64\)/],
    [
      'half of an initial state',
      [sequence, vector, { type: 'lstm', units: 64, inputs: ['sequence', 'vector'] }],
      '2/inputs',
      /an initial state of 2, not 1/,
    ],
    [
      'an initial state of another width',
      [sequence, vector, { type: 'gru', units: 4, depth: 2, bidirectional: true, inputs: ['sequence', 'vector'] }],
      '2/inputs',
      /\(64\), the hidden states \(16\)/,
    ],
    [
      'an initial state that is a sequence',
      [sequence, { type: 'rnn', units: 4, inputs: ['sequence', 'sequence'] }],
      '1/inputs',
      /\(16, 4\), the hidden states \(4\)/,
    ],
    [
      'a transposed convolution in groups of which the filters make none',
      [conv, { type: 'conv2d_transpose', filters: 4, groups: 3 }, end],
      '1/groups',
      /4 filters cannot be shared out among 3 groups/,
    ],
    [
      'as many lines more as the stride',
      [conv, { type: 'conv2d_transpose', filters: 3, stride: 2, output_padding: [1, 2] }, end],
      '1/output_padding',
      /2 is not below the stride, 2/,
    ],
    [
      'lines more than n·stride',
      [conv, { type: 'conv2d_transpose', filters: 3, stride: 2, padding: 'same', output_padding: 1 }, end],
      '1/output_padding',
      /a side has n·stride places/,
    ],
    [
      'groups of channels',
      [conv, { type: 'group_norm', groups: 2 }, end],
      '1/groups',
      /3 channels of \(6, 6, 3\) make no 2 equal groups/,
    ],
    [
      'a vector with no half',
      [conv, { type: 'glu' }, end],
      '1/type',
      /glu halves vectors; what comes in is \(6, 6, 3\)/,
    ],
    [
      'an embedding of vectors',
      [sequence, { type: 'embedding', vocabulary: 9, units: 2 }, end],
      '1/type',
      /a vector of indices; what comes in is \(16, 4\)/,
    ],
    [
      'an embedding of who knows how many',
      [sequence, vector, { type: 'embedding', units: 2 }, { type: 'add', inputs: ['sequence', 'sequence'] }, end],
      '2/vocabulary',
      /do not tell how many/,
    ],
    ['positions of a vector', [vector, { type: 'position_embedding' }], '1/type', /takes a sequence .* \(64\)/],
    [
      'padding of an image along one side',
      [conv, { type: 'zero_padding1d' }, end],
      '1/type',
      /takes a sequence .* \(6, 6, 3\)/,
    ],
    [
      'too long a sequence',
      [
        sequence,
        ...Array.from({ length: 4 }, () => ({ type: 'upsample1d', factor: 16 })),
        { type: 'global_max_pool1d' },
      ],
      '4/factor',
      /\(65536, 4\) a sequence of \(1048576, 4\)/,
    ],
    [
      'sides too long to interpolate',
      [
        ...Array.from({ length: 3 }, () => ({ type: 'upsample2d', factor: 16, method: 'bilinear' })),
        { type: 'global_max_pool2d' },
      ],
      '2/method',
      /\(32768, 32768, 1\) are too long for bilinear/,
    ],
    [
      'too long a sequence for attention',
      [
        sequence,
        ...Array.from({ length: 3 }, () => ({ type: 'upsample1d', factor: 16 })),
        { type: 'attention', heads: 1 },
        { type: 'global_max_pool1d' },
      ],
      '4/type',
      /65536 steps is too long/,
    ],
    [
      'a product of unequal shapes',
      [sequence, vector, { type: 'multiply', inputs: ['sequence', 'vector'] }, end],
      '2/inputs',
      /equal shapes/,
    ],
    [
      'unequal lengths side by side',
      [sequence, vector, { type: 'concatenate', inputs: ['sequence', 'vector'] }, end],
      '2/inputs',
      /differ in the last dimension only/,
    ],
  ])('is refused: %s', (_, layers, place, detail) => {
    const { mistakes } = resolve({ target: 'label', model: { layers } }, { dataset });
    const found = mistakes.filter(({ detail: said }) => !/nothing takes/.test(said));
    expect(found.map(({ pointer }) => pointer)).toEqual([`/model/layers/${place}`]);
    expect(found[0]!.detail).toMatch(detail);
    expect(found[0]!.expected).not.toBeNull();
  });
});
