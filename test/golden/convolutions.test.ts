import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { differentiate } from '../../src/engine/graph/differentiate.ts';
import { elementsOf, Graph } from '../../src/engine/graph/graph.ts';
import { type CompiledKernels, compileKernels, KERNEL_BUILDS } from '../../src/engine/kernels/load.ts';
import { ModelBuilder } from '../../src/engine/layers/layer.ts';
import { reshape } from '../../src/engine/ops/elementwise.ts';
import { gather, rowOrder, table } from '../../src/engine/ops/leaves.ts';
import { meanRows, rowLoss } from '../../src/engine/ops/losses.ts';
import { compile } from '../../src/engine/plan/compile.ts';
import { Team } from '../../src/engine/team/team.ts';
import type { JobSpec } from '../../src/spec/job.ts';
import { ruleOf } from '../../src/spec/layers/rules.ts';
import { Layer } from '../../src/spec/model.ts';
import type { Preparation } from '../../src/spec/preparation.ts';
import { buildLayers } from '../../src/worker/build-network.ts';
import { fillVariant } from './fill-variant.ts';

/** What PyTorch's layers give, from make-convolutions.py. A layer stands there as in a job's spec; what it leaves out is the default. */
interface Golden {
  rows: number;
  cases: {
    /** of one row of x */
    dims: number[];
    layer: { type: string };
    /** of one row of the output */
    shape: number[];
    output: number[];
    /** of the mean squared error against the target: to x, weight and bias */
    gradients: Record<string, number[]>;
  }[];
}
const golden = JSON.parse(readFileSync(new URL('./convolutions.json', import.meta.url), 'utf8')) as Golden;

/** Park & Miller's generator, as in the script. */
function createGenerator(): () => number {
  let state = 1;
  return () => {
    state = (state * 16807) % 2147483647;
    return state / 1073741824 - 1;
  };
}

async function run(compiled: CompiledKernels, threads: number, { dims, layer: given, shape }: Golden['cases'][number]) {
  const layer = { ...fillVariant<Layer>(Layer, given), name: 'layer', inputs: ['input'] };
  ruleOf(layer).complete?.(layer);
  const after = ruleOf(layer).shapeAfter(layer, [dims]);
  expect(after).toEqual({ shape });

  const { rows } = golden;
  const graph = new Graph();
  const order = rowOrder(graph, 'order', rows);
  const x = gather(graph, table(graph, { name: 'x', rows, dims, element: 'f32' }), order);
  const builder = new ModelBuilder(graph, { low: 0, high: 0 });
  const spec = { model: { layers: [layer], output: null } } as unknown as JobSpec;
  const y = builder.build(x, buildLayers(spec, { inputs: [], inputWidth: 0 } as unknown as Preparation), true);
  expect(y.shape.dims).toEqual(shape);
  const flat = reshape(graph, y, elementsOf(y));
  const target = gather(graph, table(graph, { name: 'target', rows, dims: [elementsOf(y)], element: 'f32' }), order);
  const mean = meanRows(graph, rowLoss(graph, flat, target, { type: 'mse' }));
  const wanted = { x, ...Object.fromEntries(builder.parameters.map((p) => [p.name.replace('layer.', ''), p.node])) };
  const gradients = differentiate(graph, mean, Object.values(wanted));
  const outputs = Object.fromEntries(Object.keys(wanted).map((name, i) => [name, gradients[i]!]));
  const plan = compile(graph, { step: { outputs: { output: y, ...outputs }, maxRows: rows } }, { threads });

  const team = new Team(plan, compiled);
  const noise = createGenerator();
  team.indices('order').set(Array.from({ length: rows }, (_, i) => i));
  for (const name of ['x', ...builder.parameters.map((p) => p.name), 'target']) {
    const values = team.floats(name);
    for (let i = 0; i < values.length; i++) values[i] = noise();
  }
  team.run('step', { rows, first: 0, step: 0 });
  team.meet();
  const read = (name: string, length: number) => team.output('step', name, length).slice();
  const sizes = Object.entries(wanted).map(
    ([name, node]) => [name, (name === 'x' ? rows : 1) * elementsOf(node)] as const,
  );
  const result = {
    output: read('output', rows * elementsOf(y)),
    gradients: Object.fromEntries(sizes.map(([name, length]) => [name, read(name, length)])),
  };
  await team.close();
  return result;
}

function expectClose(ours: Float32Array, expected: number[], what: string): void {
  expect(ours).toHaveLength(expected.length);
  const scale = Math.max(...expected.map(Math.abs));
  const off = expected.map((value, i) => Math.abs(ours[i]! - value) / scale);
  expect(Math.max(...off), what).toBeLessThan(1e-5);
}

describe.each(KERNEL_BUILDS)("PyTorch's convolutions and poolings, %s kernels", (build) => {
  const compiled = compileKernels({ build });

  it.each(golden.cases.map((c) => ({ ...c, title: `${JSON.stringify(c.layer)} of (${c.dims})` })))(
    'give what ours do: $title',
    async (one) => {
      const ours = await run(compiled, 1, one);
      if (build === 'relaxed') expect(await run(compiled, 3, one)).toEqual(ours);
      expectClose(ours.output, one.output, 'output');
      expect(Object.keys(ours.gradients)).toEqual(Object.keys(one.gradients));
      for (const [name, values] of Object.entries(one.gradients)) expectClose(ours.gradients[name]!, values, name);
    },
  );
});
