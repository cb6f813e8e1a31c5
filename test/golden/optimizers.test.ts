import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Graph } from '../../src/engine/graph/graph.ts';
import { HyperBlock } from '../../src/engine/kernels/abi.ts';
import { type CompiledKernels, compileKernels, KERNEL_BUILDS } from '../../src/engine/kernels/load.ts';
import { parameter } from '../../src/engine/ops/leaves.ts';
import { createHyperWriter, update } from '../../src/engine/optimizers/optimizer.ts';
import { compile } from '../../src/engine/plan/compile.ts';
import { Team } from '../../src/engine/team/team.ts';
import type { JobSpec } from '../../src/spec/job.ts';
import { Optimizer } from '../../src/spec/optimizer.ts';
import { buildOptimizer } from '../../src/worker/build-network.ts';
import { fillVariant } from './fill-variant.ts';

/** Where PyTorch's optimizers lead, from make-optimizers.py. An optimizer stands there as in a job's spec; what it leaves out is the default. */
interface Golden {
  steps: number;
  cases: { optimizer: { type: string }; final: Record<string, number[]> }[];
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

async function run(compiled: CompiledKernels, threads: number, given: { type: string }) {
  const spec = fillVariant<Optimizer>(Optimizer, given);
  const optimizer = buildOptimizer({ training: { optimizer: spec } } as JobSpec);
  const graph = new Graph();
  const updates = Object.entries(SHAPES).map(([name, dims]) =>
    update(graph, optimizer, parameter(graph, name, dims), parameter(graph, `${name}.gradient`, dims)),
  );
  const plan = compile(graph, { step: { outputs: {}, effects: updates.map((u) => u.node), maxRows: 1 } }, { threads });
  const team = new Team(plan, compiled);
  const noise = createGenerator();
  const draw = (name: string) => {
    const values = team.floats(name);
    for (let i = 0; i < values.length; i++) values[i] = noise();
  };
  const writeHyper = createHyperWriter(optimizer);
  for (const name of Object.keys(SHAPES)) draw(name);
  for (let step = 0; step < golden.steps; step++) {
    for (const name of Object.keys(SHAPES)) draw(`${name}.gradient`);
    plan.regions.hyper.forEach((address, group) => {
      writeHyper(new Float32Array(team.memory.buffer, address, HyperBlock.words), group, spec.learning_rate, step + 1);
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

  it.each(golden.cases.map((c) => ({ ...c, title: JSON.stringify(c.optimizer) })))(
    'end where ours do: $title',
    async ({ optimizer, final: expected }) => {
      const one = await run(compiled, 1, optimizer);
      // the bits for any number of threads are the matter of another test; here, that small tensors are shared out rightly
      if (build === 'relaxed') expect(await run(compiled, 3, optimizer)).toEqual(one);
      for (const [name, values] of Object.entries(expected)) {
        const scale = Math.max(...values.map(Math.abs));
        const off = values.map((value, i) => Math.abs(one[name]![i]! - value) / scale);
        expect(Math.max(...off), name).toBeLessThan(1e-5);
      }
    },
  );
});
