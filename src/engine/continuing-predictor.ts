import { fillInOrder, fillParameters } from './fill-network.ts';
import { batched, elementsOf, Graph, type Node, reachable } from './graph/graph.ts';
import type { CompiledKernels } from './kernels/load.ts';
import type { Continuation } from './layers/context.ts';
import type { LayerDescription } from './layers/description.ts';
import { ModelBuilder } from './layers/layer.ts';
import { columns } from './ops/concatenate.ts';
import { gather, rowOrder, table } from './ops/leaves.ts';
import { compile, type ProgramSource } from './plan/compile.ts';
import { Team } from './team/team.ts';

/** Tokens that are read in one pass, most first: a text is read in as few passes as these make, and goes on by one. */
const PASSES = [64, 16, 4, 1] as const;
/** Tokens in a pass over several texts. */
const MOST_TOKENS = 1024;

/** A text that goes on: where its state lies, and what of it was not read yet. */
export interface OpenText {
  slot: number;
  /** place of the first of `unread` in the window */
  position: number;
  unread: readonly number[];
}

/** What a pass has made of a text. */
export interface Passed {
  /** tokens of `unread` that were read */
  read: number;
  /** (vocabulary) of the token that follows; null while there is more to read */
  logits: Float32Array | null;
}

export interface ContinuingOptions {
  /** places of a window: no position is above */
  context: number;
  /** texts that have a slot at most */
  mostSlots: number;
  /** what all slots may take together; one slot is always there */
  mostBytes: number;
}

/**
 * A trained network over sequences that goes on with texts: what layers keep of the tokens before (keys and values, states, the last inputs) lies in a slot of
 * each text, so that a token costs one pass over itself, and attention one over the window. One thread. The bits are those of `NetworkPredictor`, which
 * computes whole windows.
 */
export class ContinuingPredictor {
  readonly context: number;
  readonly vocabulary: number;
  /** whether a text may be longer than a window: nothing in the network knows of places */
  readonly isEndless: boolean;
  readonly #team: Team;
  readonly #free: number[];
  readonly #blank: { values: Float32Array; width: number }[];
  readonly #passes: { size: number; name: string; rows: number }[] = [];

