import type { Graph, Node } from '../graph/graph.ts';
import type { Seed } from '../random.ts';
import { attention } from './attention.ts';
import {
  type AdaptersDescription,
  type Continuation,
  createContext,
  type LayerContext,
  type Parameter,
  ParameterStore,
} from './context.ts';
import { convolve } from './convolution.ts';
import { dense } from './dense.ts';
import type { LayerDescription } from './description.ts';
import { embedding } from './embedding.ts';
import { masking } from './masking.ts';
import { passMask } from './masks.ts';
import { merge } from './merge.ts';
import { normalize } from './normalization.ts';
import { pool } from './pooling.ts';
import { recurrentLayer } from './recurrent.ts';
import { simple } from './simple.ts';
import { feedForwardLayer, transformer } from './transformer.ts';

/** The name under which layers take the model's input. */
const MODEL_INPUT = 'input';

/**
 * Builds a model's layers, as often as asked (once for training, once for evaluation) over the same parameters.
 */
export class ModelBuilder {
  readonly #store: ParameterStore;
  readonly #graph: Graph;
  readonly #seed: Seed;
  readonly #adapters: AdaptersDescription | null;

  /** `prefix`: in front of the names of its tensors */
  constructor(graph: Graph, seed: Seed, adapters: AdaptersDescription | null = null, prefix = '') {
    this.#adapters = adapters;
    this.#graph = graph;
    this.#seed = seed;
    this.#store = new ParameterStore(graph, prefix);
  }

  get parameters(): readonly Parameter[] {
    return this.#store.list;
  }

  /** Values that are no parameters, by name: to be written once, before the first step. */
  get constants(): ReadonlyMap<string, Float32Array> {
    return new Map(
      [...this.#store.constants.values()].map(({ node, values }) => [node.attributes.name as string, values]),
    );
  }

  /** Effects of the last build for training, or of texts that go on. */
  effects: readonly Node[] = [];

  /** Outputs of the last build for training, by layer. */
  outputs: ReadonlyMap<string, Node> = new Map();

  /** Output of the last of `layers` on x. */
  build(
    x: Node,
    layers: readonly LayerDescription[],
    training: boolean,
    continuation: Continuation | null = null,
  ): Node {
    const context = createContext(this.#graph, this.#store, this.#seed, training, this.#adapters, continuation);
    const outputs = new Map<string, Node>([[MODEL_INPUT, x]]);
    let last = x;
    for (const layer of layers) {
      const inputs = layer.inputs?.map((name) => {
        const input = outputs.get(name);
        if (input === undefined) throw new Error(`"${layer.name}" takes "${name}", which does not come before it`);
        return input;
      }) ?? [last];
      last = buildLayer(context, inputs, layer);
      passMask(context, inputs, layer, last);
      outputs.set(layer.name, last);
    }
    if (training || continuation !== null) this.effects = context.effects;
    if (training) this.outputs = outputs;
    return last;
  }
}

function buildLayer(context: LayerContext, inputs: readonly Node[], layer: LayerDescription): Node {
  const x = inputs[0]!;
  switch (layer.type) {
    case 'dense':
      return dense(context, x, layer);
    case 'conv1d':
    case 'conv2d':
    case 'conv2d_transpose':
      return convolve(context, x, layer);
    case 'max_pool1d':
    case 'average_pool1d':
    case 'global_average_pool1d':
    case 'global_max_pool1d':
    case 'max_pool2d':
    case 'average_pool2d':
    case 'global_max_pool2d':
    case 'global_average_pool2d':
      return pool(context, x, layer);
    case 'embedding':
    case 'position_embedding':
      return embedding(context, x, layer);
    case 'masking':
      return masking(context, x, layer);
    case 'rnn':
    case 'lstm':
    case 'gru':
      return recurrentLayer(context, inputs, layer);
    case 'layer_norm':
    case 'rms_norm':
    case 'group_norm':
    case 'batch_norm':
      return normalize(context, x, layer);
    case 'attention':
      return attention(context, inputs, layer);
    case 'transformer_encoder':
    case 'transformer_decoder':
      return transformer(context, inputs, layer);
    case 'feed_forward':
      return feedForwardLayer(context, x, layer);
    case 'activation':
    case 'dropout':
    case 'spatial_dropout':
    case 'stochastic_depth':
    case 'activity_regularization':
    case 'flatten':
    case 'reshape':
    case 'permute':
    case 'zero_padding1d':
    case 'zero_padding2d':
    case 'upsample1d':
    case 'upsample2d':
    case 'glu':
    case 'columns':
      return simple(context, x, layer);
    case 'add':
    case 'multiply':
    case 'concatenate':
      return merge(context, inputs, layer);
  }
}
