import { GemmFlag, type Kernels, type Pointer } from '../abi.ts';
import { activationOf } from './scalar.ts';
import { at, type Views } from './views.ts';

const fround = Math.fround;

/** The sizes every convolution kernel takes, in the order of its arguments. */
const SIZES = [
  'images',
  'height',
  'width',
  'channels',
  'kernelHeight',
  'kernelWidth',
  'strideHeight',
  'strideWidth',
  'dilationHeight',
  'dilationWidth',
  'padTop',
  'padLeft',
  'outHeight',
  'outWidth',
  'filters',
  'groups',
] as const;
type Geometry = Record<(typeof SIZES)[number], number>;

/** Splits a kernel's arguments: sizes, and what is its own. */
function read(args: readonly number[]): { g: Geometry; rest: number[] } {
  const g = Object.fromEntries(SIZES.map((name, i) => [name, args[i]])) as Geometry;
  return { g, rest: args.slice(SIZES.length) };
}

type ConvolutionName = 'conv2d' | 'conv2dInputGrad' | 'conv2dWeightGrad';
type DepthwiseName = 'depthwiseConv2d' | 'depthwiseConv2dInputGrad' | 'depthwiseConv2dWeightGrad';

export function createConvolution({ f32 }: Views): Pick<Kernels, ConvolutionName | DepthwiseName> {
  /** Calls visit(position, k, element of x, first filter that sees it, one behind the last) for every value of every window that lies inside the image. */
  function eachTap(
    g: Geometry,
    x: Pointer,
    visit: (position: number, k: number, element: number, begin: number, end: number) => void,
  ): void {
    const [channels, filters] = [g.channels / g.groups, g.filters / g.groups];
    let position = 0;
    for (let image = 0; image < g.images; image++) {
      for (let oy = 0; oy < g.outHeight; oy++) {
        for (let ox = 0; ox < g.outWidth; ox++, position++) {
          for (let tap = 0; tap < g.kernelHeight * g.kernelWidth; tap++) {
            const iy = oy * g.strideHeight + Math.floor(tap / g.kernelWidth) * g.dilationHeight - g.padTop;
            const ix = ox * g.strideWidth + (tap % g.kernelWidth) * g.dilationWidth - g.padLeft;
            if (iy < 0 || iy >= g.height || ix < 0 || ix >= g.width) continue;
            const pixel = at(x) + ((image * g.height + iy) * g.width + ix) * g.channels;
            for (let c = 0; c < g.channels; c++) {
              const begin = Math.floor(c / channels) * filters;
              visit(position, tap * channels + (c % channels), pixel + c, begin, begin + filters);
            }
          }
        }
      }
    }
  }

  const kernels: Pick<Kernels, ConvolutionName> = {
    conv2d(flags, ...args) {
      const { g, rest } = read(args);
      const { filters } = g;
      const [x, w, y, bias, activation, alpha] = rest as [number, number, number, number, number, number];
      const sums = new Float64Array(g.images * g.outHeight * g.outWidth * filters);
      eachTap(g, x, (position, k, element, begin, end) => {
        for (let f = begin; f < end; f++)
          sums[position * filters + f]! += f32[element]! * f32[at(w) + k * filters + f]!;
      });
      sums.forEach((sum, i) => {
        const shifted = fround(sum) + (flags & GemmFlag.bias ? f32[at(bias) + (i % filters)]! : 0);
        f32[at(y) + i] = activationOf(fround(shifted), activation, alpha);
      });
    },

    conv2dInputGrad(...args) {
      const { g, rest } = read(args);
      const { filters } = g;
      const [dy, w, dx] = rest as [number, number, number];
      f32.fill(0, at(dx), at(dx) + g.images * g.height * g.width * g.channels);
      eachTap(g, dx, (position, k, element, begin, end) => {
        let sum = 0;
        for (let f = begin; f < end; f++) sum += f32[at(dy) + position * filters + f]! * f32[at(w) + k * filters + f]!;
        f32[element]! += fround(sum);
      });
    },

    conv2dWeightGrad(...args) {
      const { g, rest } = read(args);
      const { filters } = g;
      const [x, dy, firstRow, rows, dw] = rest as [number, number, number, number, number];
      const sums = new Float64Array(rows * filters);
      eachTap(g, x, (position, k, element, begin, end) => {
        if (k < firstRow || k >= firstRow + rows) return;
        for (let f = begin; f < end; f++) {
          sums[(k - firstRow) * filters + f]! += f32[element]! * f32[at(dy) + position * filters + f]!;
        }
      });
      f32.set(sums, at(dw));
    },
  };
  return {
    ...kernels,
    depthwiseConv2d: kernels.conv2d,
    depthwiseConv2dInputGrad: kernels.conv2dInputGrad,
    depthwiseConv2dWeightGrad: kernels.conv2dWeightGrad,
  };
}