  /** `weights` by parameter name. Throws LookaheadError where a layer needs what comes later. */
  constructor(
    layers: readonly LayerDescription[],
    weights: ReadonlyMap<string, Float32Array>,
    compiled: CompiledKernels,
    { context, mostSlots, mostBytes }: ContinuingOptions,
  ) {
    this.context = context;
    const slots = Math.max(1, Math.min(mostSlots, Math.floor(mostBytes / bytesOfSlot(layers, context))));
    const graph = new Graph();
    const builder = new ModelBuilder(graph, { low: 0, high: 0 });
    const kept: Pick<Continuation, 'kept' | 'blank'> = { kept: new Map(), blank: new Set() };
    const order = rowOrder(graph, 'order', slots);
    const sources: Record<string, ProgramSource> = {};
    let end: Node | null = null;
    let isEndless = true;
    for (const size of PASSES) {
      if (size > context) continue;
      const pass = { size, name: `pass${size}`, rows: Math.max(1, Math.min(slots, Math.floor(MOST_TOKENS / size))) };
      this.#passes.push(pass);
      const tokens = table(graph, { name: pass.name, rows: pass.rows, dims: [1 + 2 * size], element: 'f32' });
      const { output, effects, positions } = buildPass(builder, layers, {
        ...{ x: gather(graph, tokens, order), graph, size, context, slotCount: slots, ...kept },
      });
      end = output;
      if (reachable([output, ...effects]).includes(positions)) isEndless = false;
      sources[pass.name] = { outputs: size === 1 ? { logits: output } : {}, effects, maxRows: pass.rows };
    }
    this.isEndless = isEndless;
    this.vocabulary = elementsOf(end!);
    this.#team = new Team(compile(graph, sources, { threads: 1 }), compiled);
    fillInOrder(this.#team.indices('order'));
    for (const [name, values] of builder.constants) this.#team.floats(name).set(values);
    fillParameters(this.#team, builder.parameters, weights);
    this.#free = Array.from({ length: slots }, (_, slot) => slots - 1 - slot);
    this.#blank = [...kept.blank].map((name) => ({
      values: this.#team.floats(name),
      width: elementsOf(kept.kept.get(name)!) / slots,
    }));
  }

  get memoryBytes(): number {
    return this.#team.plan.memoryBytes;
  }

  /** A slot for a text that begins; null: all are taken. */
  takeSlot(): number | null {
    const slot = this.#free.pop();
    if (slot === undefined) return null;
    for (const { values, width } of this.#blank) values.fill(0, slot * width, (slot + 1) * width);
    return slot;
  }

  freeSlot(slot: number): void {
    this.#free.push(slot);
  }

  /** Reads on in each text, by one pass: all but the last of its unread tokens many at a time, the last alone. Each has something unread. */
  advance(texts: readonly OpenText[]): Passed[] {
    const passed: Passed[] = new Array(texts.length);
    for (const { size, name, rows } of this.#passes) {
      const due = [...texts.keys()].filter((i) => passed[i] === undefined && suits(size, texts[i]!.unread.length));
      for (let first = 0; first < due.length; first += rows) {
        const part = due.slice(first, first + rows);
        this.#write(
          name,
          size,
          part.map((i) => texts[i]!),
        );
        this.#team.run(name, { rows: part.length, first: 0, step: 0 });
        const logits = size > 1 ? null : this.#team.output(name, 'logits', part.length * this.vocabulary).slice();
        part.forEach((i, row) => {
          const from = row * this.vocabulary;
          const isLast = texts[i]!.unread.length === 1;
          passed[i] = { read: size, logits: isLast ? logits!.subarray(from, from + this.vocabulary) : null };
        });
      }
    }
    return passed;
  }

  /** Rows of [slot, tokens, positions] */
  #write(name: string, size: number, texts: readonly OpenText[]): void {
    const values = this.#team.floats(name);
    texts.forEach(({ slot, position, unread }, row) => {
      if (!this.isEndless && position + size > this.context)
        throw new RangeError(`places ${position} to ${position + size} of a window of ${this.context}`);
      const at = row * (1 + 2 * size);
      values[at] = slot;
      for (let t = 0; t < size; t++) {
        values[at + 1 + t] = unread[t]!;
        values[at + 1 + size + t] = this.isEndless ? 0 : position + t;
      }
    });
  }

  close(): Promise<void> {
    return this.#team.close();
  }
}

/** Whether a pass of so many tokens is the longest that leaves the last token to a pass of its own. */
function suits(size: number, unread: number): boolean {
  return size === 1 || size < unread;
}

interface Pass extends Omit<Continuation, 'slots' | 'positions'> {
  graph: Graph;
  /** (rows, [slot, tokens, positions]) */
  x: Node;
  size: number;
}

function buildPass(builder: ModelBuilder, layers: readonly LayerDescription[], { graph, x, size, ...rest }: Pass) {
  const positions = columns(graph, x, 1 + size, size);
  const continuation = { slots: columns(graph, x, 0, 1), positions, ...rest };
  const output = builder.build(columns(graph, x, 1, size), layers, false, continuation);
  return { output, effects: builder.effects, positions };
}

function bytesOfSlot(layers: readonly LayerDescription[], context: number): number {
  const graph = new Graph();
  const kept = new Map<string, Node>();
  const x = graph.add('rows', [], batched(3));
  const pass = { graph, x, size: 1, context, slotCount: 1, kept, blank: new Set<string>() };
  buildPass(new ModelBuilder(graph, { low: 0, high: 0 }), layers, pass);
  const values = [...kept.values()].reduce((sum, table) => sum + elementsOf(table), 0);
  return 4 * Math.max(1, values);
}
