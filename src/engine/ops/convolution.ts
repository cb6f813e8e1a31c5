import { batched, elementsOf, firstDim, fixed, type Graph, lastDim, type Node } from '../graph/graph.ts';
import { Activation, GemmFlag, type KernelName, WINDOWS_MAX_FLOATS } from '../kernels/abi.ts';
import { type Argument, at, whole } from '../plan/call.ts';
import type { Epilogue } from './matmul.ts';
import type { Op } from './op.ts';

/**
 * Two-dimensional convolution over images (height, width, channels). The weights are a matrix (kernelHeight·kernelWidth·channels, filters),
 * the rows in the order (ky, kx, c). With groups, each run of filters / groups filters sees the run of channels / groups channels at the same
 * place, and c counts within it. Three forms, closed under differentiation, as those of a matrix product are:
 *   conv2d             y  = windows(x) · w              forward; shared out by images
 *   conv2dInputGrad    dx = windowsᵀ(dy · wᵀ)           gradient to the input; shared out by images
 *   conv2dWeightGrad   dw = Σ over positions of windows(x)ᵀ · dy   gradient to the weights; shared out by rows of dw
 */
export interface ConvolutionWindow {
  kernel: Sides;
  /** distance between two windows */
  stride: Sides;
  /** distance between two taps of the kernel; 1: neighbours */
  dilation: Sides;
  /**
   * valid: windows lie inside the image; same: zeros around it, so that the output has ⌈size / stride⌉ places; causal: as many places, all
   * zeros before the first, so that a window ends where it stands
   */
  padding: 'valid' | 'same' | 'causal';
}

/** [height, width] */
export type Sides = readonly [number, number];

/** All sizes of one convolution: image, window, output. */
interface Geometry extends Omit<ConvolutionWindow, 'padding'> {
  height: number;
  width: number;
  channels: number;
  /** zeros above and to the left */
  before: Sides;
  /** height and width of the output */
  places: Sides;
  groups: number;
}

/** Places along one side of the output, and zeros before the first of the input (TensorFlow's and ONNX's SAME_UPPER: the odd one comes last). */
function extentOf(window: ConvolutionWindow, side: 0 | 1, size: number): { places: number; before: number } {
  const stride = window.stride[side];
  const reach = (window.kernel[side] - 1) * window.dilation[side] + 1;
  if (window.padding === 'valid') return { places: Math.floor((size - reach) / stride) + 1, before: 0 };
  const places = Math.ceil(size / stride);
  if (window.padding === 'causal') return { places, before: reach - 1 };
  return { places, before: Math.floor(Math.max(0, (places - 1) * stride + reach - size) / 2) };
}

/** y (rows, outHeight, outWidth, filters) = x (rows, height, width, channels) convolved with w (kernelHeight·kernelWidth·channels/groups, filters) */
export function conv2d(graph: Graph, x: Node, w: Node, window: ConvolutionWindow, groups = 1): Node {
  const [height, width, channels] = x.shape.dims as [number, number, number];
  if (channels % groups !== 0 || lastDim(w) % groups !== 0)
    throw new Error(`conv2d: ${channels} channels and ${lastDim(w)} filters do not make ${groups} groups`);
  if (x.shape.dims.length !== 3) throw new Error(`conv2d takes (height, width, channels), not (${x.shape.dims})`);
  return convolve(graph, x, w, layOut(window, [height, width, channels], groups, w));
}

/**
 * y (rows, height, width, filters) = what conv2dInputGrad makes of x (rows, outHeight, outWidth, channels) and w (kernelHeight·kernelWidth·filters,
 * channels), for a convolution that has x's size as its output: "transposed" (Zeiler et al. 2010). A side of n places becomes
 * (n − 1)·stride + (kernel − 1)·dilation + 1 with valid padding, to which `more` is added, and n·stride with same. With groups w is
 * (kernelHeight·kernelWidth·filters/groups, channels): each run of channels / groups channels makes a run of filters / groups filters.
 */
export function conv2dTranspose(
  graph: Graph,
  x: Node,
  w: Node,
  window: ConvolutionWindow,
  groups = 1,
  more: Sides = [0, 0],
): Node {
  const { kernel, stride, dilation, padding } = window;
  const sizeOf = (places: number, side: 0 | 1) =>
    padding === 'valid'
      ? (places - 1) * stride[side] + (kernel[side] - 1) * dilation[side] + 1 + more[side]
      : places * stride[side];
  const [outHeight, outWidth, channels] = x.shape.dims as [number, number, number];
  if (x.shape.dims.length !== 3) throw new Error(`conv2dTranspose takes images, not (${x.shape.dims})`);
  if (lastDim(w) !== channels) throw new Error(`conv2dTranspose: weights for ${lastDim(w)} channels, not ${channels}`);
  const filters = (firstDim(w) / (kernel[0] * kernel[1])) * groups;
  if (channels % groups !== 0) throw new Error(`conv2dTranspose: ${channels} channels do not make ${groups} groups`);
  const image = [sizeOf(outHeight, 0), sizeOf(outWidth, 1), filters] as const;
  return inputGradient(graph, x, w, layOut(window, image, groups, w));
}

