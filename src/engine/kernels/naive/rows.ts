import type { Kernels, Pointer } from '../abi.ts';
import { at, type Views } from './views.ts';

type RowName =
  | 'softmax'
  | 'softmaxGrad'
  | 'logSoftmax'
  | 'logSoftmaxGrad'
  | 'softmaxCrossEntropy'
  | 'softmaxCrossEntropyGrad'
  | 'softmaxCrossEntropyBend'
  | 'correct';

export function createRows({ f32, i32 }: Views): Pick<Kernels, RowName> {
  function readRow(x: Pointer, row: number, cols: number): number[] {
    return Array.from(f32.subarray(at(x) + row * cols, at(x) + (row + 1) * cols));
  }

  function writeRow(y: Pointer, row: number, values: number[]): void {
    f32.set(values, at(y) + row * values.length);
  }

  /** Weights of the classes; 1 each where there are none. */
  function readWeights(weights: Pointer, cols: number): number[] {
    return weights === 0 ? new Array(cols).fill(1) : readRow(weights, 0, cols);
  }

  function softmaxOf(x: number[]): number[] {
    const top = x.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const powers = x.map((value) => Math.exp(value - top));
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => power / sum);
  }

  function logSoftmaxOf(x: number[]): number[] {
    const top = x.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const rest = Math.log(x.reduce((sum, value) => sum + Math.exp(value - top), 0));
    return x.map((value) => value - top - rest);
  }

  return {
    softmax(x, y, rows, cols) {
      for (let r = 0; r < rows; r++) writeRow(y, r, softmaxOf(readRow(x, r, cols)));
    },
    softmaxGrad(dy, y, dx, rows, cols) {
      for (let r = 0; r < rows; r++) {
        const output = readRow(y, r, cols);
        const gradient = readRow(dy, r, cols);
        const dot = output.reduce((sum, value, j) => sum + value * gradient[j], 0);
        const row = output.map((value, j) => value * (gradient[j] - dot));
        writeRow(dx, r, row);
      }
    },
    logSoftmax(x, y, rows, cols) {
      for (let r = 0; r < rows; r++) writeRow(y, r, logSoftmaxOf(readRow(x, r, cols)));
    },
    logSoftmaxGrad(dy, y, dx, rows, cols) {
      for (let r = 0; r < rows; r++) {
        const output = readRow(y, r, cols);
        const gradient = readRow(dy, r, cols);
        const sum = gradient.reduce((sum, value) => sum + value, 0);
        const row = output.map((value, j) => gradient[j] - Math.exp(value) * sum);
        writeRow(dx, r, row);
      }
    },
    softmaxCrossEntropy(x, labels, weights, loss, rows, positions, cols, ignored, smoothing) {
      const w = readWeights(weights, cols);
      for (let r = 0; r < rows; r++) {
        let sum = 0;
        for (let p = r * positions; p < (r + 1) * positions; p++) {
          const label = i32[at(labels) + p];
          if (label === ignored) continue;
          const losses = logSoftmaxOf(readRow(x, p, cols)).map((value, j) => -w[j] * value);
          const spread = smoothing === 0 ? 0 : (smoothing / cols) * losses.reduce((a, b) => a + b, 0);
          // a label outside the row reads undefined, and the loss is NaN
          sum += (1 - smoothing) * losses[label] + spread;
        }
        f32[at(loss) + r] = sum / positions;
      }
    },
    softmaxCrossEntropyGrad(x, labels, weights, dloss, dx, rows, positions, cols, ignored, smoothing) {
      const w = readWeights(weights, cols);
      const total = w.reduce((a, b) => a + b, 0);
      for (let p = 0; p < rows * positions; p++) {
        const label = i32[at(labels) + p];
        const slope = f32[at(dloss) + Math.floor(p / positions)] / positions;
        const own = (1 - smoothing) * (w[label] ?? Number.NaN);
        const spread = smoothing / cols;
        const row = softmaxOf(readRow(x, p, cols)).map(
          (probability, j) => ((own + spread * total) * probability - (j === label ? own : 0) - spread * w[j]) * slope,
        );
        writeRow(dx, p, label === ignored ? row.fill(0) : row);
      }
    },

    softmaxCrossEntropyBend(x, labels, weights, dloss, v, dx, rows, positions, cols, ignored, smoothing) {
      const w = readWeights(weights, cols);
      const total = w.reduce((a, b) => a + b, 0);
      for (let p = 0; p < rows * positions; p++) {
        const label = i32[at(labels) + p];
        const slope = f32[at(dloss) + Math.floor(p / positions)] / positions;
        const k = (1 - smoothing) * (w[label] ?? Number.NaN) + (smoothing / cols) * total;
        const probabilities = softmaxOf(readRow(x, p, cols));
        const moved = readRow(v, p, cols);
        const mean = probabilities.reduce((sum, probability, j) => sum + probability * moved[j], 0);
        const row = probabilities.map((probability, j) => k * probability * (moved[j] - mean) * slope);
        writeRow(dx, p, label === ignored ? row.fill(0) : row);
      }
    },

    correct(x, labels, y, rows, positions, cols, ignored) {
      for (let r = 0; r < rows; r++) {
        let right = 0;
        for (let p = r * positions; p < (r + 1) * positions; p++) {
          const row = readRow(x, p, cols);
          const label = i32[at(labels) + p];
          if (label === ignored) continue;
          if (row.every((value, j) => (j < label ? value < row[label] : value <= row[label]))) right += 1;
        }
        f32[at(y) + r] = right / positions;
      }
    },
  };
}
