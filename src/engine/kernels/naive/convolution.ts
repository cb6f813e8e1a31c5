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
] as const;
type Geometry = Record<(typeof SIZES)[number], number>;

/** Splits a kernel's arguments: sizes, number of filters, and what is its own. */
function read(args: readonly number[]): { g: Geometry; filters: number; rest: number[] } {
  const g = Object.fromEntries(SIZES.map((name, i) => [name, args[i]])) as Geometry;
  return { g, filters: args[SIZES.length]!, rest: args.slice(SIZES.length + 1) };
}

export function createConvolution({ f32 }: Views): Pick<Kernels, 'conv2d' | 'conv2dInputGrad' | 'conv2dWeightGrad'> {
  /** Calls visit(position, k, element of x) for every value of every window that lies inside the image. */
  function eachTap(g: Geometry, x: Pointer, visit: (position: number, k: number, element: number) => void): void {
    let position = 0;
    for (let image = 0; image < g.images; image++) {
      for (let oy = 0; oy < g.outHeight; oy++) {
        for (let ox = 0; ox < g.outWidth; ox++, position++) {
          let k = 0;
          for (let ky = 0; ky < g.kernelHeight; ky++) {
            for (let kx = 0; kx < g.kernelWidth; kx++) {
              const iy = oy * g.strideHeight + ky * g.dilationHeight - g.padTop;
              const ix = ox * g.strideWidth + kx * g.dilationWidth - g.padLeft;
              const inside = iy >= 0 && iy < g.height && ix >= 0 && ix < g.width;
              const pixel = at(x) + ((image * g.height + iy) * g.width + ix) * g.channels;
              for (let c = 0; c < g.channels; c++, k++) if (inside) visit(position, k, pixel + c);
            }
          }
        }
      }
    }
  }

  return {
    conv2d(flags, ...args) {
      const { g, filters, rest } = read(args);
      const [x, w, y, bias, activation, alpha] = rest as [number, number, number, number, number, number];
      const sums = new Float64Array(g.images * g.outHeight * g.outWidth * filters);
      eachTap(g, x, (position, k, element) => {
        for (let f = 0; f < filters; f++)
          sums[position * filters + f]! += f32[element]! * f32[at(w) + k * filters + f]!;
      });
      sums.forEach((sum, i) => {
        const shifted = fround(sum) + (flags & GemmFlag.bias ? f32[at(bias) + (i % filters)]! : 0);
        f32[at(y) + i] = activationOf(fround(shifted), activation, alpha);
      });
    },

    conv2dInputGrad(...args) {
      const { g, filters, rest } = read(args);
      const [dy, w, dx] = rest as [number, number, number];
      f32.fill(0, at(dx), at(dx) + g.images * g.height * g.width * g.channels);
      eachTap(g, dx, (position, k, element) => {
        let sum = 0;
        for (let f = 0; f < filters; f++) sum += f32[at(dy) + position * filters + f]! * f32[at(w) + k * filters + f]!;
        f32[element]! += fround(sum);
      });
    },

    conv2dWeightGrad(...args) {
      const { g, filters, rest } = read(args);
      const [x, dy, firstRow, rows, dw] = rest as [number, number, number, number, number];
      const sums = new Float64Array(rows * filters);
      eachTap(g, x, (position, k, element) => {
        if (k < firstRow || k >= firstRow + rows) return;
        for (let f = 0; f < filters; f++) {
          sums[(k - firstRow) * filters + f]! += f32[element]! * f32[at(dy) + position * filters + f]!;
        }
      });
      f32.set(sums, at(dw));
    },
  };
}
