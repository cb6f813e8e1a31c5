import { type Kernels, PairLoss, type Pointer, ValueLoss } from '../abi.ts';
import { clip, sigmoidOf, softplusOf } from './scalar.ts';
import { at, type Views } from './views.ts';

type LossName =
  | 'valueLoss'
  | 'valueLossGrad'
  | 'valueLossBend'
  | 'divergence'
  | 'divergenceGrad'
  | 'cosineLoss'
  | 'cosineLossGrad'
  | 'focalCrossEntropy'
  | 'focalCrossEntropyGrad'
  | 'marginLoss'
  | 'marginLossGrad'
  | 'pairLoss'
  | 'pairLossGrad';

/** q^γ·softplus(−x), q = sigmoid(−x), and its slope */
const focalOf = (x: number, gamma: number) => sigmoidOf(-x) ** gamma * softplusOf(-x);
const focalSlopeOf = (x: number, gamma: number) =>
  -(sigmoidOf(-x) ** gamma) * (gamma * sigmoidOf(x) * softplusOf(-x) + sigmoidOf(-x));

const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
const dot = (x: number[], y: number[]) => sum(x.map((value, j) => value * y[j]));

function lossOf(code: number, x: number, t: number, a: number, b: number): number {
  const e = x - t;
  switch (code) {
    case ValueLoss.squared:
      return e * e;
    case ValueLoss.absolute:
      return Math.abs(e);
    case ValueLoss.huber:
      return Math.abs(e) <= a ? (e * e) / 2 : a * (Math.abs(e) - a / 2);
    case ValueLoss.logCosh:
      // ln cosh e = ½·ln(1 + sinh² e), which does not cancel near 0
      return Math.abs(e) < 10 ? 0.5 * Math.log1p(Math.sinh(e) ** 2) : Math.abs(e) - Math.LN2;
    case ValueLoss.quantile:
      return e > 0 ? (1 - a) * e : -a * e;
    case ValueLoss.poisson:
      return Math.exp(x) - t * x;
    case ValueLoss.binaryEntropy:
      return a * t * softplusOf(-x) + (1 - t) * softplusOf(x);
    default:
      return a * t * focalOf(x, b) + (1 - t) * focalOf(-x, b);
  }
}

function slopeOf(code: number, x: number, t: number, a: number, b: number): number {
  const e = x - t;
  switch (code) {
    case ValueLoss.squared:
      return 2 * e;
    case ValueLoss.absolute:
      return Math.sign(e);
    case ValueLoss.huber:
      return clip(e, -a, a);
    case ValueLoss.logCosh:
      return Math.tanh(e);
    case ValueLoss.quantile:
      return e > 0 ? 1 - a : e < 0 ? -a : e;
    case ValueLoss.poisson:
      return Math.exp(x) - t;
    case ValueLoss.binaryEntropy:
      return (1 - t) * sigmoidOf(x) - a * t * sigmoidOf(-x);
    default:
      return a * t * focalSlopeOf(x, b) - (1 - t) * focalSlopeOf(-x, b);
  }
}

function bendOf(code: number, x: number, t: number, a: number): number {
  switch (code) {
    case ValueLoss.squared:
      return 2;
    case ValueLoss.huber:
      return Math.abs(x - t) <= a ? 1 : 0;
    case ValueLoss.logCosh:
      return 1 - Math.tanh(x - t) ** 2;
    case ValueLoss.poisson:
      return Math.exp(x);
    case ValueLoss.binaryEntropy:
      return (a * t + 1 - t) * sigmoidOf(x) * sigmoidOf(-x);
    default:
      return 0;
  }
}

