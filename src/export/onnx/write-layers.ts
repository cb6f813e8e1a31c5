import type { Layer } from '../../spec/model.ts';
import type { PlacedLayer } from '../network.ts';
import type { ExportContext, Value } from './context.ts';
import { activate } from './layers/activation.ts';
import { attention } from './layers/attention.ts';
import { conv1d, conv2d, conv2dTranspose } from './layers/convolution.ts';
import { dense } from './layers/dense.ts';
import { embedding, masking, positionEmbedding } from './layers/embedding.ts';
import { glu, merge, permute, reshape, upsample, zeroPadding1d, zeroPadding2d } from './layers/movement.ts';
import { batchNorm, groupNorm, vectorNorm } from './layers/normalization.ts';
import { globalPool, pool } from './layers/pooling.ts';
import { recurrent } from './layers/recurrent.ts';
import { feedForward, transformer } from './layers/transformer.ts';
import { passMask } from './masks.ts';

/** Adds a layer's operations to the graph. */
type Write<T extends Layer['type']> = (
  context: ExportContext,
  placed: PlacedLayer<Extract<Layer, { type: T }>>,
  inputs: readonly Value[],
) => Value;

/** What only training does. */
const same = (_context: ExportContext, _placed: unknown, [x]: readonly Value[]): Value => x!;

/** Every kind of layer: one that is missing here does not compile. */
const WRITERS: { [T in Layer['type']]: Write<T> } = {
  dense,
  conv1d,
  conv2d,
  conv2d_transpose: conv2dTranspose,
  max_pool1d: pool,
  max_pool2d: pool,
  average_pool1d: pool,
  average_pool2d: pool,
  global_max_pool1d: globalPool,
  global_max_pool2d: globalPool,
  global_average_pool1d: globalPool,
  global_average_pool2d: globalPool,
  embedding,
  position_embedding: positionEmbedding,
  masking,
  rnn: recurrent,
  lstm: recurrent,
  gru: recurrent,
  attention,
  feed_forward: feedForward,
  transformer_encoder: transformer,
  transformer_decoder: transformer,
  layer_norm: vectorNorm,
  rms_norm: vectorNorm,
  group_norm: groupNorm,
  batch_norm: batchNorm,
  zero_padding1d: zeroPadding1d,
  zero_padding2d: zeroPadding2d,
  upsample1d: upsample,
  upsample2d: upsample,
  activation: (context, { layer }, [x]) => activate(context, x!, layer.activation),
  glu,
  dropout: same,
  spatial_dropout: same,
  stochastic_depth: same,
  activity_regularization: same,
  flatten: reshape,
  reshape,
  permute,
  add: merge,
  multiply: merge,
  concatenate: merge,
};

/** Adds all layers to the graph; `values` holds the network's inputs and gains every layer's output. */
export function writeLayers(context: ExportContext, layers: readonly PlacedLayer[], values: Map<string, Value>): void {
  for (const placed of layers) {
    const { name, type, inputs: taken } = placed.layer;
    const write = WRITERS[type] as unknown as (...given: [ExportContext, PlacedLayer, readonly Value[]]) => Value;
    context.graph.scope = name;
    const inputs = taken.map((input) => {
      const value = values.get(input);
      if (value === undefined) throw new Error(`"${name}" takes "${input}", which does not come before it`);
      return value;
    });
    const y = write(context, placed, inputs);
    passMask(context, placed, inputs, y);
    values.set(name, y);
  }
  context.graph.scope = '';
}
