import { elementsOf, type Graph, lastDim, type Node } from '../graph/graph.ts';
import type { Fan, InitializerDescription } from '../initializers.ts';
import { type ActivationDescription, activate } from '../ops/activations.ts';
import { type ConvolutionWindow, conv2d } from '../ops/convolution.ts';
import { dropout } from '../ops/dropout.ts';
import { addBias, reshape } from '../ops/elementwise.ts';
import { parameter } from '../ops/leaves.ts';
import { matmul } from '../ops/matmul.ts';
import { averagePool2d, maxPool2d } from '../ops/pooling.ts';
import { type Seed, STREAM } from '../random.ts';

/** Layers: names and parameters around operations. */
export type LayerDescription =
  | {
      type: 'dense';
      name: string;
      units: number;
      activation: ActivationDescription;
      init: InitializerDescription;
      bias: boolean;
      biasInit: InitializerDescription;
    }
  | { type: 'activation'; name: string; activation: ActivationDescription }
  | { type: 'dropout'; name: string; rate: number }
  | { type: 'flatten'; name: string }
  | { type: 'reshape'; name: string; shape: readonly number[] }
  | ({
      type: 'conv2d';
      name: string;
      filters: number;
      activation: ActivationDescription;
      init: InitializerDescription;
      bias: boolean;
      biasInit: InitializerDescription;
    } & ConvolutionWindow)
  | { type: 'max_pool2d' | 'average_pool2d'; name: string; size: number; stride: number }
  | { type: 'global_average_pool2d'; name: string };

/** A trainable tensor, and how it begins. */
export interface Parameter {
  name: string;
  node: Node;
  /** dims under which it is saved, where they are not the node's own: a convolution's (height, width, channels, filters) */
  shape: readonly number[];
  initializer: InitializerDescription;
  fan: Fan;
}

/**
 * Builds a model's layers, as often as asked (once for training, once for evaluation) over the same parameters.
 */
export class ModelBuilder {
  readonly parameters: Parameter[] = [];
  readonly #byName = new Map<string, Node>();
  readonly #graph: Graph;
  readonly #seed: Seed;

  constructor(graph: Graph, seed: Seed) {
    this.#graph = graph;
    this.#seed = seed;
  }

  /** Output of `layers` on x; `training` decides whether dropout acts. */
  build(x: Node, layers: readonly LayerDescription[], training: boolean): Node {
    let y = x;
    layers.forEach((layer, index) => {
      y = this.#layer(y, layer, index, training);
    });
    return y;
  }

  #layer(x: Node, layer: LayerDescription, index: number, training: boolean): Node {
    const graph = this.#graph;
    switch (layer.type) {
      case 'dense': {
        // y = activation(x·W + b); x (rows, …, in), W (in, units), b (units)
        const fan = { fanIn: lastDim(x), fanOut: layer.units };
        let y = matmul(graph, x, this.#parameter(`${layer.name}.weight`, [fan.fanIn, fan.fanOut], layer.init, fan));
        if (layer.bias)
          y = addBias(graph, y, this.#parameter(`${layer.name}.bias`, [layer.units], layer.biasInit, fan));
        return activate(graph, y, layer.activation);
      }
      case 'activation':
        return activate(graph, x, layer.activation);
      case 'dropout':
        return training && layer.rate > 0 ? dropout(graph, x, layer.rate, this.#seed, STREAM.dropout + index) : x;
      case 'flatten':
        return reshape(graph, x, elementsOf(x));
      case 'reshape':
        return reshape(graph, x, ...layer.shape);
      case 'conv2d': {
        // x (rows, height, width, channels); fans as He and Glorot count them: a unit sees a window of every channel
        const { kernelHeight, kernelWidth, filters } = layer;
        const shape = [kernelHeight, kernelWidth, lastDim(x), filters];
        const taps = kernelHeight * kernelWidth;
        const fan = { fanIn: taps * lastDim(x), fanOut: taps * filters };
        const w = this.#parameter(`${layer.name}.weight`, [fan.fanIn, filters], layer.init, fan, shape);
        let y = conv2d(graph, x, w, layer);
        if (layer.bias) y = addBias(graph, y, this.#parameter(`${layer.name}.bias`, [filters], layer.biasInit, fan));
        return activate(graph, y, layer.activation);
      }
      case 'max_pool2d':
        return maxPool2d(graph, x, layer.size, layer.stride);
      case 'average_pool2d':
        return averagePool2d(graph, x, layer.size, layer.size, layer.stride);
      case 'global_average_pool2d': {
        const [height, width, channels] = x.shape.dims as [number, number, number];
        return reshape(graph, averagePool2d(graph, x, height, width, 1), channels);
      }
    }
  }

  #parameter(
    name: string,
    dims: number[],
    initializer: InitializerDescription,
    fan: Fan,
    shape: readonly number[] = dims,
  ): Node {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const node = parameter(this.#graph, name, dims);
    this.#byName.set(name, node);
    this.parameters.push({ name, node, shape, initializer, fan });
    return node;
  }
}
