import { expect } from 'vitest';
import { differentiate } from '../../src/engine/graph/differentiate.ts';
import { elementsOf, Graph, type Node } from '../../src/engine/graph/graph.ts';
import type { CompiledKernels } from '../../src/engine/kernels/load.ts';
import type { LayerDescription } from '../../src/engine/layers/description.ts';
import { ModelBuilder } from '../../src/engine/layers/layer.ts';
import { reshape } from '../../src/engine/ops/elementwise.ts';
import { gather, rowOrder, table } from '../../src/engine/ops/leaves.ts';
import { meanRows, rowLoss } from '../../src/engine/ops/losses.ts';
import { compile, type ProgramSource } from '../../src/engine/plan/compile.ts';
import { seedOf } from '../../src/engine/random.ts';
import { Team } from '../../src/engine/team/team.ts';
import { expand, fillDefaults } from '../../src/spec/expand-request.ts';
import type { JobSpec } from '../../src/spec/job-spec.ts';
import { ruleOf } from '../../src/spec/layers/rules.ts';
import { Layer } from '../../src/spec/model.ts';
import { shapesOf } from '../../src/spec/model-shapes.ts';
import type { Preparation } from '../../src/spec/preparation.ts';
import { buildLayers } from '../../src/worker/build-network.ts';

/** Layers as a job's spec has them, on inputs of these dims; what they leave out is the default. */
export interface LayerCase {
  /** of one row of each; x holds them one behind the other */
  inputs: Record<string, number[]>;
  layers: { type: string; name: string; inputs: string[] }[];
  /** left out: drawn, and looked at by its gradient */
  x?: number[][];
  training?: boolean;
  /** what is dropped follows from both; 0 where left out */
  seed?: number;
  step?: number;
}

export interface LayerOutcome {
  /** of one row of the output */
  shape: readonly number[];
  output: Float32Array;
  gradients: Record<string, Float32Array>;
  /** statistics after the step */
  running: Record<string, Float32Array>;
  /** what was drawn: x, and parameters by name */
  drawn: { x: Float32Array; parameters: Map<string, { shape: readonly number[]; data: Float32Array }> };
}

/** Park & Miller's generator, as in the scripts. */
export function createGenerator(): () => number {
  let state = 1;
  return () => {
    state = (state * 16807) % 2147483647;
    return state / 1073741824 - 1;
  };
}

/** With every default filled in, as in a resolved spec. */
export function completeLayers(layers: LayerCase['layers']): Layer[] {
  return layers.map((given) => {
    const layer = fillDefaults(Layer, expand(Layer, given, '', new Map())) as Layer;
    ruleOf(layer).complete?.(layer);
    return layer;
  });
}

