import {
  type Attribute,
  describeAttribute,
  describeValue,
  ELEMENT,
  type Element,
  type GraphMessage,
  type NodeMessage,
  type TensorMessage,
  type ValueMessage,
} from './schema.ts';

type Attributes = Record<string, Attribute>;

/** Names of values, of which no two are alike, in a graph and in those inside it. */
class Names {
  readonly #taken = new Set<string>();

  take(wanted: string): string {
    let name = wanted;
    for (let n = 2; this.#taken.has(name); n++) name = `${wanted}_${n}`;
    this.#taken.add(name);
    return name;
  }
}

/** A graph under construction: operations in the order in which they are added, each giving the names of what it makes. */
export class OnnxGraph {
  /** in front of names that are made up: the layer at work */
  scope = '';
  readonly #names: Names;
  readonly #nodes: NodeMessage[] = [];
  readonly #initializers = new Map<string, TensorMessage>();
  readonly #inputs: ValueMessage[] = [];
  readonly #outputs: ValueMessage[] = [];
  /** constants by what they are, so that equal ones are there once */
  readonly #constants = new Map<string, string>();

  constructor(names: Names = new Names()) {
    this.#names = names;
  }

  /** An operation with one output: its name. An input that is left out is ''. */
  add(opType: string, inputs: readonly string[], attributes: Attributes = {}, domain?: string): string {
    return this.addMany(opType, inputs, 1, attributes, domain)[0]!;
  }

  addMany(
    opType: string,
    inputs: readonly string[],
    count: number,
    attributes: Attributes = {},
    domain?: string,
  ): string[] {
    const name = this.#names.take(this.scope === '' ? opType : `${this.scope}/${opType}`);
    const output = [name, ...Array.from({ length: count - 1 }, (_, i) => this.#names.take(`${name}:${i + 1}`))];
    this.#nodes.push({
      input: [...inputs],
      output,
      name,
      opType,
      attribute: Object.entries(attributes).map(([key, value]) => describeAttribute(key, value)),
      ...(domain !== undefined && { domain }),
    });
    return output;
  }

  /** Keeps a name for weights. */
  reserve(name: string): void {
    this.#names.take(name);
  }

  /** Weights under their own name, which was kept for them. Asked for again, it is the same. */
  weight(name: string, { shape, data }: { shape: readonly number[]; data: Float32Array }): string {
    if (!this.#initializers.has(name)) {
      const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      this.#initializers.set(name, { name, dims: [...shape], dataType: ELEMENT.float, rawData });
    }
    return name;
  }

  floats(values: readonly number[] | Float32Array, dims: readonly number[] = [values.length]): string {
    return this.#constant('float', dims, viewBytes(Float32Array.from(values)));
  }

  doubles(values: readonly number[], dims: readonly number[] = [values.length]): string {
    return this.#constant('double', dims, viewBytes(Float64Array.from(values)));
  }

  ints(values: readonly number[], dims: readonly number[] = [values.length]): string {
    return this.#constant('int64', dims, viewBytes(BigInt64Array.from(values, BigInt)));
  }

  strings(values: readonly string[]): string {
    const name = this.#names.take(`${this.scope}/strings`);
    const stringData = values.map((value) => Buffer.from(value));
    this.#initializers.set(name, { name, dims: [values.length], dataType: ELEMENT.string, stringData });
    return name;
  }

  #constant(element: Element, dims: readonly number[], rawData: Uint8Array): string {
    const key = `${element} ${dims} ${Buffer.from(rawData).toString('base64')}`;
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const name = this.#names.take(`constant/${element}`);
    this.#constants.set(key, name);
    this.#initializers.set(name, { name, dims: [...dims], dataType: ELEMENT[element], rawData });
    return name;
  }

  reshape(x: string, dims: readonly number[]): string {
    return this.add('Reshape', [x, this.ints(dims)]);
  }

  transpose(x: string, order: readonly number[]): string {
    return this.add('Transpose', [x], { perm: { ints: order } });
  }

  cast(x: string, to: Element): string {
    return this.add('Cast', [x], { to: { i: ELEMENT[to] } });
  }

  /** Along the last dimension. */
  split(x: string, sizes: readonly number[]): string[] {
    return this.addMany('Split', [x, this.ints(sizes)], sizes.length, { axis: { i: -1 } });
  }

  concatenate(parts: readonly string[], axis = -1): string {
    return parts.length === 1 ? parts[0]! : this.add('Concat', parts, { axis: { i: axis } });
  }

  /** A value that is handed in; `dims` without: of any shape. */
  input(name: string, element: Element, dims?: readonly (number | string)[], docString?: string): string {
    const own = this.#names.take(name);
    this.#inputs.push(describeValue(own, element, dims, docString));
    return own;
  }

  /** Hands a value out under a name of its own. */
  output(
    name: string,
    from: string,
    element: Element,
    dims?: readonly (number | string)[],
    docString?: string,
  ): string {
    const own = this.#names.take(name);
    this.#nodes.push({ input: [from], output: [own], name: `${own}/Identity`, opType: 'Identity', attribute: [] });
    this.#outputs.push(describeValue(own, element, dims, docString));
    return own;
  }

  /** A graph that an operation runs, which sees this one's values. */
  inner(): OnnxGraph {
    const inner = new OnnxGraph(this.#names);
    inner.scope = this.scope;
    return inner;
  }

  toMessage(name: string): GraphMessage {
    return {
      name,
      node: this.#nodes,
      initializer: [...this.#initializers.values()],
      input: this.#inputs,
      output: this.#outputs,
    };
  }
}

function viewBytes(data: Float32Array | Float64Array | BigInt64Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
