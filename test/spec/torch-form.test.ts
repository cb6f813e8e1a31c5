import { describe, expect, it } from 'vitest';
import { renameTensor } from '../../src/spec/match-weights.ts';
import { torchForm } from '../../src/spec/torch-form.ts';

describe('a parameter in PyTorch’s form', () => {
  it.each([
    ['dense_1.weight', 'dense', [4, 3], [['dense_1.weight', [3, 4]]]],
    ['c.weight', 'conv2d', [3, 5, 1, 8], [['c.weight', [8, 1, 3, 5]]]],
    ['c.weight', 'conv1d', [3, 2, 8], [['c.weight', [8, 2, 3]]]],
    ['c.weight', 'conv2d_transpose', [3, 5, 8, 2], [['c.weight', [2, 8, 3, 5]]]],
    ['e.weight', 'embedding', [10, 4], [['e.weight', [10, 4]]]],
    ['n.scale', 'batch_norm', [6], [['n.weight', [6]]]],
    ['n.running_variance', 'batch_norm', [6], [['n.running_var', [6]]]],
    ['l.weight', 'lstm', [5, 12], [['l.weight_ih_l0', [12, 5]]]],
    ['l.level2.reverse.recurrent_weight', 'lstm', [3, 12], [['l.weight_hh_l1_reverse', [12, 3]]]],
    [
      'l.bias',
      'lstm',
      [12],
      [
        ['l.bias_ih_l0', [12]],
        ['l.bias_hh_l0', [12]],
      ],
    ],
    ['g.recurrent_bias', 'gru', [3], [['g.bias_hh_l0', [9]]]],
  ])('%s of %s', (name, type, dims, tensors) => {
    const form = torchForm(name, type, dims as number[]);
    expect(form.tensors.map((tensor) => [tensor.name, tensor.shape])).toEqual(tensors);
  });

  it('the new gate of a GRU keeps its second bias to itself', () => {
    expect(torchForm('g.bias', 'gru', [9])).toMatchObject({ first: 0, added: 6 });
    expect(torchForm('g.recurrent_bias', 'gru', [3])).toMatchObject({ first: 6 });
  });
});

describe('a tensor is renamed', () => {
  it.each([
    ['encoder.0.weight', [{ from: 'encoder.*', to: '*' }], '0.weight'],
    ['a.b.c', [{ from: '*.b.*', to: 'x_*_*' }], 'x_a_c'],
    [
      'a',
      [
        { from: 'b', to: 'c' },
        { from: 'a', to: 'd' },
        { from: 'd', to: 'e' },
      ],
      'd',
    ],
    ['a.weight', [{ from: 'b.*', to: '*' }], 'a.weight'],
  ])('%s by %j to %s', (name, rename, expected) => {
    expect(renameTensor(name, rename)).toBe(expected);
  });

  it('in a time that grows with its length alone', () => {
    const begin = performance.now();
    renameTensor('a'.repeat(512), [{ from: `${'a*'.repeat(255)}b`, to: '*' }]);
    expect(performance.now() - begin).toBeLessThan(1_000);
  });
});
