import { GemmFlag, RecurrentFlag } from './abi.ts';
import type { KernelCase } from './check-case.ts';

/**
 * Calls of the kernels of recurrent layers and embeddings: both directions, with and without a mask and an initial state. `draw` places
 * that many numbers in [−1, 1), scaled.
 */
export function placeRecurrentCases(
  draw: (count: number, scale: number) => number,
  placeAll: (values: number[]) => number,
): (scratch: number) => KernelCase[] {
  const [rows, steps, width] = [3, 4, 13];
  const padded = (columns: number) => Math.ceil(columns / 16) * 16;
  const forward = draw(width * padded(4 * width), 0.3);
  const backward = draw(4 * width * padded(width), 0.3);
  const states = draw(rows * steps * 6 * width, 1);
  const dh = draw(rows * steps * width, 1);
  const [h0, c0, bias] = [draw(rows * width, 1), draw(rows * width, 1), draw(width, 1)] as const;
  const dz = draw(rows * (steps * 4 + 2) * width, 1);
  const mask = placeAll([1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 0]);
  const ids = placeAll([2, 0, 5, 2, -1, 6, 2, Number.NaN]);
  const table = draw(6 * width, 1);
  const wide = draw(270 * 37, 1);
  const panels = draw(270 * 48, 1);

  return (scratch) => {
    const ways = [
      { flags: 0, m: 0, h: 0, c: 0, b: 0 },
      { flags: 0, m: mask, h: h0, c: c0, b: bias },
      { flags: RecurrentFlag.reverse, m: mask, h: 0, c: 0, b: bias },
      { flags: RecurrentFlag.reverse, m: 0, h: h0, c: c0, b: 0 },
    ];
    return [
      ...ways.flatMap(({ flags, m, h, c, b }): KernelCase[] => {
        const sizes = [flags, rows, steps, width];
        const more = h === 0 ? 0 : 1;
        return [
          { kernel: 'previousSteps', args: [flags, states, 2 * width, h, dh, rows, steps, width], tolerance: 0 },
          { kernel: 'rnnForward', args: [...sizes, forward, states, m, h, scratch], tolerance: 1e-5 },
          {
            kernel: 'rnnBackward',
            args: [...sizes, backward, dh, states, m, dz, (steps + more) * width, scratch],
            tolerance: 1e-5,
          },
          { kernel: 'lstmForward', args: [...sizes, forward, states, m, h, c, scratch], tolerance: 1e-5 },
          {
            kernel: 'lstmBackward',
            args: [...sizes, backward, dh, states, m, c, dz, (steps * 4 + 2 * more) * width, scratch],
            tolerance: 1e-5,
          },
          { kernel: 'gruForward', args: [...sizes, forward, b, states, m, h, scratch], tolerance: 1e-5 },
          {
            kernel: 'gruBackward',
            args: [...sizes, backward, dh, states, m, h, dz, (steps * 4 + more) * width, scratch],
            tolerance: 1e-5,
          },
          {
            kernel: 'rnnTangent',
            args: [...sizes, forward, dz, (steps + more) * width, states, m, dh, scratch],
            tolerance: 1e-5,
          },
          {
            kernel: 'lstmTangent',
            args: [...sizes, forward, dz, (steps * 4 + 2 * more) * width, states, m, c, dh, scratch],
            tolerance: 2e-5,
          },
          {
            kernel: 'gruTangent',
            args: [...sizes, forward, dz, (steps * 4 + more) * width, states, m, h, dh, scratch],
            tolerance: 2e-5,
          },
        ];
      }),
      { kernel: 'packPanels', args: [0, wide, 37, 270, 37, 0, 3, panels], tolerance: 0 },
      {
        kernel: 'gemm',
        args: [
          ...[GemmFlag.packedB | GemmFlag.accumulate, 3, 37, 270, wide, 270, panels, 0, dz, 37],
          ...[0, 0, 0, scratch],
        ],
        tolerance: 8e-6 * Math.sqrt(270),
      },
      { kernel: 'packPanels', args: [GemmFlag.transposeB, wide, 270, 270, 37, 1, 2, panels], tolerance: 0 },
      { kernel: 'embed', args: [ids, table, dz, 8, 6, width], tolerance: 0 },
      { kernel: 'storeRows', args: [ids, states, table, 8, 6, width], tolerance: 0 },
      { kernel: 'embedGrad', args: [ids, states, table, 8, 0, 6, width], tolerance: 0 },
      { kernel: 'embedGrad', args: [ids, states, table, 8, 2, 3, width], tolerance: 0 },
    ];
  };
}
