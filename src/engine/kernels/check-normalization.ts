import type { KernelCase } from './check-case.ts';

/** Calls of the kernels of normalisations and attention. `draw` places that many numbers in [−1, 1), scaled. */
export function placeNormalizationCases(
  draw: (count: number, scale: number) => number,
  placeAll: (values: number[]) => number,
  step: number,
): (scratch: number) => KernelCase[] {
  const [vectors, cols] = [7, 19];
  const [rows, places, channels] = [2, 5, 18];
  const count = Math.max(vectors * cols, rows * places * channels);
  const [x, dy, y] = [draw(count, 2), draw(count, 1), draw(count, 1)] as const;
  const [scale, bias] = [draw(cols, 1), draw(cols, 1)] as const;
  const moments = draw(rows * 2 * channels, 1);
  const deviations = placeAll(Array.from({ length: channels }, (_, j) => 0.5 + (j % 5) / 7));
  const [mean, variance] = [
    draw(channels, 1),
    placeAll(Array.from({ length: channels }, (_, j) => 0.3 + j / 9)),
  ] as const;

  const [queries, keys, heads, keyHeads, depth] = [3, 5, 4, 2, 6];
  const [ldq, ldk] = [heads * depth, 2 * keyHeads * depth];
  const q = draw(rows * queries * ldq, 1);
  const kv = draw(rows * keys * ldk, 1);
  const dq = draw(rows * queries * ldq, 1);
  const dkv = draw(rows * keys * ldk, 1);
  const out = draw(rows * queries * heads * depth, 1);
  // the second row is padding alone
  const mask = placeAll([1, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
  const counted = placeAll([3]);
  const table = draw(queries * depth, 1);
  const goingOn = draw(rows * queries * (ldq + ldk), 1);
  const cache = draw(3 * keys * ldk, 1);
  const kept = draw(3 * keys, 1);
  const slots = placeAll([2, 0]);
  const positions = placeAll([1, 2, 3, 0, 1, 2]);

  return (scratch) => {
    const all = [rows, places, channels];
    const byVector = [1, 0].flatMap((centered): KernelCase[] => [
      { kernel: 'vectorMoments', args: [centered, x, moments, vectors, cols, 1e-5], tolerance: 2e-6 },
      {
        kernel: 'vectorNormGrad',
        args: [centered, dy, x, moments, centered ? scale : 0, y, vectors, cols],
        tolerance: 1e-5,
      },
    ]);
    const ways = [
      [0, 0],
      [1, 0],
      [0, mask],
      [1, mask],
    ] as const;
    const attention = ways.flatMap(([causal, m]): KernelCase[] => {
      const sizes = [causal, rows, queries, keys, heads, keyHeads, depth];
      const v = kv + keyHeads * depth * 4;
      return [
        { kernel: 'attention', args: [...sizes, q, ldq, kv, v, ldk, m, out, scratch], tolerance: 1e-5 },
        {
          kernel: 'attentionGrad',
          args: [
            ...[...sizes, out, q, ldq, kv, v, ldk, m, dq, dkv, dkv + keyHeads * depth * 4],
            ...[queries * ldq * 4, keys * ldk * 4, scratch],
          ],
          tolerance: 1e-5,
        },
        {
          kernel: 'attentionTangent',
          args: [
            ...[...sizes, dq, dkv, dkv + keyHeads * depth * 4, queries * ldq * 4, keys * ldk * 4],
            ...[q, ldq, kv, v, ldk, m, out, scratch],
          ],
          tolerance: 1e-5,
        },
      ];
    });
    const cached = [0, mask].map((m): KernelCase => {
      const sizes = [rows, queries, heads, keyHeads, depth];
      const rest = [slots, positions, cache, keys, m, m === 0 ? 0 : kept, out, scratch];
      return { kernel: 'cachedAttention', args: [...sizes, goingOn, ...rest], tolerance: 1e-5 };
    });
    return [
      ...byVector,
      { kernel: 'vectorNorm', args: [x, moments, scale, bias, y, vectors, cols], tolerance: 2e-6 },
      { kernel: 'vectorNorm', args: [x, moments, 0, 0, y, vectors, cols], tolerance: 2e-6 },
      { kernel: 'vectorScaleGrad', args: [dy, x, cols, moments, y, vectors, cols - 3], tolerance: 1e-5 },
      ...[1, 3, channels].flatMap((groups, i): KernelCase[] => {
        const m = i === 1 ? mask : 0;
        return [
          { kernel: 'groupMoments', args: [x, m, moments, ...all, groups, 1e-5], tolerance: 1e-5 },
          { kernel: 'groupNormGrad', args: [dy, x, m, moments, scale, y, ...all, groups, scratch], tolerance: 1e-5 },
        ];
      }),
      ...[0, mask].map(
        (m): KernelCase => ({
          kernel: 'batchMoments',
          args: [x, channels, m, y, y + channels * 4, rows * places, channels - 3, 1e-5],
          tolerance: 1e-5,
        }),
      ),
      { kernel: 'channelNorm', args: [x, moments, 2 * channels, scale, bias, y, ...all], tolerance: 2e-6 },
      { kernel: 'channelNorm', args: [x, moments, 0, scale, bias, y, ...all], tolerance: 2e-6 },
      { kernel: 'channelScaleGrad', args: [dy, x, moments, 2 * channels, y, ...all, channels - 5], tolerance: 1e-5 },
      { kernel: 'channelScaleGrad', args: [dy, x, moments, 0, y, ...all, channels], tolerance: 1e-5 },
      ...[
        [0, 0],
        [mask, counted],
      ].flatMap(([m, c]): KernelCase[] => {
        return [
          {
            kernel: 'batchNormGrad',
            args: [dy, x, m!, moments, scale, bias, scale, y, ...all, c!, step, scratch],
            tolerance: 2e-6,
          },
          {
            kernel: 'updateRunning',
            args: [mean, variance, bias, deviations, channels, places, 0.1, 1e-5, c!, step],
            tolerance: 2e-6,
          },
        ];
      }),
      { kernel: 'runningMoments', args: [mean, variance, y, y + channels * 4, channels, 1e-5], tolerance: 2e-6 },
      ...attention,
      ...cached,
      { kernel: 'rotary', args: [q, table, out, rows, queries, 3, depth, ldq, 1], tolerance: 1e-6 },
      { kernel: 'rotary', args: [q, table, out, rows, queries, heads, depth, ldq, -1], tolerance: 1e-6 },
    ];
  };
}
