import { batched, elementsOf, type Graph, type Node } from '../graph/graph.ts';
import { PairLoss } from '../kernels/abi.ts';
import { type Argument, whole } from '../plan/call.ts';
import type { Op } from './op.ts';

/**
 * Losses of embeddings (rows, C) by which rows of the batch have the same label: pairs and triples are made of the batch itself, as Hermans et al. 2017
 * and most libraries for metric learning do, so that a dataset needs no more than a column of labels and a batch of B rows gives some B² pairs or
 * B³ triples of B embeddings. Each row is an anchor once; a batch taken in parts (accumulated) makes pairs within each part.
 *
 * One thread computes the whole, behind a barrier: every row's loss looks at every embedding, and the gradient of a row gathers what all anchors
 * pull at it, in the order of the anchors. So the bits cannot depend on the number of threads, and beside the network below it is little work: for
 * 128 rows of 64 numbers a million multiplications each way.
 */
export type PairLossDescription =
  | { type: 'contrastive'; margin: number }
  | { type: 'triplet'; margin: number; mining: 'all' | 'hard' };

/** Most rows of a batch: the work grows with their square, of all triplets with their cube. */
export const MAX_PAIR_ROWS = 1024;

export function rowLossOfPairs(graph: Graph, embeddings: Node, labels: Node, loss: PairLossDescription): Node {
  if (elementsOf(labels) !== 1) throw new Error(`${loss.type}: one label a row, not ${elementsOf(labels)}`);
  const code =
    loss.type === 'contrastive'
      ? PairLoss.contrastive
      : loss.mining === 'all'
        ? PairLoss.tripletAll
        : PairLoss.tripletHard;
  return graph.add('pairLoss', [embeddings, labels], batched(), { code, margin: loss.margin });
}

const single = () => ({ kind: 'single' }) as const;

/** Sizes and constants behind the buffers. */
const tail = (embeddings: Node, node: Node): Argument[] => [
  { rows: 1 },
  elementsOf(embeddings),
  node.attributes.margin as number,
  { own: 'scratch' },
];

export const pairLosses: Op[] = [
  {
    name: 'pairLoss',
    domain: single,
    gradient(graph, node, dy) {
      const [embeddings, labels] = node.inputs as [Node, Node];
      return [graph.add('pairLossGrad', [embeddings, labels, dy], embeddings.shape, node.attributes), null];
    },
    lower(node) {
      const [embeddings, labels] = node.inputs as [Node, Node];
      const buffers = [node.attributes.code as number, whole(embeddings), whole(labels), whole(node)];
      return [{ kernel: 'pairLoss', args: [...buffers, ...tail(embeddings, node)] }];
    },
  },
  {
    name: 'pairLossGrad',
    domain: single,
    lower(node) {
      const [embeddings, labels, dloss] = node.inputs as [Node, Node, Node];
      const buffers = [node.attributes.code as number, whole(embeddings), whole(labels), whole(dloss), whole(node)];
      return [{ kernel: 'pairLossGrad', args: [...buffers, ...tail(embeddings, node)] }];
    },
  },
];
