import type { Node } from '../graph/graph.ts';
import { matmul } from '../ops/matmul.ts';
import { permute } from '../ops/movement.ts';
import type { LayerContext } from './context.ts';

/**
 * Bilinear interpolation, centres of pixels kept in place (PyTorch's align_corners=False): x (rows, height, width, channels) to
 * `factor` times each side. It is linear along each side by itself, so it is two products with weights that follow from the sizes alone.
 */
export function interpolate2d({ graph, parameters }: LayerContext, x: Node, name: string, factor: number): Node {
  const [height, width] = x.shape.dims as [number, number, number];
  const along = (side: string, size: number) =>
    parameters.constant(`${name}.${side}`, interpolationWeights(size, factor), [size, size * factor]);
  // (channels, width, height) · (height, height·factor), then (channels, height·factor, width) · (width, width·factor)
  const taller = matmul(graph, permute(graph, x, [2, 1, 0]), along('down', height));
  const wider = matmul(graph, permute(graph, taller, [0, 2, 1]), along('across', width));
  return permute(graph, wider, [1, 2, 0]);
}

/** (size, size·factor): what each pixel gives to each of the larger line's; beyond the edges it goes on as it ends. */
export function interpolationWeights(size: number, factor: number): Float32Array {
  const larger = size * factor;
  const weights = new Float32Array(size * larger);
  for (let i = 0; i < larger; i++) {
    const place = Math.max(0, (i + 0.5) / factor - 0.5);
    const first = Math.min(size - 1, Math.floor(place));
    const share = place - first;
    weights[first * larger + i]! += 1 - share;
    weights[Math.min(size - 1, first + 1) * larger + i]! += share;
  }
  return weights;
}
