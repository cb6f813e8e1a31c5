import type { Node } from '../graph/graph.ts';
import { updates } from '../optimizers/optimizer.ts';
import type { Domain } from '../plan/call.ts';
import { activations } from './activations.ts';
import { attentions } from './attention.ts';
import { clippings } from './clipping.ts';
import { concatenations } from './concatenate.ts';
import { convolutions } from './convolution.ts';
import { dropouts } from './dropout.ts';
import { elementwiseOps } from './elementwise.ts';
import { embeddings } from './embedding.ts';
import { leaves } from './leaves.ts';
import { losses } from './losses.ts';
import { masks } from './masks.ts';
import { matmuls } from './matmul.ts';
import { movements } from './movement.ts';
import { normalizations } from './normalization.ts';
import { defaultDomain, type Op } from './op.ts';
import { penalties } from './penalty.ts';
import { poolings } from './pooling.ts';
import { recurrents } from './recurrent.ts';

const ops = new Map<string, Op>(
  [
    ...leaves,
    ...matmuls,
    ...convolutions,
    ...poolings,
    ...movements,
    ...recurrents,
    ...embeddings,
    ...masks,
    ...normalizations,
    ...attentions,
    ...elementwiseOps,
    ...concatenations,
    ...activations,
    ...dropouts,
    ...penalties,
    ...losses,
    ...clippings,
    ...updates,
  ].map((op) => [op.name, op]),
);

export const OP_NAMES: readonly string[] = [...ops.keys()];

export function opOf(node: Node): Op {
  const op = ops.get(node.op);
  if (op === undefined) throw new Error(`unknown operation ${node.op}`);
  return op;
}

export function domainOf(node: Node): Domain {
  return opOf(node).domain?.(node) ?? defaultDomain(node);
}

/** The node whose buffer holds this node's values: itself, or what it is another name for. */
export function bufferOf(node: Node): Node {
  return opOf(node).alias === true ? bufferOf(node.inputs[0]!) : node;
}
