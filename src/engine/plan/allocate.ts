import { elementsOf, firstDim, type Node } from '../graph/graph.ts';
import { bufferOf, domainOf, opOf } from '../ops/registry.ts';
import { sameDomain } from './call.ts';
import { align } from './layout.ts';
import type { Scheduled } from './schedule.ts';

/**
 * Gives every value of a program its place in the arena, so that values that are never alive together share memory.
 *
 * Threads reach a point of a stage at different times, so "not alive together" is not enough within a stage: there, two values may share
 * memory only if they lie in it in the same way (same domain, same bytes per unit) at the same offset, and nobody who is shared out otherwise
 * still reads the earlier one: then a thread overwrites only what it has itself finished with. Across a barrier any overlap is fine.
 *
 * Placement is greedy by size: the largest first, each at the lowest offset that suits (Pisarchyk & Lee 2020, "Efficient memory
 * management for deep neural net inference").
 */
interface Buffer {
  node: Node;
  bytes: number;
  /** positions of the first write and the last use; an in-place user's write comes after its reads */
  start: number;
  end: number;
  startStage: number;
  endStage: number;
  /** last stage in which a thread may read what another one has written */
  sharedStage: number;
  /** how the bytes are shared out: equal strings, same layout */
  layout: string;
  offset: number;
}

export interface Arena {
  offsets: Map<Node, number>;
  bytes: number;
}

function layoutOf(node: Node): string {
  const domain = domainOf(node);
  const unit = node.shape.batched ? elementsOf(node) : elementsOf(node) / firstDim(node);
  return domain.kind === 'units' ? `${domain.size} ${domain.of} × ${unit}` : `${domain.kind} × ${unit}`;
}

function findLifetimes(scheduled: readonly Scheduled[], kept: ReadonlySet<Node>, maxRows: number): Buffer[] {
  const buffers = new Map<Node, Buffer>();
  const last = scheduled.length * 2 + 2;
  const lastStage = (scheduled.at(-1)?.stage ?? 0) + 1;
  scheduled.forEach(({ node, stage }, index) => {
    const op = opOf(node);
    if (op.alias !== true && (op.writes === undefined || op.makesValue === true)) {
      const bytes = align(elementsOf(node) * 4 * (node.shape.batched ? maxRows : 1));
      const position = index * 2 + 1;
      buffers.set(node, {
        node,
        bytes,
        start: position,
        end: position,
        startStage: stage,
        endStage: stage,
        sharedStage: -1,
        layout: layoutOf(node),
        offset: -1,
      });
    }
    for (const input of node.inputs) {
      const buffer = buffers.get(bufferOf(input));
      if (buffer === undefined || buffer.node === node) continue;
      buffer.end = Math.max(buffer.end, index * 2 + (op.inPlace === true ? 0 : 1));
      buffer.endStage = Math.max(buffer.endStage, stage);
      if (!sameDomain(domainOf(node), domainOf(buffer.node))) buffer.sharedStage = Math.max(buffer.sharedStage, stage);
    }
  });
  for (const node of kept) {
    const buffer = buffers.get(bufferOf(node));
    if (buffer !== undefined) Object.assign(buffer, { end: last, endStage: lastStage });
  }
  return [...buffers.values()];
}

/** 'free': may overlap anyhow; 'same': only at the same offset; 'apart': not at all. */
function relation(a: Buffer, b: Buffer): 'free' | 'same' | 'apart' {
  const [earlier, later] = a.start <= b.start ? [a, b] : [b, a];
  if (earlier.end >= later.start) return 'apart';
  if (earlier.endStage < later.startStage) return 'free';
  return a.layout === b.layout && earlier.sharedStage < later.startStage ? 'same' : 'apart';
}

/** `kept` are nodes that must hold their values when the program has ended. */
export function allocate(scheduled: readonly Scheduled[], kept: ReadonlySet<Node>, maxRows: number): Arena {
  const buffers = findLifetimes(scheduled, kept, maxRows).sort((a, b) => b.bytes - a.bytes || a.start - b.start);
  const placed: Buffer[] = [];
  let bytes = 0;
  for (const buffer of buffers) {
    const others = placed
      .map((other) => ({ other, relation: relation(buffer, other) }))
      .filter((o) => o.relation !== 'free');
    const fits = (offset: number) =>
      others.every(({ other, relation: r }) => {
        const overlaps = offset < other.offset + other.bytes && other.offset < offset + buffer.bytes;
        return !overlaps || (r === 'same' && offset === other.offset);
      });
    const candidates = [0, ...others.map((o) => o.other.offset), ...others.map((o) => o.other.offset + o.other.bytes)];
    buffer.offset = Math.min(...candidates.filter(fits));
    placed.push(buffer);
    bytes = Math.max(bytes, buffer.offset + buffer.bytes);
  }
  return { offsets: new Map(placed.map((b) => [b.node, b.offset])), bytes };
}
