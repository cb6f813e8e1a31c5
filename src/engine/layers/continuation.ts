import type { Graph, Node } from '../graph/graph.ts';
import { reshape } from '../ops/elementwise.ts';
import { embed, storeRows } from '../ops/embedding.ts';
import { parameter } from '../ops/leaves.ts';
import type { Continuation, LayerContext } from './context.ts';

/** The layer needs steps that come later: its network cannot go on by a token at a time. */
export class LookaheadError extends Error {
  constructor(name: string) {
    super(`"${name}" sees steps that come later`);
  }
}

/** Table (slots, width) of what a layer keeps of texts. */
export function keptOf(graph: Graph, { kept, slotCount }: Continuation, name: string, width: number): Node {
  const table = parameter(graph, `kept.${name}`, [slotCount, width]);
  kept.set(`kept.${name}`, table);
  return table;
}

/** What was kept of each row's text, (rows, width), zeros where it begins; and how to keep what takes its place. */
export function recall(
  { graph, effects }: LayerContext,
  continuation: Continuation,
  name: string,
  width: number,
): { before: Node; keep(value: Node): void } {
  const table = keptOf(graph, continuation, name, width);
  continuation.blank.add(`kept.${name}`);
  return {
    before: reshape(graph, embed(graph, continuation.slots, table), width),
    keep: (value) => void effects.push(storeRows(graph, continuation.slots, value, table)),
  };
}
