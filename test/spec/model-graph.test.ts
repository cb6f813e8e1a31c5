import { describe, expect, it } from 'vitest';
import { dense, resolve, specOf } from './birds.ts';

const request = (layers: object[], more: object = {}) => ({
  target: 'species',
  inputs: ['bill_length'],
  model: { layers, ...more },
});
const named = (name: string, more: object = {}) => dense({ name, units: 4, ...more });

describe('a graph of named layers', () => {
  it('takes the layer before where nothing is said, and any earlier ones where it is', () => {
    const { model } = specOf(
      request([named('a'), named('b'), { type: 'add', inputs: ['a', 'b'] }, { type: 'dropout' }]),
    );
    expect(model.layers.map((layer) => layer.inputs)).toEqual([['input'], ['a'], ['a', 'b'], ['add_1']]);
  });

  it.each<[string, object[], object, string, RegExp]>([
    [
      'an unknown name',
      [named('a'), named('b', { inputs: ['aa'] })],
      {},
      '/model/layers/1/inputs/0',
      /no layer "aa". Did you mean "a"/,
    ],
    [
      'a later layer',
      [named('a', { inputs: ['b'] }), named('b')],
      {},
      '/model/layers/0/inputs/0',
      /"b" does not come before/,
    ],
    ['itself', [named('a', { inputs: ['a'] })], {}, '/model/layers/0/inputs/0', /"a" does not come before/],
    [
      'two inputs of a dense layer',
      [named('a'), named('b', { inputs: ['input', 'a'] })],
      {},
      '/model/layers/1/inputs',
      /dense takes 1 layer, not 2/,
    ],
    [
      'one input of a sum',
      [named('a'), { type: 'add' }],
      {},
      '/model/layers/1/inputs',
      /add takes at least 2 layers, not 1/,
    ],
    [
      'a branch that leads nowhere',
      [named('a'), named('b', { inputs: ['input'] })],
      {},
      '/model/layers/0/name',
      /nothing takes the output of "a"/,
    ],
    ['the name of the inputs', [named('input')], {}, '/model/layers/0/name', /"input" is taken/],
    [
      'sums of unequal shapes',
      [named('a'), named('b', { units: 5 }), { type: 'add', inputs: ['a', 'b'] }],
      {},
      '/model/layers/2/inputs',
      /equal shapes, not \(4\) and \(5\)/,
    ],
    ['an output of nothing', [named('a')], { output: { inputs: [] } }, '/model/output/inputs', /takes 1 layer, not 0/],
    [
      'an output of an unknown layer',
      [named('a')],
      { output: { inputs: ['b'] } },
      '/model/output/inputs/0',
      /no layer "b"/,
    ],
  ])('refuses %s', (_, layers, more, pointer, detail) => {
    const { mistakes } = resolve(request(layers, more));
    expect(mistakes.map((m) => m.pointer)).toContain(pointer);
    expect(mistakes.find((m) => m.pointer === pointer)!.detail).toMatch(detail);
  });
});
