import { describe, expect, it } from 'vitest';
import { Graph } from '../../src/engine/graph/graph.ts';
import { HyperBlock } from '../../src/engine/kernels/abi.ts';
import { chooseKernels } from '../../src/engine/kernels/load.ts';
import { parameter } from '../../src/engine/ops/leaves.ts';
import { createHyperWriter, type OptimizerDescription, update } from '../../src/engine/optimizers/optimizer.ts';
import { compile } from '../../src/engine/plan/compile.ts';
import { Team } from '../../src/engine/team/team.ts';

/** More elements than two chunks of the sums have. */
const DIMS = [131, 77];
const RATE = 0.01;
const { compiled } = chooseKernels();
const LAMB: OptimizerDescription = { type: 'lamb', beta1: 0.9, beta2: 0.999, epsilon: 1e-6, weightDecay: 0.1 };

async function step(threads: number, weights: Float32Array, gradients: Float32Array): Promise<Float32Array> {
  const graph = new Graph();
  const { node } = update(graph, LAMB, parameter(graph, 'p', DIMS), parameter(graph, 'g', DIMS));
  const plan = compile(graph, { step: { outputs: {}, effects: [node], maxRows: 1 } }, { threads });
  const team = new Team(plan, compiled);
  team.floats('p').set(weights);
  team.floats('g').set(gradients);
  const write = createHyperWriter(LAMB);
  plan.regions.hyper.forEach((address, group) => {
    write(new Float32Array(team.memory.buffer, address, HyperBlock.words), group, RATE, 1);
  });
  team.run('step', { rows: 1, first: 0, step: 0 });
  team.meet();
  const after = team.floats('p').slice();
  await team.close();
  return after;
}

describe('LAMB on a tensor of several chunks', () => {
  const weights = Float32Array.from({ length: DIMS[0]! * DIMS[1]! }, (_, i) => Math.sin(i * 0.37));
  const gradients = weights.map((_, i) => Math.cos(i * 1.3) + 0.01);

  it('takes a first step along g/(|g| + ε) + weightDecay·p, of length learningRate·‖p‖', async () => {
    const after = await step(1, weights, gradients);
    const direction = Array.from(weights, (p, i) => gradients[i]! / (Math.abs(gradients[i]!) + 1e-6) + 0.1 * p);
    const ratio = Math.hypot(...weights) / Math.hypot(...direction);
    const worst = Math.max(...after.map((p, i) => Math.abs(p - (weights[i]! - RATE * ratio * direction[i]!))));
    expect(worst).toBeLessThan(1e-5);
    expect(ratio).toBeLessThan(0.9);
  });

  it('gives the same bits for 1, 2, 3 and 4 threads', async () => {
    const one = await step(1, weights, gradients);
    for (const threads of [2, 3, 4]) expect(await step(threads, weights, gradients)).toEqual(one);
  });

  it('takes the bare step where the parameter is 0', async () => {
    const after = await step(2, new Float32Array(weights.length), gradients);
    expect(Math.max(...after.map(Math.abs))).toBeCloseTo(RATE, 6);
  });
});
