import type { Kernels } from '../abi.ts';
import { at, type Views } from './views.ts';

type PoolingName =
  | 'maxPool2d'
  | 'maxPool2dGrad'
  | 'maxPool2dPick'
  | 'averagePool2d'
  | 'averagePool2dGrad'
  | 'upsample2d'
  | 'upsample2dGrad';

export function createPooling({ f32 }: Views): Pick<Kernels, PoolingName> {
  /** Calls visit(output element, input elements of its window in row-major order); both counted from 0. Sizes in the order of the kernels' arguments. */
  function eachWindow(sizes: number[], visit: (output: number, window: number[]) => void): void {
    const [images, height, width, channels] = sizes as [number, number, number, number];
    const [kernelHeight, kernelWidth, strideHeight, strideWidth] = sizes.slice(4) as [number, number, number, number];
    let output = 0;
    for (let image = 0; image < images; image++) {
      for (let top = 0; top + kernelHeight <= height; top += strideHeight) {
        for (let left = 0; left + kernelWidth <= width; left += strideWidth) {
          for (let c = 0; c < channels; c++) {
            const window = Array.from({ length: kernelHeight * kernelWidth }, (_, i) => {
              const y = top + Math.floor(i / kernelWidth);
              const x = left + (i % kernelWidth);
              return ((image * height + y) * width + x) * channels + c;
            });
            visit(output++, window);
          }
        }
      }
    }
  }
  const clear = (dx: number, [images, height, width, channels]: number[]) =>
    f32.fill(0, at(dx), at(dx) + images! * height! * width! * channels!);

  /** Calls visit(pixel's value of the small image, the same of one of its factor² copies), copies in row-major order. */
  function eachCopy(
    [images, height, width, channels]: [number, number, number, number],
    factor: number,
    visit: (small: number, large: number) => void,
  ): void {
    const across = width * factor;
    for (let large = 0; large < images * height * factor * across * channels; large++) {
      const c = large % channels;
      const x = Math.floor(large / channels) % across;
      const line = Math.floor(large / channels / across);
      visit((Math.floor(line / factor) * width + Math.floor(x / factor)) * channels + c, large);
    }
  }

  /** The element of a window that is its first largest, or the first NaN. */
  function largestOf(x: number, window: number[]): number {
    const values = window.map((i) => f32[at(x) + i]!);
    const most = Math.max(...values);
    return window[values.findIndex((value) => Object.is(value, most) || value === most)]!;
  }

  return {
    maxPool2d(x, y, ...sizes) {
      eachWindow(sizes, (output, window) => {
        f32[at(y) + output] = Math.max(...window.map((i) => f32[at(x) + i]!));
      });
    },
    maxPool2dGrad(x, dy, dx, ...sizes) {
      const rectified = sizes.at(-1);
      clear(dx, sizes);
      eachWindow(sizes, (output, window) => {
        const place = largestOf(x, window);
        if (rectified && f32[at(x) + place]! <= 0) return;
        f32[at(dx) + place]! += f32[at(dy) + output]!;
      });
    },
    maxPool2dPick(x, g, y, ...sizes) {
      eachWindow(sizes, (output, window) => {
        f32[at(y) + output] = f32[at(g) + largestOf(x, window)]!;
      });
    },
    averagePool2d(x, y, ...sizes) {
      eachWindow(sizes, (output, window) => {
        f32[at(y) + output] = window.reduce((sum, i) => sum + f32[at(x) + i]!, 0) / window.length;
      });
    },
    averagePool2dGrad(dy, dx, ...sizes) {
      clear(dx, sizes);
      eachWindow(sizes, (output, window) => {
        for (const i of window) f32[at(dx) + i]! += f32[at(dy) + output]! / window.length;
      });
    },
    upsample2d(x, y, images, height, width, channels, factor) {
      eachCopy([images, height, width, channels], factor, (small, large) => {
        f32[at(y) + large] = f32[at(x) + small]!;
      });
    },
    upsample2dGrad(dy, dx, images, height, width, channels, factor) {
      f32.fill(0, at(dx), at(dx) + images * height * width * channels);
      eachCopy([images, height, width, channels], factor, (small, large) => {
        f32[at(dx) + small]! += f32[at(dy) + large]!;
      });
    },
  };
}
