import { widthOf } from '../../data/fit-preparation.ts';
import type { JobSpec } from '../../spec/job-spec.ts';
import { outputsOf, type Preparation } from '../../spec/preparation.ts';
import { describeNetwork, groupColumns, type Network } from '../network.ts';
import type { Weights } from '../tensors.ts';
import { type OutputDescription, writeAnswers, writeForecasts, writeNextClasses } from './answers.ts';
import { channelsLast, type ExportContext, type Value } from './context.ts';
import { OnnxGraph } from './graph.ts';
import { type InputDescription, writeInput, writeWindows } from './preparation.ts';
import { encodeModel } from './schema.ts';
import { writeLayers } from './write-layers.ts';

/** Opset 20 came in December 2023, and Gelu with it; onnxruntime runs it from 1.17 on. */
const OPSET = 20;
const ML_OPSET = 3;
const IR_VERSION = 9;

/** The network alone: prepared numbers in, and what its last layers give out, as `<layer>.values`. */
export function writeBareModel(network: Network, weights: Weights): Uint8Array {
  const { graph, values } = begin(weights);
  for (const { name, shape } of network.inputs)
    values.set(name, { dims: shape, last: graph.input(name, 'float', ['N', ...shape]) });
  const ends = writeNetwork(graph, weights, network, values);
  ends.forEach(({ name, dims }, i) => {
    graph.output(`${network.ends[i]}.values`, name, 'float', ['N', ...dims]);
  });
  return finish(graph, 'Prepared numbers in, outputs of the last layers out.', {});
}

/** The whole way of a row: columns as the dataset has them in, answers out. Throws ExportRefusedError. */
export function writeModel(spec: JobSpec, preparation: Preparation, weights: Weights): Uint8Array {
  const network = describeNetwork(spec, preparation);
  const { graph, values } = begin(weights);
  const inputs: InputDescription[] = [];
  const { forecast } = preparation;
  let bases: string[] = [];
  groupColumns(spec, preparation).forEach(({ name, columns, width }, i) => {
    const { shape } = network.inputs[i]!;
    if (forecast !== undefined) {
      const windows = writeWindows(graph, columns, forecast);
      bases = windows.bases;
      inputs.push(...windows.descriptions);
      values.set(name, { dims: shape, last: graph.reshape(windows.prepared, [-1, ...shape]) });
      return;
    }
    // texts of which no term counts are no numbers at all
    const told = width === 0 ? columns : columns.filter((input) => widthOf(input) > 0);
    const parts = told.map((input) => {
      graph.scope = `prepare/${input.column}`;
      const { description, prepared } = writeInput(graph, input);
      inputs.push(description);
      return input.type === 'image' && shape.length === 1 ? graph.reshape(prepared, [0, width]) : prepared;
    });
    values.set(name, { dims: shape, last: graph.concatenate(parts) });
  });
  const ends = writeNetwork(graph, weights, network, values);
  const write = (): OutputDescription[] => {
    graph.scope = `answer/${network.ends[0]}`;
    const names = ends.map(({ name }) => name);
    if (forecast !== undefined)
      return preparation.target.type === 'category'
        ? writeNextClasses(graph, names, preparation)
        : writeForecasts(graph, names[0]!, preparation, forecast, bases);
    return outputsOf(preparation).flatMap(({ output }, i) => {
      graph.scope = `answer/${network.ends[i]}`;
      return writeAnswers(graph, names[i]!, output, ends[i]!.dims[0]!);
    });
  };
  const outputs = write();
  return finish(graph, 'Columns as they are in, answers out.', {
    'trainyard.inputs': JSON.stringify(inputs),
    'trainyard.outputs': JSON.stringify(outputs),
    'trainyard.preparation': JSON.stringify(preparation),
  });
}

function begin(weights: Weights): { graph: OnnxGraph; values: Map<string, Value> } {
  const graph = new OnnxGraph();
  // columns are a client's words, and come before weights do
  for (const name of weights.keys()) graph.reserve(name);
  return { graph, values: new Map() };
}

/** Adds the layers: what the last ones give, channels last. */
function writeNetwork(graph: OnnxGraph, weights: Weights, network: Network, values: Map<string, Value>) {
  const context: ExportContext = { graph, weights, masks: new Map() };
  writeLayers(context, network.layers, values);
  return network.ends.map((end) => {
    const value = values.get(end)!;
    return { name: channelsLast(context, value), dims: value.dims };
  });
}

function finish(graph: OnnxGraph, docString: string, metadata: Record<string, string>): Uint8Array {
  return encodeModel({
    irVersion: IR_VERSION,
    producerName: 'Trainyard',
    producerVersion: '1',
    docString,
    graph: graph.toMessage('network'),
    opsetImport: [
      { domain: '', version: OPSET },
      { domain: 'ai.onnx.ml', version: ML_OPSET },
    ],
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
  });
}
