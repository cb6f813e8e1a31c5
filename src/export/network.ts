import { widthOf } from '../data/fit-preparation.ts';
import { furtherTargets, outputName } from '../spec/further-targets.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import type { DenseLayer, OutputLayer } from '../spec/layers/dense.ts';
import { ruleOf } from '../spec/layers/rules.ts';
import type { Layer } from '../spec/model.ts';
import { groupByInput, MODEL_INPUT, shapeOfInput, shapesOf } from '../spec/model-shapes.ts';
import type { Preparation, PreparedInput } from '../spec/preparation.ts';

/** A dense layer at the end; its weights may be an embedding's table, transposed. */
export type EndLayer = DenseLayer & { tied_to: string | null };

export type NetworkLayer = Layer | EndLayer;

/** A layer in its place: shapes of one row of what it takes and gives. */
export interface PlacedLayer<L = NetworkLayer> {
  layer: L;
  inputs: number[][];
  output: number[];
}

/** A trained network, as an export of any format looks at it: which values come in, through which layers they go, and which come out. */
export interface Network {
  inputs: { name: string; shape: number[] }[];
  layers: PlacedLayer[];
  /** names of the layers whose outputs are the network's, one for each target */
  ends: string[];
}

/** The network of a job, from its spec and what was fitted to its rows. */
export function describeNetwork(spec: JobSpec, preparation: Preparation): Network {
  const { layers, output } = spec.model;
  const inputs = groupColumns(spec, preparation).map(({ name, columns, width }) => {
    const image = columns.length === 1 && columns[0]!.type === 'image' ? columns[0]!.shape : null;
    const { forecast } = preparation;
    const dims = forecast === undefined ? image : [forecast.window, forecast.rowWidth];
    return { name, shape: shapeOfInput(layers, { name, width, dims }) as number[] };
  });
  const main = output === null ? [] : [endLayer('output', output, preparation.outputWidth)];
  const heads = furtherTargets(spec).map((target, i) =>
    endLayer(outputName(target.name), target.output, preparation.more![i]!.outputWidth),
  );
  const ends = [(main[0] ?? layers.at(-1)!).name, ...heads.map(({ name }) => name)];
  return { inputs, layers: placeLayers([...layers, ...main, ...heads], inputs), ends };
}

/** Prepared columns by the model input that they are part of, in the order in which they stand in a prepared row. */
export function groupColumns(
  { inputs }: JobSpec,
  preparation: Preparation,
): { name: string; columns: PreparedInput[]; width: number }[] {
  const prepared = preparation.inputs.map((input, i) => ({ input, into: inputs?.[i]?.into ?? MODEL_INPUT }));
  const groups = [...groupByInput(prepared)];
  return groups.map(([name, members]) => {
    const columns = members.map(({ input }) => input);
    const width =
      groups.length === 1 ? preparation.inputWidth : columns.reduce((sum, column) => sum + widthOf(column), 0);
    return { name, columns, width };
  });
}

function endLayer(name: string, output: OutputLayer, units: number): EndLayer {
  return { ...output, type: 'dense', name, units, activation: { type: 'linear' }, tied_to: output.tied_to ?? null };
}

/** Throws where there are weights that no layer has: a file without them would be another network. */
export function checkWeights({ layers }: Network, names: Iterable<string>): void {
  const known = new Set(
    layers.flatMap(({ layer, inputs }) =>
      (ruleOf(layer).parameters?.(layer as Layer, inputs) ?? []).map(({ name }) => `${layer.name}.${name}`),
    ),
  );
  const other = [...names].filter((name) => !known.has(name));
  if (other.length > 0) throw new Error(`no layer has the weights ${other.slice(0, 5).join(', ')}`);
}

/** Layers with the shapes between them. Throws where they do not fit, which a checked spec's do. */
export function placeLayers(layers: readonly NetworkLayer[], inputs: Network['inputs']): PlacedLayer[] {
  const ofInputs = new Map(inputs.map(({ name, shape }) => [name, shape]));
  return shapesOf(layers as readonly Layer[], ofInputs).map(({ layer, inputs, output, misfit }) => {
    if (misfit !== null || output === null) throw new Error(`"${layer.name}" does not fit: ${misfit?.detail}`);
    return { layer, inputs: inputs as number[][], output: output as number[] };
  });
}
