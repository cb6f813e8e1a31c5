import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Graph } from '../../src/engine/graph/graph.ts';
import { HyperBlock } from '../../src/engine/kernels/abi.ts';
import { type CompiledKernels, compileKernels, KERNEL_BUILDS } from '../../src/engine/kernels/load.ts';
import { parameter } from '../../src/engine/ops/leaves.ts';
import { createHyperWriter, type OptimizerDescription, update } from '../../src/engine/optimizers/optimizer.ts';
import { compile } from '../../src/engine/plan/compile.ts';
import { Team } from '../../src/engine/team/team.ts';
import type { JobSpec } from '../../src/spec/job-spec.ts';
import { Optimizer } from '../../src/spec/optimizer.ts';
import { buildOptimizer, buildParameterGroups } from '../../src/worker/build-network.ts';
import { fillVariant } from './fill-variant.ts';

/** Where PyTorch's optimizers lead, from make-optimizers.py. An optimizer stands there as in a job's spec; what it leaves out is the default. */
interface Golden {
  steps: number;
  cases: { optimizer: { type: string }; groups?: object[]; final: Record<string, number[]> }[];
}
const golden = JSON.parse(readFileSync(new URL('./optimizers.json', import.meta.url), 'utf8')) as Golden;
const SHAPES: Record<string, number[]> = { matrix: [7, 5], vector: [5] };

/** Park & Miller's generator, as in the script. */
function createGenerator(): () => number {
  let state = 1;
  return () => {
    state = (state * 16807) % 2147483647;
    return state / 1073741824 - 1;
  };
}

const NO_RULES = { learning_rate: null, learning_rate_scale: null, weight_decay: null };

async function run(compiled: CompiledKernels, threads: number, given: { type: string }, groups: object[]) {
  const spec = fillVariant<Optimizer>(Optimizer, given);
  const parameter_groups = groups.map((group) => ({ ...NO_RULES, ...group }));
  const job = { training: { optimizer: spec, parameter_groups } } as unknown as JobSpec;
  const optimizer = buildOptimizer(job) as OptimizerDescription;
  const parameterGroups = buildParameterGroups(job);
  const graph = new Graph();
  const updates = Object.entries(SHAPES).map(([name, dims]) =>
    update(graph, optimizer, parameter(graph, name, dims), parameter(graph, `${name}.gradient`, dims), parameterGroups),
  );
  const plan = compile(graph, { step: { outputs: {}, effects: updates.map((u) => u.node), maxRows: 1 } }, { threads });
  const team = new Team(plan, compiled);
  const noise = createGenerator();
  const draw = (name: string) => {
    const values = team.floats(name);
    for (let i = 0; i < values.length; i++) values[i] = noise();
  };
  const writeHyper = createHyperWriter(optimizer, parameterGroups);
  for (const name of Object.keys(SHAPES)) draw(name);
  for (let step = 0; step < golden.steps; step++) {
    for (const name of Object.keys(SHAPES)) draw(`${name}.gradient`);
    plan.regions.hyper.forEach((address, n) => {
      writeHyper(
        new Float32Array(team.memory.buffer, address, HyperBlock.words),
        n,
        Number(spec.learning_rate),
        step + 1,
      );
    });
    team.run('step', { rows: 1, first: 0, step });
    team.meet();
  }
  const final = Object.fromEntries(Object.keys(SHAPES).map((name) => [name, team.floats(name).slice()]));
  await team.close();
  return final;
}

describe.each(KERNEL_BUILDS)("PyTorch's optimizers, %s kernels", (build) => {
  const compiled = compileKernels({ build });

  it.each(golden.cases.map((c) => ({ groups: [], ...c, title: JSON.stringify({ ...c.optimizer, groups: c.groups }) })))(
    'end where ours do: $title',
    async ({ optimizer, groups, final: expected }) => {
      const one = await run(compiled, 1, optimizer, groups);
      // the bits for any number of threads are the matter of another test; here, that small tensors are shared out rightly
      if (build === 'relaxed') expect(await run(compiled, 3, optimizer, groups)).toEqual(one);
      for (const [name, values] of Object.entries(expected)) {
        const scale = Math.max(...values.map(Math.abs));
        const off = values.map((value, i) => Math.abs(one[name]![i]! - value) / scale);
        expect(Math.max(...off), name).toBeLessThan(1e-5);
      }
    },
  );
});
