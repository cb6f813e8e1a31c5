import { firstDim, type Graph, lastDim, type Node } from '../graph/graph.ts';
import { scaleSteps } from '../ops/dropout.ts';
import { reshape } from '../ops/elementwise.ts';
import { keepSteps, poolMask, reciprocal } from '../ops/masks.ts';
import { averagePool2d, maxPool2d, type PoolingWindow, wholeImage } from '../ops/pooling.ts';
import type { LayerContext } from './context.ts';

export type PoolingDescription =
  | ({ type: 'max_pool2d' | 'average_pool2d'; name: string } & PoolingWindow)
  | { type: 'max_pool1d' | 'average_pool1d'; name: string; size: number; stride: number }
  | { type: `global_${'max' | 'average'}_pool${'1d' | '2d'}`; name: string };

/** x (rows, height, width, channels), or (rows, length, channels) */
export function pool(context: LayerContext, x: Node, layer: PoolingDescription): Node {
  const { graph } = context;
  switch (layer.type) {
    case 'max_pool2d':
      return maxPool2d(graph, x, layer);
    case 'average_pool2d':
      return averagePool2d(graph, x, layer);
    case 'max_pool1d':
      return maxPool1d(context, x, layer);
    case 'average_pool1d':
      return averagePool1d(context, x, layer);
    case 'global_average_pool1d':
      return reshape(graph, averagePool1d(context, x, { size: firstDim(x), stride: 1 }), lastDim(x));
    case 'global_max_pool1d':
      return reshape(graph, maxPool1d(context, x, { size: firstDim(x), stride: 1 }), lastDim(x));
    case 'global_average_pool2d':
      return reshape(graph, averagePool2d(graph, x, wholeImage(x)), lastDim(x));
    case 'global_max_pool2d':
      return reshape(graph, maxPool2d(graph, x, wholeImage(x)), lastDim(x));
  }
}

/** A window over steps. */
interface Span {
  size: number;
  stride: number;
}

/** Where padding stands, so that it is never the largest: the least number there is, which is finite. */
const LEAST = -(2 - 2 ** -23) * 2 ** 127;

/** Windows in which all is padding give 0. */
function maxPool1d({ graph, masks }: LayerContext, x: Node, span: Span): Node {
  const mask = masks.get(x);
  if (mask === undefined) return asLine(graph, x, (line) => maxPool2d(graph, line, along(span)));
  const most = asLine(graph, keepSteps(graph, x, mask, LEAST), (line) => maxPool2d(graph, line, along(span)));
  return keepSteps(graph, most, poolMask(graph, mask, span.size, span.stride));
}

/** With padding: the mean over the window of what counts, by the share of the window that counts. */
function averagePool1d({ graph, masks }: LayerContext, x: Node, span: Span): Node {
  const mean = (sequence: Node) => asLine(graph, sequence, (line) => averagePool2d(graph, line, along(span)));
  const mask = masks.get(x);
  if (mask === undefined) return mean(x);
  const shares = mean(reshape(graph, mask, ...mask.shape.dims, 1));
  return scaleSteps(
    graph,
    mean(keepSteps(graph, x, mask)),
    reciprocal(graph, reshape(graph, shares, firstDim(shares))),
  );
}

function along({ size, stride }: Span): PoolingWindow {
  return { size: [1, size], stride: [1, stride] };
}

/** A sequence is an image of one line. */
function asLine(graph: Graph, x: Node, change: (line: Node) => Node): Node {
  const y = change(reshape(graph, x, 1, ...x.shape.dims));
  return reshape(graph, y, ...y.shape.dims.slice(1));
}