/** Where the windows lie in an image. */
function layOut(
  window: ConvolutionWindow,
  [height, width, channels]: readonly [number, number, number],
  groups: number,
  w: Node,
): Geometry {
  const { kernel, stride, dilation } = window;
  const windowSize = (kernel[0] * kernel[1] * channels) / groups;
  if (firstDim(w) !== windowSize) throw new Error(`conv2d: ${firstDim(w)} weights for windows of ${windowSize}`);
  if (windowSize > WINDOWS_MAX_FLOATS)
    throw new Error(`conv2d: a window has ${windowSize} values, at most ${WINDOWS_MAX_FLOATS}`);
  const down = extentOf(window, 0, height);
  const across = extentOf(window, 1, width);
  if (down.places < 1 || across.places < 1)
    throw new Error(`conv2d: the window reaches beyond an image of ${height} × ${width}`);
  return {
    ...{ height, width, channels, kernel, stride, dilation },
    ...{ before: [down.before, across.before], places: [down.places, across.places], groups },
  };
}

const geometryOf = (node: Node) => node.attributes.geometry as Geometry;

function convolve(graph: Graph, x: Node, w: Node, geometry: Geometry): Node {
  return graph.add('conv2d', [x, w], batched(...geometry.places, lastDim(w)), { geometry });
}

function inputGradient(graph: Graph, dy: Node, w: Node, geometry: Geometry): Node {
  const { height, width, channels } = geometry;
  return graph.add('conv2dInputGrad', [dy, w], batched(height, width, channels), { geometry });
}

function weightGradient(graph: Graph, x: Node, dy: Node, geometry: Geometry): Node {
  const { kernel, channels, groups } = geometry;
  const shape = fixed((kernel[0] * kernel[1] * channels) / groups, lastDim(dy));
  return graph.add('conv2dWeightGrad', [x, dy], shape, { geometry });
}

function sizes(g: Geometry, filters: number): Argument[] {
  const window = [...g.kernel, ...g.stride, ...g.dilation, ...g.before];
  return [g.height, g.width, g.channels, ...window, ...g.places, filters, g.groups];
}

type Form = 'conv2d' | 'conv2dInputGrad' | 'conv2dWeightGrad';

/**
 * A product of matrices for each group has too few columns to be worth it where a group is one channel with a few filters: those have kernels
 * of their own. From 16 filters to a channel, products are as fast.
 */
function kernelOf(form: Form, { channels, groups }: Geometry, filters: number) {
  const isDepthwise = groups > 1 && groups === channels && filters < 16 * channels;
  return isDepthwise ? (form.replace('conv2d', 'depthwiseConv2d') as KernelName) : form;
}

function lowerForward(node: Node) {
  const [x, w, bias] = node.inputs as [Node, Node, Node | undefined];
  const { hasBias, activation = 'none', alpha = 0 } = node.attributes as Partial<Epilogue>;
  const args: Argument[] = [
    hasBias ? GemmFlag.bias : 0,
    { units: 1 },
    ...sizes(geometryOf(node), lastDim(node)),
    at(x, elementsOf(x)),
    whole(w),
    at(node, elementsOf(node)),
    bias === undefined ? 0 : whole(bias),
    Activation[activation],
    alpha,
    { own: 'scratch' },
  ];
  return [{ kernel: kernelOf('conv2d', geometryOf(node), lastDim(node)), args }];
}

/** Multiply-adds of one image, twice. */
function flops(node: Node): number {
  const { kernel, channels, places, groups } = geometryOf(node);
  const filters = node.op === 'conv2dInputGrad' ? lastDim(node.inputs[0]!) : lastDim(node);
  return (2 * kernel[0] * kernel[1] * channels * filters * places[0] * places[1]) / groups;
}

/** Each share of images packs the weights. */
const packs = (node: Node) => elementsOf(node.inputs[1]!);

export const convolutions: Op[] = [
  {
    name: 'conv2d',
    flops,
    packs,
    gradient(graph, node, dy) {
      const [x, w] = node.inputs as [Node, Node];
      const geometry = geometryOf(node);
      return [inputGradient(graph, dy, w, geometry), weightGradient(graph, x, dy, geometry)];
    },
    lower: lowerForward,
  },
  // conv2d with its bias and activation in the product's epilogue, made by the simplifier
  { name: 'conv2dEpilogue', flops, packs, lower: lowerForward },
  {
    name: 'conv2dInputGrad',
    flops,
    packs,
    gradient(graph, node, g) {
      const [dy, w] = node.inputs as [Node, Node];
      const geometry = geometryOf(node);
      return [convolve(graph, g, w, geometry), weightGradient(graph, g, dy, geometry)];
    },
    lower(node) {
      const [dy, w] = node.inputs as [Node, Node];
      return [
        {
          kernel: kernelOf('conv2dInputGrad', geometryOf(node), lastDim(dy)),
          args: [
            { units: 1 },
            ...sizes(geometryOf(node), lastDim(dy)),
            at(dy, elementsOf(dy)),
            whole(w),
            at(node, elementsOf(node)),
            { own: 'scratch' },
          ],
        },
      ];
    },
  },
  {
    name: 'conv2dWeightGrad',
    sumsRows: true,
    flops,
    packs: (node, rows) => rows * elementsOf(node.inputs[1]!),
    gradient(graph, node, g) {
      const [x, dy] = node.inputs as [Node, Node];
      const geometry = geometryOf(node);
      return [inputGradient(graph, dy, g, geometry), convolve(graph, x, g, geometry)];
    },
    lower(node) {
      const [x, dy] = node.inputs as [Node, Node];
      return [
        {
          kernel: kernelOf('conv2dWeightGrad', geometryOf(node), lastDim(dy)),
          args: [
            { rows: 1 },
            ...sizes(geometryOf(node), lastDim(dy)),
            whole(x),
            whole(dy),
            { start: 1 },
            { units: 1 },
            at(node, lastDim(node)),
            { own: 'scratch' },
          ],
        },
      ];
    },
  },
];