export function createLosses({ f32, i32 }: Views): Pick<Kernels, LossName> {
  const readRow = (x: Pointer, row: number, cols: number) =>
    Array.from(f32.subarray(at(x) + row * cols, at(x) + (row + 1) * cols));
  const writeRow = (y: Pointer, row: number, values: number[]) => f32.set(values, at(y) + row * values.length);

  /** y (rows, cols) = f(column)·dloss[row]/cols */
  function spread(dloss: Pointer, y: Pointer, rows: number, cols: number, f: (row: number, j: number) => number): void {
    for (let r = 0; r < rows; r++) {
      const gradient = f32[at(dloss) + r] / cols;
      writeRow(
        y,
        r,
        Array.from({ length: cols }, (_, j) => f(r, j) * gradient),
      );
    }
  }

  /** e^(x − max), whose sum is all; 1 − p of each is the sum of the others over all */
  const powersOf = (x: number[]) => {
    const top = Math.max(...x);
    return x.map((value) => Math.exp(value - top));
  };

  /** loss (rows) = mean over positions of f(logits, label, weight); 0 where the label is ignored */
  function labelLoss(
    [x, labels, weights, loss]: Pointer[],
    [rows, positions, cols, ignored]: number[],
    f: (logits: number[], label: number) => number,
  ): void {
    for (let r = 0; r < rows; r++) {
      let total = 0;
      for (let p = r * positions; p < (r + 1) * positions; p++) {
        const label = i32[at(labels) + p];
        if (label === ignored) continue;
        total += weightOf(weights, label, cols) * f(readRow(x, p, cols), label);
      }
      f32[at(loss) + r] = total / positions;
    }
  }

  /** dx = f(logits, label)·weight·dloss[row]/positions */
  function labelLossGrad(
    [x, labels, weights, dloss, dx]: Pointer[],
    [rows, positions, cols, ignored]: number[],
    f: (logits: number[], label: number) => number[],
  ): void {
    for (let p = 0; p < rows * positions; p++) {
      const label = i32[at(labels) + p];
      const slope = (weightOf(weights, label, cols) * f32[at(dloss) + Math.floor(p / positions)]) / positions;
      const row = f(readRow(x, p, cols), label).map((value) => value * slope);
      writeRow(dx, p, label === ignored ? row.fill(0) : row);
    }
  }

  const weightOf = (weights: Pointer, label: number, cols: number) =>
    !(label >= 0 && label < cols) ? Number.NaN : weights === 0 ? 1 : f32[at(weights) + label];

  /** Of one row of a batch: its loss, and its slopes by the distances to all rows. */
  function pairs(code: number, i: number, d: number[], labels: Pointer, margin: number) {
    const isSame = d.map((_, j) => i32[at(labels) + j] === i32[at(labels) + i]);
    const slopes = d.map(() => 0);
    if (code === PairLoss.contrastive) {
      let loss = 0;
      d.forEach((distance, j) => {
        if (j === i) return;
        const gap = isSame[j] ? distance : Math.max(0, margin - distance);
        loss += (gap * gap) / (d.length - 1);
        slopes[j] = ((isSame[j] ? 2 : -2) * gap) / (d.length - 1);
      });
      return { loss, slopes };
    }
    let positives = d.map((_, j) => j).filter((j) => j !== i && isSame[j]);
    let negatives = d.map((_, j) => j).filter((j) => !isSame[j]);
    if (code === PairLoss.tripletHard) {
      positives = positives.filter((p) => positives.every((q) => d[q] < d[p] || (Object.is(d[q], d[p]) && q >= p)));
      negatives = negatives.filter((n) => negatives.every((q) => d[q] > d[n] || (Object.is(d[q], d[n]) && q >= n)));
    }
    const triplets = positives.flatMap((p) => negatives.map((n) => ({ p, n, gap: margin + d[p] - d[n] })));
    let loss = 0;
    for (const { p, n, gap } of triplets) {
      if (gap <= 0) continue;
      loss += gap / triplets.length;
      slopes[p] += 1 / triplets.length;
      slopes[n] -= 1 / triplets.length;
    }
    return { loss, slopes };
  }

  function distancesFrom(x: Pointer, i: number, rows: number, cols: number): number[] {
    const own = readRow(x, i, cols);
    return Array.from({ length: rows }, (_, j) =>
      Math.sqrt(sum(readRow(x, j, cols).map((value, c) => (own[c] - value) ** 2))),
    );
  }

  return {
    valueLoss(code, x, t, loss, rows, cols, a, b) {
      for (let r = 0; r < rows; r++) {
        const targets = readRow(t, r, cols);
        const losses = readRow(x, r, cols).map((value, j) =>
          lossOf(code, value, targets[j], Math.fround(a), Math.fround(b)),
        );
        f32[at(loss) + r] = sum(losses) / cols;
      }
    },
    valueLossGrad: (code, x, t, dloss, dx, rows, cols, a, b) =>
      spread(dloss, dx, rows, cols, (r, j) =>
        slopeOf(code, f32[at(x) + r * cols + j], f32[at(t) + r * cols + j], Math.fround(a), Math.fround(b)),
      ),
    valueLossBend: (code, x, t, dloss, v, dx, rows, cols, a) =>
      spread(dloss, dx, rows, cols, (r, j) => {
        const i = r * cols + j;
        return bendOf(code, f32[at(x) + i], f32[at(t) + i], Math.fround(a)) * f32[at(v) + i];
      }),

    divergence(x, t, loss, rows, cols) {
      for (let r = 0; r < rows; r++) {
        const powers = powersOf(readRow(x, r, cols));
        const all = sum(powers);
        const shares = readRow(t, r, cols);
        f32[at(loss) + r] = sum(
          shares.map((share, j) => share * ((share > 0 ? Math.log(share) : 0) - Math.log(powers[j] / all))),
        );
      }
    },
    divergenceGrad(x, t, dloss, dx, rows, cols) {
      for (let r = 0; r < rows; r++) {
        const powers = powersOf(readRow(x, r, cols));
        const all = sum(powers);
        const shares = readRow(t, r, cols);
        const total = sum(shares);
        const slope = f32[at(dloss) + r];
        writeRow(
          dx,
          r,
          powers.map((power, j) => ((power / all) * total - shares[j]) * slope),
        );
      }
    },

    cosineLoss(x, t, loss, rows, cols) {
      for (let r = 0; r < rows; r++) {
        const [own, other] = [readRow(x, r, cols), readRow(t, r, cols)];
        const norms = Math.sqrt(dot(own, own) * dot(other, other));
        f32[at(loss) + r] = norms === 0 ? 1 : 1 - dot(own, other) / norms;
      }
    },
    cosineLossGrad(x, t, dloss, dx, rows, cols) {
      for (let r = 0; r < rows; r++) {
        const [own, other] = [readRow(x, r, cols), readRow(t, r, cols)];
        const square = dot(own, own);
        const norms = Math.sqrt(square * dot(other, other));
        const cosine = dot(own, other) / norms;
        const slope = f32[at(dloss) + r];
        const row = own.map((value, j) => ((cosine * value) / square - other[j] / norms) * slope);
        writeRow(dx, r, norms === 0 ? row.fill(0) : row);
      }
    },

    focalCrossEntropy: (x, labels, weights, loss, rows, positions, cols, ignored, gamma) =>
      labelLoss([x, labels, weights, loss], [rows, positions, cols, ignored], (logits, label) => {
        const powers = powersOf(logits);
        const others = sum(powers.filter((_, j) => j !== label));
        const all = sum(powers);
        return (others / all) ** Math.fround(gamma) * -Math.log(powers[label] / all);
      }),
    focalCrossEntropyGrad: (x, labels, weights, dloss, dx, rows, positions, cols, ignored, gamma) =>
      labelLossGrad([x, labels, weights, dloss, dx], [rows, positions, cols, ignored], (logits, label) => {
        const powers = powersOf(logits);
        const all = sum(powers);
        const q = sum(powers.filter((_, j) => j !== label)) / all;
        const p = (powers[label] ?? Number.NaN) / all;
        const g = Math.fround(gamma);
        const factor = q ** g * (1 + g * p * (q === 0 ? 1 : -Math.log(p) / q));
        return powers.map((power, j) => factor * (j === label ? -q : power / all));
      }),
    marginLoss: (x, labels, weights, loss, rows, positions, cols, ignored, margin, power) =>
      labelLoss([x, labels, weights, loss], [rows, positions, cols, ignored], (logits, label) =>
        sum(
          logits.map((value, j) =>
            j === label ? 0 : Math.max(0, Math.fround(margin) + value - logits[label]) ** power / cols,
          ),
        ),
      ),
    marginLossGrad: (x, labels, weights, dloss, dx, rows, positions, cols, ignored, margin, power) =>
      labelLossGrad([x, labels, weights, dloss, dx], [rows, positions, cols, ignored], (logits, label) => {
        const slopes = logits.map((value, j) => {
          const gap = Math.fround(margin) + value - logits[label];
          // gap/gap is 1, but NaN where it is
          return j === label || gap <= 0 ? 0 : (power === 1 ? gap / gap : 2 * gap) / cols;
        });
        return slopes.map((slope, j) => (j === label ? -sum(slopes) : slope));
      }),

    pairLoss(code, x, labels, loss, rows, cols, margin) {
      for (let i = 0; i < rows; i++)
        f32[at(loss) + i] = pairs(code, i, distancesFrom(x, i, rows, cols), labels, Math.fround(margin)).loss;
    },
    pairLossGrad(code, x, labels, dloss, dx, rows, cols, margin) {
      const gradient = new Float64Array(rows * cols);
      for (let i = 0; i < rows; i++) {
        const d = distancesFrom(x, i, rows, cols);
        const { slopes } = pairs(code, i, d, labels, Math.fround(margin));
        for (let j = 0; j < rows; j++) {
          if (slopes[j] === 0 || d[j] === 0) continue;
          for (let c = 0; c < cols; c++) {
            const [own, other] = [i * cols + c, j * cols + c];
            const pull = (f32[at(dloss) + i] * slopes[j] * (f32[at(x) + own] - f32[at(x) + other])) / d[j];
            gradient[own] += pull;
            gradient[other] -= pull;
          }
        }
      }
      f32.set(gradient, at(dx));
    },
  };
}
