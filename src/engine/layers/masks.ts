import { type Graph, lastDim, type Node } from '../graph/graph.ts';
import { concatenate } from '../ops/concatenate.ts';
import { multiply, reshape } from '../ops/elementwise.ts';
import { poolMask } from '../ops/masks.ts';
import { pad2d } from '../ops/movement.ts';
import type { LayerContext } from './context.ts';
import type { LayerDescription } from './description.ts';

/**
 * Padding: steps of a sequence that only make it as long as the others. A mask (rows, T) says which they are; an embedding or a masking layer makes it,
 * and it goes from layer to layer with the values. What is padding has no part in what counts:
 *   step by step                    dense, activations, norms of vectors, dropout: nothing to do, and the mask goes on
 *   over steps                      recurrent layers carry their state past it, attention does not see it
 *   over windows                    to a convolution it is zeros, as what lies beyond the ends; in a pooling it is left out
 *   over everything                 left out of global poolings, of the statistics of batch and group norms, of penalties
 *   to other places                 flatten, permute, reshape: what comes out is no sequence of these steps, and has no mask
 */
export function passMask(
  { graph, masks }: LayerContext,
  inputs: readonly Node[],
  layer: LayerDescription,
  output: Node,
): void {
  if (masks.has(output)) return;
  const given = inputs.map((input) => masks.get(input));
  const mask = isMerge(layer) ? allOf(graph, given) : given[0] && maskAfter(graph, given[0], layer, inputs[0]!, output);
  if (mask !== undefined) masks.set(output, mask);
}

const isMerge = ({ type }: LayerDescription) => type === 'add' || type === 'multiply' || type === 'concatenate';

/** A step of several sequences side by side counts where it does in each that has padding. */
function allOf(graph: Graph, given: readonly (Node | undefined)[]): Node | undefined {
  const known = [...new Set(given)].filter((mask) => mask !== undefined);
  return known.length === 0 ? undefined : known.reduce((all, mask) => multiply(graph, all, mask));
}

function maskAfter(graph: Graph, mask: Node, layer: LayerDescription, x: Node, output: Node): Node | undefined {
  const steps = lastDim(mask);
  switch (layer.type) {
    case 'conv1d': {
      // as many places as steps, or those windows that see a step that counts
      const { kernel, stride, dilation, padding } = layer;
      if (padding === 'valid') return poolMask(graph, mask, (kernel - 1) * dilation + 1, stride);
      return stride === 1 ? mask : poolMask(graph, mask, 1, stride);
    }
    case 'max_pool1d':
    case 'average_pool1d':
      return poolMask(graph, mask, layer.size, layer.stride);
    case 'upsample1d': {
      const copies = Array<Node>(layer.factor).fill(reshape(graph, mask, steps, 1));
      return reshape(graph, concatenate(graph, copies), steps * layer.factor);
    }
    case 'zero_padding1d': {
      const padding = { top: 0, bottom: 0, left: layer.before, right: layer.after };
      return reshape(
        graph,
        pad2d(graph, reshape(graph, mask, 1, steps, 1), padding),
        layer.before + steps + layer.after,
      );
    }
    case 'rnn':
    case 'lstm':
    case 'gru':
      return layer.returns === 'sequence' ? mask : undefined;
    case 'reshape':
      return output.shape.dims.join() === x.shape.dims.join() ? mask : undefined;
    case 'global_average_pool1d':
    case 'global_max_pool1d':
    case 'flatten':
    case 'permute':
      return undefined;
    default:
      return mask;
  }
}
