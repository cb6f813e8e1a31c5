import { type Node, reachable } from '../graph/graph.ts';
import { bufferOf, domainOf, opOf } from '../ops/registry.ts';
import { sameDomain } from './call.ts';

/**
 * Puts the nodes that `roots` need into stages. Within a stage every thread works on its own share of each node, without waiting for the
 * others; between two stages stands a barrier.
 *
 * A node may stand in the same stage as a value it reads when both are shared out along the same domain: then the thread reads only what it
 * has written itself. Otherwise it comes at least one stage later. A node that changes its input in place (an optimizer's update) also
 * comes a stage later than every reader of that input that is shared out otherwise (but for those that wait for the change, and have it as an
 * input), and after the stage that makes `guard`: when that is not finite, nothing is changed.
 */
export interface Scheduled {
  node: Node;
  stage: number;
}

export function schedule(roots: readonly Node[], guard?: Node): Scheduled[] {
  const order = reachable(roots);
  const stages = new Map<Node, number>();
  const readers = new Map<Node, Node[]>();

  for (const node of order) {
    if (opOf(node).persistent === true) continue;
    for (const input of node.inputs) {
      const buffer = bufferOf(input);
      readers.set(buffer, [...(readers.get(buffer) ?? []), node]);
    }
  }

  for (const node of order) {
    const op = opOf(node);
    if (op.persistent === true) continue;
    const domain = domainOf(node);
    let stage = 0;
    for (const input of node.inputs) {
      const made = stages.get(input);
      if (made !== undefined) stage = Math.max(stage, made + (sameDomain(domainOf(input), domain) ? 0 : 1));
    }
    const writes = op.writes?.(node) ?? [];
    if (writes.length > 0 && guard !== undefined) {
      const guarded = stages.get(guard);
      if (guarded === undefined)
        throw new Error('an update stands before the guard: list the guard first among the roots');
      stage = Math.max(stage, guarded + 1);
    }
    for (const index of writes) {
      for (const reader of readers.get(bufferOf(node.inputs[index]!)) ?? []) {
        if (reader === node || reader.inputs.includes(node)) continue;
        const read = stages.get(reader);
        if (read === undefined)
          throw new Error('an update stands before a reader of what it changes: list updates last among the roots');
        stage = Math.max(stage, read + (sameDomain(domainOf(reader), domain) ? 0 : 1));
      }
    }
    stages.set(node, stage);
  }

  // A stable sort keeps, within a stage, the walk's order: each gradient directly before its update, while it is still in the cache.
  return [...stages].map(([node, stage]) => ({ node, stage })).sort((a, b) => a.stage - b.stage);
}
