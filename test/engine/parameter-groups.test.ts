import { describe, expect, it } from 'vitest';
import { Graph } from '../../src/engine/graph/graph.ts';
import { parameter } from '../../src/engine/ops/leaves.ts';
import {
  COMMON_BLOCK,
  hyperBlockOf,
  MAX_PARAMETER_GROUPS,
  type ParameterGroup,
  rulesOfBlock,
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
    expect(rulesOf([], name, dims)).toEqual({ learningRateScale: 1, weightDecay });
  });

  it('the first that matches has the parameter; null leaves the decay to the optimizer', () => {
    const groups = [group('a.bias', 3, 0.5), group('a', 2, null)];
    expect(rulesOf(groups, 'a.bias', [3])).toEqual({ learningRateScale: 3, weightDecay: 0.5 });
    expect(rulesOf(groups, 'a.weight', [2, 3])).toEqual({ learningRateScale: 2, weightDecay: OPTIMIZERS_DECAY });
    expect(rulesOf(groups, 'a.other', [3])).toEqual({ learningRateScale: 2, weightDecay: 0 });
    expect(rulesOf(groups, 'b.weight', [2, 3])).toEqual({ learningRateScale: 1, weightDecay: OPTIMIZERS_DECAY });
  });

  it('as many as there may be have a block each', () => {
    const groups = Array.from({ length: MAX_PARAMETER_GROUPS }, () => group('a', 1, null));
    expect(hyperBlockOf(groups, 'b.bias', parameter(graph, 'b.bias', [3]))).toBe(COMMON_BLOCK - 1);
  });
});
