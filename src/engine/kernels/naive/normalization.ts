import { type Kernels, type Pointer, StepBlock } from '../abi.ts';
import { at, type Views } from './views.ts';

type NormalizationName =
  | 'vectorMoments'
  | 'vectorNorm'
  | 'vectorNormGrad'
  | 'vectorScaleGrad'
  | 'groupMoments'
  | 'batchMoments'
  | 'channelNorm'
  | 'channelScaleGrad'
  | 'groupNormGrad'
  | 'batchNormGrad'
  | 'updateRunning'
  | 'runningMoments';

const meanOf = (values: number[]) => values.reduce((sum, x) => sum + x, 0) / Math.max(values.length, 1);
const deviationOf = (values: number[], mean: number, epsilon: number) =>
  1 / Math.sqrt(meanOf(values.map((x) => (x - mean) ** 2)) + epsilon);

export function createNormalization({ f32, u32 }: Views): Pick<Kernels, NormalizationName> {
  const vector = (x: Pointer, v: number, cols: number) =>
    Array.from(f32.subarray(at(x) + v * cols, at(x) + (v + 1) * cols));
  const orOne = (scale: Pointer, j: number) => (scale === 0 ? 1 : f32[at(scale) + j]!);

  /** Index of channel j at place p of a row. */
  const element = (x: Pointer, row: number, places: number, channels: number, p: number, j: number) =>
    at(x) + (row * places + p) * channels + j;

  /** x̂ of one element, by channel. */
  const standard = (x: number, moments: number, channels: number, j: number) =>
    (f32[x]! - f32[moments + j]!) * f32[moments + channels + j]!;

  /** Indices of the channels in each group. */
  const groupsOf = (channels: number, groups: number) =>
    Array.from({ length: groups }, (_, g) =>
      Array.from({ length: channels / groups }, (_, j) => (g * channels) / groups + j),
    );
  const doesCount = (mask: Pointer, place: number) => mask === 0 || f32[at(mask) + place] !== 0;
  /** Places of a row that count. */
  const placesOf = (places: number, mask: Pointer, row: number) =>
    Array.from({ length: places }, (_, p) => p).filter((p) => doesCount(mask, row * places + p));
  /** Values of a channel in the whole batch. */
  const valuesOf = (count: Pointer, step: Pointer, places: number) =>
    count === 0 ? u32[at(step) + StepBlock.rows]! * places : Math.max(f32[at(count)]!, 1);

  return {
    vectorMoments(centered, x, y, vectors, cols, epsilon) {
      for (let v = 0; v < vectors; v++) {
        const values = vector(x, v, cols);
        const mean = centered ? meanOf(values) : 0;
        f32[at(y) + 2 * v] = mean;
        f32[at(y) + 2 * v + 1] = deviationOf(values, mean, epsilon);
      }
    },
    vectorNorm(x, moments, scale, bias, y, vectors, cols) {
      for (let v = 0; v < vectors; v++) {
        const [mean, deviation] = vector(moments, v, 2) as [number, number];
        vector(x, v, cols).forEach((value, j) => {
          const shift = bias === 0 ? 0 : f32[at(bias) + j]!;
          f32[at(y) + v * cols + j] = (value - mean) * deviation * orOne(scale, j) + shift;
        });
      }
    },
    vectorNormGrad(centered, dy, x, moments, scale, dx, vectors, cols) {
      for (let v = 0; v < vectors; v++) {
        const [mean, deviation] = vector(moments, v, 2) as [number, number];
        const standardized = vector(x, v, cols).map((value) => (value - mean) * deviation);
        const g = vector(dy, v, cols).map((value, j) => value * orOne(scale, j));
        const meanOfG = centered ? meanOf(g) : 0;
        const along = meanOf(g.map((value, j) => value * standardized[j]!));
        g.forEach((value, j) => {
          f32[at(dx) + v * cols + j] = deviation * (value - meanOfG - standardized[j]! * along);
        });
      }
    },
    vectorScaleGrad(dy, x, ld, moments, dscale, vectors, cols) {
      for (let j = 0; j < cols; j++) {
        let sum = 0;
        for (let v = 0; v < vectors; v++) {
          const [mean, deviation] = vector(moments, v, 2) as [number, number];
          sum += f32[at(dy) + v * ld + j]! * (f32[at(x) + v * ld + j]! - mean) * deviation;
        }
        f32[at(dscale) + j] = sum;
      }
    },

    groupMoments(x, mask, moments, rows, places, channels, groups, epsilon) {
      for (let row = 0; row < rows; row++) {
        for (const group of groupsOf(channels, groups)) {
          const values = placesOf(places, mask, row).flatMap((p) =>
            group.map((j) => f32[element(x, row, places, channels, p, j)]!),
          );
          const mean = meanOf(values);
          for (const j of group) {
            f32[at(moments) + row * 2 * channels + j] = mean;
            f32[at(moments) + (row * 2 + 1) * channels + j] = deviationOf(values, mean, epsilon);
          }
        }
      }
    },
    batchMoments(x, ld, mask, mean, deviation, vectors, cols, epsilon) {
      for (let j = 0; j < cols; j++) {
        const values = placesOf(vectors, mask, 0).map((v) => f32[at(x) + v * ld + j]!);
        f32[at(mean) + j] = meanOf(values);
        f32[at(deviation) + j] = deviationOf(values, meanOf(values), epsilon);
      }
    },
    channelNorm(x, moments, ldm, scale, bias, y, rows, places, channels) {
      for (let row = 0; row < rows; row++) {
        for (let p = 0; p < places; p++) {
          for (let j = 0; j < channels; j++) {
            const i = element(x, row, places, channels, p, j);
            const value = standard(i, at(moments) + row * ldm, channels, j);
            f32[i - at(x) + at(y)] = value * f32[at(scale) + j]! + f32[at(bias) + j]!;
          }
        }
      }
    },
    channelScaleGrad(dy, x, moments, ldm, dscale, rows, places, channels, cols) {
      for (let j = 0; j < cols; j++) {
        let sum = 0;
        for (let row = 0; row < rows; row++) {
          for (let p = 0; p < places; p++) {
            const i = element(x, row, places, channels, p, j);
            sum += f32[i - at(x) + at(dy)]! * standard(i, at(moments) + row * ldm, channels, j);
          }
        }
        f32[at(dscale) + j] = sum;
      }
    },
    groupNormGrad(dy, x, mask, moments, scale, dx, rows, places, channels, groups) {
      for (let row = 0; row < rows; row++) {
        const ofRow = at(moments) + row * 2 * channels;
        for (const group of groupsOf(channels, groups)) {
          const all = placesOf(places, 0, row).flatMap((p) =>
            group.map((j) => {
              const i = element(x, row, places, channels, p, j);
              return {
                ...{ i, j, standardized: standard(i, ofRow, channels, j) },
                counts: doesCount(mask, row * places + p),
                g: f32[i - at(x) + at(dy)]! * f32[at(scale) + j]!,
              };
            }),
          );
          const counted = all.filter(({ counts }) => counts);
          const mean = meanOf(counted.map(({ g }) => g));
          const along = meanOf(counted.map(({ g, standardized }) => g * standardized));
          for (const { i, j, g, standardized, counts } of all)
            f32[i - at(x) + at(dx)] = f32[ofRow + channels + j]! * (counts ? g - mean - standardized * along : g);
        }
      }
    },
    batchNormGrad(dy, x, mask, moments, scale, dscale, dbias, dx, rows, places, channels, count, step) {
      const n = valuesOf(count, step, places);
      for (let row = 0; row < rows; row++) {
        for (let p = 0; p < places; p++) {
          for (let j = 0; j < channels; j++) {
            const i = element(x, row, places, channels, p, j);
            const bent = f32[at(dbias) + j]! / n + (standard(i, at(moments), channels, j) * f32[at(dscale) + j]!) / n;
            const inner = f32[i - at(x) + at(dy)]! - (doesCount(mask, row * places + p) ? bent : 0);
            f32[i - at(x) + at(dx)] = f32[at(moments) + channels + j]! * f32[at(scale) + j]! * inner;
          }
        }
      }
    },
    updateRunning(mean, variance, batchMean, batchDeviation, cols, places, momentum, epsilon, count, step) {
      const n = valuesOf(count, step, places);
      for (let j = 0; j < cols; j++) {
        const deviation = f32[at(batchDeviation) + j]!;
        const unbiased = Math.max(1 / deviation ** 2 - epsilon, 0) * (n > 1 ? n / (n - 1) : 1);
        f32[at(mean) + j]! += momentum * (f32[at(batchMean) + j]! - f32[at(mean) + j]!);
        f32[at(variance) + j]! += momentum * (unbiased - f32[at(variance) + j]!);
      }
    },
    runningMoments(mean, variance, toMean, toDeviation, cols, epsilon) {
      for (let j = 0; j < cols; j++) {
        f32[at(toMean) + j] = f32[at(mean) + j]!;
        f32[at(toDeviation) + j] = 1 / Math.sqrt(f32[at(variance) + j]! + epsilon);
      }
    },
  };
}
