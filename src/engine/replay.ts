import { differentiate } from './graph/differentiate.ts';
import { elementsOf, Graph, type Node, reachable } from './graph/graph.ts';
import type { CompiledKernels } from './kernels/load.ts';
import type { AdaptersDescription } from './layers/context.ts';
import type { LayerDescription } from './layers/description.ts';
import { ModelBuilder } from './layers/layer.ts';
import { gather, rowOrder, type TableDescription, table } from './ops/leaves.ts';
import { type LossDescription, meanRows } from './ops/losses.ts';
import { compile } from './plan/compile.ts';
import { PlanTooLargeError } from './plan/layout.ts';
import { seedOf } from './random.ts';
import { type HeadDescription, isRowTable, type TargetDescription, Targets } from './targets.ts';
import type { Batch } from './team/runner.ts';
import { Team } from './team/team.ts';

/**
 * A step gone over once more, after the fact and in a memory of its own, with every value on the way kept: a post-mortem. It costs a step that goes well
 * nothing.
 */
export interface Replay {
  /** the first values that were not finite; null where all were */
  finding: Finding | null;
  /** parameters whose gradient was 0 everywhere, and those that some gradient reached; neither where a value was not finite */
  dead: string[];
  alive: string[];
}

export interface Finding {
  what: 'inputs' | 'weights' | 'outputs' | 'loss' | 'flow' | 'gradient';
  /** of the layer, or of the parameter */
  name: string | null;
  /** rows of the dataset, counted from 0: a few of those concerned */
  rows: number[];
}

export interface ReplaySource {
  team: Team;
  order: Uint32Array;
  /** rows of the tables */
  count: number;
  trained: readonly { name: string; tensor: string }[];
}

/** What a trainer's description says of the network, its rows and its loss. */
export interface ReplayedNetwork {
  rows: {
    features: Omit<TableDescription, 'name' | 'rows'>;
    target: TargetDescription;
    weighted?: boolean;
    stride?: number | undefined;
  };
  layers: readonly LayerDescription[];
  loss: LossDescription;
  heads?: readonly HeadDescription[];
  adapters?: AdaptersDescription | null;
  seed: number;
}

const MOST_ROWS = 3;

/** null where the rows overlap, or there is no memory for the values, of which they may take `limitBytes`. */
export function replayParts(
  description: ReplayedNetwork,
  compiled: CompiledKernels,
  source: ReplaySource,
  parts: readonly Batch[],
  limitBytes?: number,
): Replay | null {
  if (description.rows.stride !== undefined) return null;
  const tensors = new Map(source.trained.map(({ name, tensor }) => [name, tensor]));
  for (const { name, tensor } of source.trained) {
    if (!source.team.floats(tensor).every(Number.isFinite))
      return { finding: { what: 'weights', name, rows: [] }, dead: [], alive: [] };
  }
  let dead = source.trained.map(({ name }) => name);
  try {
    for (const batch of parts) {
      const { finding, silent } = replayPart(description, compiled, source, tensors, batch, limitBytes);
      if (finding !== null) return { finding, dead: [], alive: [] };
      dead = dead.filter((name) => silent.includes(name));
    }
  } catch (error) {
    if (error instanceof PlanTooLargeError || error instanceof RangeError) return null;
    throw error;
  }
  const alive = source.trained.map(({ name }) => name).filter((name) => !dead.includes(name));
  return { finding: null, dead, alive };
}

