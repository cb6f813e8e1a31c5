import { describe, expect, it } from 'vitest';
import { Graph } from '../../src/engine/graph/graph.ts';
import { parameter } from '../../src/engine/ops/leaves.ts';
import {
  COMMON_BLOCK,
  hyperBlockOf,
  type ParameterGroup,
  rulesOfBlock,
  splitByBeginning,
} from '../../src/engine/optimizers/groups.ts';

const graph = new Graph();
const OPTIMIZERS_DECAY = 0.01;

function rulesOf(groups: ParameterGroup[], name: string, dims: number[]) {
  return rulesOfBlock(groups, hyperBlockOf(groups, name, parameter(graph, name, dims)), OPTIMIZERS_DECAY);
}
const group = (prefix: string, learningRateScale: number, weightDecay: number | null): ParameterGroup => ({
  matches: (name) => name.startsWith(prefix),
  learningRateScale,
  weightDecay,
});

describe('parameter groups', () => {
  it.each([
    ['dense.weight', [4, 3], OPTIMIZERS_DECAY],
    ['conv.weight', [9, 3], OPTIMIZERS_DECAY],
    ['dense.bias', [3], 0],
    ['prelu.alpha', [3], 0],
    ['norm.gamma', [4, 3], 0],
    ['norm.beta', [4, 3], 0],
    ['norm.scale', [4, 3], 0],
    ['heads.bias', [4, 3], 0],
  ])('without any, %s of %j decays by %f', (name, dims, weightDecay) => {
    expect(rulesOf([], name, dims)).toEqual({ learningRateScale: 1, weightDecay, beginsAt: 0 });
  });

  it('the first that matches has the parameter; null leaves the decay to the optimizer', () => {
    const groups = [group('a.bias', 3, 0.5), group('a', 2, null)];
    expect(rulesOf(groups, 'a.bias', [3])).toMatchObject({ learningRateScale: 3, weightDecay: 0.5 });
    expect(rulesOf(groups, 'a.weight', [2, 3])).toMatchObject({ learningRateScale: 2, weightDecay: OPTIMIZERS_DECAY });
    expect(rulesOf(groups, 'a.other', [3])).toMatchObject({ learningRateScale: 2, weightDecay: 0 });
    expect(rulesOf(groups, 'b.weight', [2, 3])).toMatchObject({ learningRateScale: 1, weightDecay: OPTIMIZERS_DECAY });
  });

  it('each has blocks of its own, and so has what is in none', () => {
    const groups = ['a', 'b'].map((prefix) => group(prefix, 1, null));
    const blocks = ['a', 'b', 'c'].flatMap((name) =>
      [[2, 3], [3]].map((dims) => hyperBlockOf(groups, `${name}.${dims}`, parameter(graph, `${name}.${dims}`, dims))),
    );
    expect(new Set([COMMON_BLOCK, ...blocks]).size).toBe(7);
  });

  it('what begins later is counted from there, in the group that it is in', () => {
    const beginsAt = (name: string) => (name.startsWith('a') ? 7 : 0);
    const groups = splitByBeginning([group('a.bias', 3, 0.5)], ['a.bias', 'a.weight', 'b.weight'], beginsAt);
    expect(rulesOf(groups, 'a.bias', [3])).toEqual({ learningRateScale: 3, weightDecay: 0.5, beginsAt: 7 });
    expect(rulesOf(groups, 'a.weight', [2, 3])).toMatchObject({ learningRateScale: 1, beginsAt: 7 });
    expect(rulesOf(groups, 'b.weight', [2, 3])).toMatchObject({ learningRateScale: 1, beginsAt: 0 });
  });
});