/** One program in a plan that all cases share, so that one team runs them all: names begin with the case's number. */
function addCase(graph: Graph, order: Node, rows: number, one: LayerCase, i: number) {
  const prefix = `c${i}_`;
  const layers = completeLayers(one.layers);
  const shapes = shapesOf(layers, new Map(Object.entries(one.inputs)));
  expect(shapes.map(({ misfit }) => misfit)).toEqual(layers.map(() => null));

  const sizes = Object.values(one.inputs).map((dims) => dims.reduce((product, n) => product * n, 1));
  const width = sizes.reduce((sum, n) => sum + n, 0);
  const x = gather(graph, table(graph, { name: `${prefix}x`, rows, dims: [width], element: 'f32' }), order);
  const rename = (name: string) => `${prefix}${name}`;
  let first = 0;
  const cut = Object.entries(one.inputs).flatMap(([name, dims], n): LayerDescription[] => {
    const count = sizes[n]!;
    const part: LayerDescription[] = [
      { type: 'columns', name: `${prefix}${name}.columns`, first, count, inputs: ['input'] },
      { type: 'reshape', name: rename(name), shape: dims },
    ];
    first += count;
    return part;
  });
  const spec = { model: { layers, output: null }, more_targets: [] } as unknown as JobSpec;
  const built = buildLayers(spec, { inputs: [], inputWidth: 0 } as unknown as Preparation).map((layer) => ({
    ...layer,
    name: rename(layer.name),
    inputs: layer.inputs!.map(rename),
  }));
  const training = one.training ?? true;
  const builder = new ModelBuilder(graph, seedOf(one.seed ?? 0));
  const y = builder.build(x, [...cut, ...built], training);
  expect(y.shape.dims).toEqual(shapes.at(-1)!.output);
  // the spec's parameters are the engine's
  const said = shapes.flatMap(({ layer, inputs }) =>
    (ruleOf(layer).parameters?.(layer, inputs) ?? []).map(({ name, dims }) => [rename(`${layer.name}.${name}`), dims]),
  );
  expect(builder.parameters.map((p) => [p.name, p.shape]).toSorted()).toEqual(said.toSorted());

  const target = gather(
    graph,
    table(graph, { name: `${prefix}target`, rows, dims: [elementsOf(y)], element: 'f32' }),
    order,
  );
  const mean = meanRows(graph, rowLoss(graph, reshape(graph, y, elementsOf(y)), target, { type: 'mse' }));
  const own = (name: string) => name.slice(prefix.length);
  // what is built for evaluation is never differentiated
  const wanted: Record<string, Node> = !training
    ? {}
    : Object.fromEntries([
        ...(one.x === undefined ? [['x', x] as const] : []),
        ...builder.parameters.filter((p) => p.trainable).map((p) => [own(p.name), p.node] as const),
      ]);
  const gradients = differentiate(graph, mean, Object.values(wanted));
  const outputs = Object.fromEntries(Object.keys(wanted).map((name, n) => [name, gradients[n]!]));
  const source: ProgramSource = { outputs: { output: y, ...outputs }, effects: [...builder.effects], maxRows: rows };

  const fill = (team: Team, ofParameters: number): LayerOutcome['drawn'] => {
    const noise = createGenerator();
    const draw = (name: string, scale: number, shift = 0) => {
      const values = team.floats(name);
      for (let n = 0; n < values.length; n++) values[n] = noise() * scale + shift;
    };
    if (one.x === undefined) draw(`${prefix}x`, 1);
    else team.floats(`${prefix}x`).set(one.x.flat());
    for (const { name } of builder.parameters) draw(name, ofParameters, name.endsWith('variance') ? 1.5 : 0);
    if (training) draw(`${prefix}target`, 1);
    for (const [name, values] of builder.constants) team.floats(name).set(values);
    const copies = builder.parameters.map(
      (p) => [own(p.name), { shape: p.shape, data: team.floats(p.name).slice() }] as const,
    );
    return { x: team.floats(`${prefix}x`).slice(), parameters: new Map(copies) };
  };
  const read = (team: Team): Omit<LayerOutcome, 'drawn'> => {
    const copy = (name: string, length: number) => team.output(`case${i}`, name, length).slice();
    return {
      shape: y.shape.dims,
      output: copy('output', rows * elementsOf(y)),
      gradients: Object.fromEntries(
        Object.entries(wanted).map(([name, node]) => [name, copy(name, (name === 'x' ? rows : 1) * elementsOf(node))]),
      ),
      running: Object.fromEntries(
        builder.parameters.filter((p) => !p.trainable).map((p) => [own(p.name), team.floats(p.name).slice()]),
      ),
    };
  };
  return { source, fill, read };
}

/** What all cases give; parameters are drawn in ±`scale`. */
export async function runLayers(
  compiled: CompiledKernels,
  threads: number,
  rows: number,
  cases: readonly LayerCase[],
  scale: number,
): Promise<LayerOutcome[]> {
  const graph = new Graph();
  const order = rowOrder(graph, 'order', rows);
  const programs = cases.map((one, i) => addCase(graph, order, rows, one, i));
  const sources = Object.fromEntries(programs.map(({ source }, i) => [`case${i}`, source]));
  const team = new Team(compile(graph, sources, { threads }), compiled);
  try {
    team.indices('order').set(Array.from({ length: rows }, (_, i) => i));
    return programs.map(({ fill, read }, i) => {
      const drawn = fill(team, scale);
      team.run(`case${i}`, { rows, first: 0, step: cases[i]!.step ?? 0 });
      team.meet();
      return { ...read(team), drawn };
    });
  } finally {
    await team.close();
  }
}

export function expectClose(ours: Float32Array, expected: readonly number[], tolerance: number, what: string): void {
  expect(ours).toHaveLength(expected.length);
  const scale = Math.max(1e-6, ...expected.map(Math.abs));
  const off = expected.map((value, i) => Math.abs(ours[i]! - value) / scale);
  expect(Math.max(...off), what).toBeLessThan(tolerance);
}
