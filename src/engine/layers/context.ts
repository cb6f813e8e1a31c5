import type { Graph, Node } from '../graph/graph.ts';
import type { Fan, InitializerDescription } from '../initializers.ts';
import { parameter } from '../ops/leaves.ts';
import { type Seed, STREAM } from '../random.ts';

/** A tensor of the model that is saved with it, and how it begins. */
export interface Parameter {
  name: string;
  node: Node;
  /** dims under which it is saved, where they are not the node's own: a convolution's (height, width, channels, filters) */
  shape: readonly number[];
  initializer: InitializerDescription;
  fan: Fan;
  /** false: it has no gradient, and changes otherwise (running statistics) */
  trainable: boolean;
}

/** Parameters of a model by name: made when first asked for, the same ever after. */
export class ParameterStore {
  readonly list: Parameter[] = [];
  readonly constants = new Map<string, { node: Node; values: Float32Array }>();
  readonly #byName = new Map<string, Parameter>();
  readonly #graph: Graph;
  /** in front of the names of tensors, where several networks lie in one memory */
  readonly #prefix: string;

  constructor(graph: Graph, prefix: string) {
    this.#graph = graph;
    this.#prefix = prefix;
  }

  get(
    name: string,
    dims: readonly number[],
    initializer: InitializerDescription,
    fan: Fan,
    shape: readonly number[] = dims,
  ): Node {
    const known = this.#byName.get(name);
    if (known !== undefined) return known.node;
    return this.#add({ name, node: this.#place(name, dims), shape, initializer, fan, trainable: true });
  }

  /** A statistic that is gathered while training. */
  running(name: string, dims: readonly number[], initializer: InitializerDescription): Node {
    const known = this.#byName.get(name);
    if (known !== undefined) return known.node;
    const fan = { fanIn: 1, fanOut: 1 };
    return this.#add({
      name,
      node: this.#place(name, dims),
      shape: dims,
      initializer,
      fan,
      trainable: false,
    });
  }

  /** A parameter of an earlier layer. */
  known(name: string): Node {
    const parameter = this.#byName.get(name);
    if (parameter === undefined) throw new Error(`there is no parameter ${name} yet`);
    return parameter.node;
  }

  #place(name: string, dims: readonly number[]): Node {
    return parameter(this.#graph, `${this.#prefix}${name}`, dims);
  }

  #add(made: Parameter): Node {
    this.#byName.set(made.name, made);
    this.list.push(made);
    return made.node;
  }

  /** A tensor that is not trained and follows from the model alone. */
  constant(name: string, values: Float32Array, dims: readonly number[] = [values.length]): Node {
    const known = this.constants.get(name);
    if (known !== undefined) return known.node;
    const node = this.#place(name, dims);
    this.constants.set(name, { node, values });
    return node;
  }
}

/** Low-rank adapters of products: y = x·W + b + scale·x·A·B (Hu et al. 2021). */
export interface AdaptersDescription {
  rank: number;
  scale: number;
  /** of what goes into A */
  dropout: number;
  isAdapted(product: string): boolean;
}

/**
 * Of texts that go on by T tokens: what layers keep of the tokens before, so that these need not be computed again. Each row is a text of its own, whose
 * state lies in a slot.
 */
export interface Continuation {
  /** (rows, 1) */
  slots: Node;
  /** (rows, T): places of the tokens in the text's window, from 0 */
  positions: Node;
  /** how many slots there are */
  slotCount: number;
  /** places in a window */
  context: number;
  /** tables (slots, width) of what is kept, by name; those of `blank` are zeros where a text begins */
  kept: Map<string, Node>;
  blank: Set<string>;
}

/** What a layer is built with. */
export interface LayerContext {
  graph: Graph;
  parameters: ParameterStore;
  /** whether dropout acts, and statistics are those of the batch */
  training: boolean;
  seed: Seed;
  /** what a run does besides its output: in training, when the step is found to be finite */
  effects: Node[];
  /** of values that are sequences: (rows, T), 0 where a step is padding */
  masks: Map<Node, Node>;
  adapters: AdaptersDescription | null;
  /** null: rows are whole sequences */
  continuation: Continuation | null;
  /** a stream of random draws that nothing else in the model uses */
  nextStream(): number;
}

/** Streams are counted from the beginning in every build, so that they do not depend on what else was built. */
export function createContext(
  graph: Graph,
  parameters: ParameterStore,
  seed: Seed,
  training: boolean,
  adapters: AdaptersDescription | null,
  continuation: Continuation | null,
): LayerContext {
  let streams = 0;
  return {
    graph,
    parameters,
    training,
    seed,
    effects: [],
    masks: new Map(),
    adapters,
    continuation,
    nextStream: () => STREAM.dropout + streams++,
  };
}
