import type { Graph, Node } from '../graph/graph.ts';
import { parameter } from '../ops/leaves.ts';

/** A tensor of optimizer state that goes with a parameter and has its shape. */
export interface Slot {
  /** `m`, `v`: the optimizer's name for it */
  name: string;
  parameterName: string;
  node: Node;
}

export interface Update {
  node: Node;
  slots: Slot[];
}

export function slotOf(graph: Graph, optimizerType: string, name: string, parameterName: string, target: Node): Slot {
  const slotName = `optimizer/${optimizerType}/${name}/${parameterName}`;
  return { name, parameterName, node: parameter(graph, slotName, target.shape.dims) };
}