function replayPart(
  description: ReplayedNetwork,
  compiled: CompiledKernels,
  source: ReplaySource,
  tensors: ReadonlyMap<string, string>,
  batch: Batch,
  limitBytes: number | undefined,
): { finding: Finding | null; silent: string[] } {
  const { target, weighted = false, features: encoding } = description.rows;
  const { rows } = batch;
  const { loss, heads = [] } = description;
  const graph = new Graph();
  const x = gather(graph, table(graph, { name: 'features', rows, ...encoding }), rowOrder(graph, 'order', rows));
  const order = x.inputs[1]!;
  const targets = new Targets(graph, { rows, target, loss, heads, weighted });
  const builder = new ModelBuilder(graph, seedOf(description.seed), description.adapters);
  const predicted = builder.build(x, description.layers, true);
  const losses = targets.losses(predicted, order).sum;
  const trained = builder.parameters.filter(({ name }) => tensors.has(name));
  const layers = [...builder.outputs].filter(([, node]) => node !== x);
  const flowing = dependentOn(predicted, new Set(trained.map((p) => p.node)));
  const behind = layers.filter(([, node]) => flowing.has(node));
  const slopes = differentiate(graph, meanRows(graph, losses), [
    ...behind.map(([, node]) => node),
    ...trained.map((p) => p.node),
  ]);

  const outputs: Record<string, Node> = { x, losses };
  layers.forEach(([, node], i) => {
    outputs[`output ${i}`] = node;
  });
  slopes.forEach((node, i) => {
    if (node !== null) outputs[`slope ${i}`] = node;
  });
  const plan = compile(graph, { replay: { outputs, maxRows: rows } }, { threads: 1, limitBytes });
  const team = new Team(plan, compiled);
  copyInto(team, source, tensors, batch);
  team.run('replay', { ...batch, first: 0 });
  const read = (name: string) => {
    const node = outputs[name]!;
    return team.output('replay', name, elementsOf(node) * (node.shape.batched ? rows : 1));
  };
  /** whether what is named is finite; else the rows that are not */
  const look = (what: Finding['what'], name: string | null, output: string): Finding | null => {
    const values = read(output);
    if (values.every(Number.isFinite)) return null;
    const width = outputs[output]!.shape.batched ? values.length / rows : values.length;
    const found = Array.from({ length: rows }, (_, r) => r).filter(
      (r) => values.length > r * width && !values.subarray(r * width, (r + 1) * width).every(Number.isFinite),
    );
    const places = outputs[output]!.shape.batched ? found : [];
    return { what, name, rows: places.slice(0, MOST_ROWS).map((r) => source.order[batch.first + r]!) };
  };
  const looks: [Finding['what'], string | null, string][] = [
    ['inputs', null, 'x'],
    ...layers.map(([name], i): [Finding['what'], string, string] => ['outputs', name, `output ${i}`]),
    ['loss', null, 'losses'],
    ...behind.map(([name], i): [Finding['what'], string, string] => ['flow', name, `slope ${i}`]).toReversed(),
    ...trained
      .map(({ name }, i): [Finding['what'], string, string] => ['gradient', name, `slope ${behind.length + i}`])
      .toReversed(),
  ];
  let finding: Finding | null = null;
  for (const one of looks) if (one[2] in outputs) finding ??= look(...one);
  const silent = trained.filter((_, i) => {
    const name = `slope ${behind.length + i}`;
    return name in outputs && read(name).every((value) => value === 0);
  });
  const names = silent.map(({ name }) => name);
  void team.close();
  return { finding, silent: names };
}

/** What depends on any of `sources`, of what `root` needs. */
function dependentOn(root: Node, sources: ReadonlySet<Node>): Set<Node> {
  const found = new Set<Node>(sources);
  for (const node of reachable([root])) if (node.inputs.some((input) => found.has(input))) found.add(node);
  return found;
}

/** The batch's rows of every table, in their order; weights and what else has a name as they are. */
function copyInto(team: Team, source: ReplaySource, tensors: ReadonlyMap<string, string>, batch: Batch): void {
  for (const name of Object.keys(team.plan.persistent)) {
    const to = team.bytes(name);
    if (name === 'order') {
      team.indices(name).forEach((_, r, order) => {
        order[r] = r;
      });
    } else if (isRowTable(name)) {
      const from = source.team.bytes(name);
      const rowBytes = from.length / source.count;
      for (let r = 0; r < batch.rows; r++) {
        const row = source.order[batch.first + r]!;
        to.set(from.subarray(row * rowBytes, (row + 1) * rowBytes), r * rowBytes);
      }
    } else to.set(source.team.bytes(tensors.get(name) ?? name));
  }
}
