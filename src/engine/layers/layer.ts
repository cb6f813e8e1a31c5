import type { Graph, Node } from '../graph/graph.ts';
import type { Seed } from '../random.ts';
import { createContext, type LayerContext, type Parameter, ParameterStore } from './context.ts';
import { type Conv2dDescription, conv2d } from './convolution.ts';
import { type DenseDescription, dense } from './dense.ts';
import { type MergeDescription, merge } from './merge.ts';
import { type PoolingDescription, pool } from './pooling.ts';
import { type SimpleDescription, simple } from './simple.ts';

/** Layers: names and parameters around operations. */
export type LayerDescription = (
  | DenseDescription
  | Conv2dDescription
  | PoolingDescription
  | SimpleDescription
  | MergeDescription
) & {
  /** names of the layers whose outputs it takes; left out: the one before */
  inputs?: readonly string[];
};

/** The name under which layers take the model's input. */
const MODEL_INPUT = 'input';

/**
 * Builds a model's layers, as often as asked (once for training, once for evaluation) over the same parameters.
 */
export class ModelBuilder {
  readonly #store: ParameterStore;
  readonly #graph: Graph;
  readonly #seed: Seed;

  constructor(graph: Graph, seed: Seed) {
    this.#graph = graph;
    this.#seed = seed;
    this.#store = new ParameterStore(graph);
  }

  get parameters(): readonly Parameter[] {
    return this.#store.list;
  }

  /** Output of the last of `layers` on x. */
  build(x: Node, layers: readonly LayerDescription[], training: boolean): Node {
    const context = createContext(this.#graph, this.#store, this.#seed, training);
    const outputs = new Map<string, Node>([[MODEL_INPUT, x]]);
    let last = x;
    for (const layer of layers) {
      const inputs = layer.inputs?.map((name) => {
        const input = outputs.get(name);
        if (input === undefined) throw new Error(`"${layer.name}" takes "${name}", which does not come before it`);
        return input;
      }) ?? [last];
      last = buildLayer(context, inputs, layer);
      outputs.set(layer.name, last);
    }
    return last;
  }
}

function buildLayer(context: LayerContext, inputs: readonly Node[], layer: LayerDescription): Node {
  const x = inputs[0]!;
  switch (layer.type) {
    case 'dense':
      return dense(context, x, layer);
    case 'conv2d':
      return conv2d(context, x, layer);
    case 'max_pool2d':
    case 'average_pool2d':
    case 'global_average_pool2d':
      return pool(context, x, layer);
    case 'activation':
    case 'dropout':
    case 'flatten':
    case 'reshape':
      return simple(context, x, layer);
    case 'add':
    case 'multiply':
    case 'concatenate':
      return merge(context, inputs, layer);
  }
}
