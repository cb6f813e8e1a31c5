import { FROM_OUTPUT } from '../ops/activations.ts';
import type { Epilogue } from '../ops/matmul.ts';
import { countUses, type Graph, lastDim, type Node } from './graph.ts';
import { rewriteNodes } from './rewrite.ts';

/** Products, and their names once they have an epilogue. */
const WITH_EPILOGUE: Record<string, string> = { matmul: 'linear', conv2d: 'conv2dEpilogue' };
const FUSED = Object.values(WITH_EPILOGUE);

/**
 * Rewrites what `roots` need into fewer, larger operations, and returns the new roots. Nodes that nothing needs any more are simply not
 * reachable from them.
 *
 * - matmul or conv2d + bias [+ activation] → one node, whose bias and activation are the product's epilogue: the output is written once,
 *   while it is still in registers or in the cache. (The gradients of these activations read the output, so nothing else needs the values
 *   between.)
 * - relu behind max pooling, on the way back → one node, which writes the image's gradient once.
 * - an update along a product's weight gradient → one node, which never holds the whole gradient.
 * - affine(1, 0) and reshape to the same dims vanish; affine(0, shift) does not need what it is of.
 */
export function simplify(graph: Graph, roots: readonly Node[]): Node[] {
  const uses = countUses(roots);
  const usedOnce = (node: Node) => uses.get(node) === 1;
  return rewriteNodes(graph, roots, (node, now) => {
    const [first, second] = node.inputs;
    if (node.op === 'affine' && node.attributes.scale === 1 && node.attributes.shift === 0) return now(first!);
    if (node.op === 'affine' && node.attributes.scale === 0)
      return graph.add('constant', [], node.shape, { value: node.attributes.shift });
    if (node.op === 'reshape' && first!.shape.dims.join() === node.shape.dims.join()) return now(first!);
    const product = first === undefined ? undefined : WITH_EPILOGUE[first.op];
    if (node.op === 'addBias' && product !== undefined && usedOnce(first!)) {
      const epilogue: Epilogue = { hasBias: true, activation: 'none', alpha: 0 };
      const [x, w] = first!.inputs as [Node, Node];
      return graph.add(product, [now(x), now(w), now(second!)], node.shape, { ...first!.attributes, ...epilogue });
    }
    if ((FROM_OUTPUT as readonly string[]).includes(node.op) && usedOnce(first!)) {
      const fused = now(first!);
      if (FUSED.includes(fused.op) && fused.attributes.activation === 'none' && lastDim(fused) === lastDim(node)) {
        const alpha = (node.attributes.alpha as number | undefined) ?? 0;
        return graph.add(fused.op, fused.inputs, node.shape, { ...fused.attributes, activation: node.op, alpha });
      }
    }
    if (node.op === 'reluGrad' && first!.op === 'maxPool2dGrad' && usedOnce(first!) && first!.inputs[0] === second)
      return graph.add('maxPool2dGrad', first!.inputs.map(now), node.shape, { ...first!.attributes, rectified: true });
    if (node.op === 'update' && usedOnce(first!) && now(first!).op === 'outerSum') {
      const [, ...changed] = node.inputs;
      return graph.add('outerUpdate', [...now(first!).inputs, ...changed.map(now)], node.shape, node.attributes);
    }
    return null;
  });
}
