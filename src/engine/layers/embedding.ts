import { elementsOf, firstDim, lastDim, type Node } from '../graph/graph.ts';
import type { InitializerDescription } from '../initializers.ts';
import { add, addBias, reshape } from '../ops/elementwise.ts';
import { embed } from '../ops/embedding.ts';
import { atLeast } from '../ops/masks.ts';
import type { LayerContext } from './context.ts';

export type EmbeddingDescription =
  | {
      type: 'embedding';
      name: string;
      /** rows of the table */
      vocabulary: number;
      units: number;
      init: InitializerDescription;
      /** whether index 0 is padding, which layers over sequences pass over */
      padding: boolean;
    }
  | { type: 'position_embedding'; name: string; kind: 'learned' | 'sinusoidal'; init: InitializerDescription };

/** y (rows, T, units) = table[x (rows, T)] */
function tokens(
  { graph, parameters, masks }: LayerContext,
  x: Node,
  { name, vocabulary, units, init, padding }: EmbeddingDescription & { type: 'embedding' },
): Node {
  const fan = { fanIn: vocabulary, fanOut: units };
  const y = embed(graph, x, parameters.get(`${name}.weight`, [vocabulary, units], init, fan));
  if (padding) masks.set(y, atLeast(graph, x, 1));
  return y;
}

/** y (rows, T, C) = x (rows, T, C) + p (T, C); of texts that go on, + p at their places */
function positions(
  { graph, parameters, continuation }: LayerContext,
  x: Node,
  layer: EmbeddingDescription & { type: 'position_embedding' },
): Node {
  const width = lastDim(x);
  const steps = continuation?.context ?? firstDim(x);
  const size = elementsOf(x);
  const fan = { fanIn: steps, fanOut: width };
  const table =
    layer.kind === 'learned'
      ? parameters.get(`${layer.name}.weight`, [steps, width], layer.init, fan)
      : parameters.constant(`${layer.name}.table`, sinusoids(steps, width), [steps, width]);
  if (continuation !== null) return add(graph, x, embed(graph, continuation.positions, table));
  const sum = addBias(graph, reshape(graph, x, size), reshape(graph, table, size));
  return reshape(graph, sum, ...x.shape.dims);
}

/** (steps, width): sine and cosine side by side, wavelengths from 2π to 10,000·2π (Vaswani et al. 2017) */
export function sinusoids(steps: number, width: number): Float32Array {
  return Float32Array.from({ length: steps * width }, (_, i) => {
    const position = Math.floor(i / width);
    const column = i % width;
    const angle = position / 10_000 ** ((column - (column % 2)) / width);
    return column % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
  });
}

export function embedding(context: LayerContext, x: Node, layer: EmbeddingDescription): Node {
  return layer.type === 'embedding' ? tokens(context, x, layer) : positions(context, x, layer);
}
