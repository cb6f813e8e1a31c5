import { type Kernels, type Pointer, RecurrentFlag } from '../abi.ts';
import { sigmoidOf } from './scalar.ts';
import { at, type Views } from './views.ts';

type RecurrentName =
  | 'previousSteps'
  | 'rnnForward'
  | 'rnnBackward'
  | 'lstmForward'
  | 'lstmBackward'
  | 'gruForward'
  | 'gruBackward'
  | 'rnnTangent'
  | 'lstmTangent'
  | 'gruTangent';

export function createRecurrent({ f32 }: Views): Pick<Kernels, RecurrentName> {
  /** Element (p, j) of a matrix (k, n) in packPanels' order. */
  function packedAt(packed: Pointer, k: number, n: number, p: number, j: number): number {
    const padded = Math.ceil(n / 16) * 16;
    const block = p - (p % 256);
    const depth = Math.min(256, k - block);
    return f32[at(packed) + block * padded + (j - (j % 16)) * depth + (p - block) * 16 + (j % 16)]!;
  }

  /** out[j] += Σ over p of x[p]·packed[p, j], x and out as indices */
  function addProduct(x: number, packed: Pointer, k: number, n: number, out: number): void {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let p = 0; p < k; p++) sum += f32[x + p]! * packedAt(packed, k, n, p, j);
      f32[out + j]! += sum;
    }
  }

  const isPadding = (mask: Pointer, index: number) => mask !== 0 && f32[at(mask) + index] === 0;

  /** Steps of every row in the order of the recurrence: visit(row, step, whether it is the first, how far the step before lies). */
  function eachStep(
    flags: number,
    rows: number,
    steps: number,
    visit: (row: number, t: number, isFirst: boolean, back: number) => void,
  ): void {
    const reverse = (flags & RecurrentFlag.reverse) !== 0;
    for (let row = 0; row < rows; row++) {
      for (let s = 0; s < steps; s++) visit(row, reverse ? steps - 1 - s : s, s === 0, reverse ? 1 : -1);
    }
  }

  /** The same from the last step back, row by row with what a row carries; `finish` sees it at the end. */
  function eachStepBack(
    flags: number,
    rows: number,
    steps: number,
    carried: number,
    visit: (row: number, t: number, isFirst: boolean, back: number, carry: Float64Array) => void,
    finish: (row: number, carry: Float64Array) => void,
  ): void {
    const reverse = (flags & RecurrentFlag.reverse) !== 0;
    for (let row = 0; row < rows; row++) {
      const carry = new Float64Array(carried);
      for (let s = steps - 1; s >= 0; s--) visit(row, reverse ? steps - 1 - s : s, s === 0, reverse ? 1 : -1, carry);
      finish(row, carry);
    }
  }

  /** What dz (n values at index z) sends back to the hidden state before: Σ over p of dz[p]·packed[p, j]. */
  function sendBack(z: number, packed: Pointer, n: number, width: number): number[] {
    return Array.from({ length: width }, (_, j) => {
      let sum = 0;
      for (let p = 0; p < n; p++) sum += f32[z + p]! * packedAt(packed, n, width, p, j);
      return sum;
    });
  }

  /**
   * How the states of each step move, kept for all steps: the transpose of a backward pass. `move` gives h′ from the sums' movement, which has h₋₁′·U added
   * to its first `gates` parts, from h₋₁′, and from what the layer carries beside (c′).
   */
  function eachTangent(
    [flags, rows, steps, width, packed]: readonly [number, number, number, number, Pointer],
    { dz, lddz, mask, dh, gates, back }: Record<'dz' | 'lddz' | 'mask' | 'dh' | 'gates' | 'back', number>,
    move: (
      step: { index: number; row: number; isFirst: boolean; back: number },
      j: number,
      z: number[],
      h: number,
      carry: Float64Array,
    ) => number,
  ): void {
    const all = steps * back * width;
    let carry = new Float64Array(width);
    eachStep(flags, rows, steps, (row, t, isFirst, way) => {
      const index = row * steps + t;
      const initial = (part: number) =>
        Array.from({ length: width }, (_, j) => (lddz > all ? f32[at(dz) + row * lddz + all + part * width + j]! : 0));
      if (isFirst) carry = Float64Array.from(initial(lddz > all + width ? 1 : 0));
      const before = isFirst
        ? initial(0)
        : Array.from({ length: width }, (_, j) => f32[at(dh) + (index + way) * width + j]!);
      const passed = isPadding(mask, index);
      for (let j = 0; j < width; j++) {
        const z = Array.from({ length: back }, (_, k) => {
          let sum = f32[at(dz) + row * lddz + (t * back + k) * width + j]!;
          if (k < gates)
            for (let p = 0; p < width; p++)
              sum += before[p]! * packedAt(packed, width, gates * width, p, k * width + j);
          return sum;
        });
        f32[at(dh) + index * width + j] = passed
          ? before[j]!
          : move({ index, row, isFirst, back: way }, j, z, before[j]!, carry);
      }
    });
  }

  return {
    rnnTangent(flags, rows, steps, width, packed, dz, lddz, states, mask, dh) {
      eachTangent(
        [flags, rows, steps, width, packed],
        { dz, lddz, mask, dh, gates: 1, back: 1 },
        ({ index }, j, [z]) => {
          const h = f32[at(states) + index * width + j]!;
          return (1 - h * h) * z!;
        },
      );
    },
    lstmTangent(flags, rows, steps, width, packed, dz, lddz, states, mask, c0, dh) {
      const sizes = [flags, rows, steps, width, packed] as const;
      eachTangent(sizes, { dz, lddz, mask, dh, gates: 4, back: 4 }, (step, j, z, _h, carry) => {
        const now = at(states) + step.index * 6 * width + j;
        const [i, f, g, o, c] = [0, 1, 2, 3, 4].map((k) => f32[now + k * width]!) as [
          number,
          number,
          number,
          number,
          number,
        ];
        const initial = c0 === 0 ? 0 : f32[at(c0) + step.row * width + j]!;
        const before = step.isFirst ? initial : f32[now + (step.back * 6 + 4) * width]!;
        const [ofI, ofF, ofO] = [i * (1 - i) * z[0]!, f * (1 - f) * z[1]!, o * (1 - o) * z[3]!];
        carry[j] = f * carry[j]! + ofF * before + i * (1 - g * g) * z[2]! + ofI * g;
        const squashed = Math.tanh(c);
        return ofO * squashed + o * (1 - squashed * squashed) * carry[j]!;
      });
    },
    gruTangent(flags, rows, steps, width, packed, dz, lddz, states, mask, h0, dh) {
      const sizes = [flags, rows, steps, width, packed] as const;
      eachTangent(sizes, { dz, lddz, mask, dh, gates: 3, back: 4 }, (step, j, sums, h) => {
        const now = at(states) + step.index * 5 * width + j;
        const [r, z, q, n] = [0, 1, 2, 3].map((k) => f32[now + k * width]!) as [number, number, number, number];
        const initial = h0 === 0 ? 0 : f32[at(h0) + step.row * width + j]!;
        const before = step.isFirst ? initial : f32[now + (step.back * 5 + 4) * width]!;
        const [ofR, ofZ] = [r * (1 - r) * sums[0]!, z * (1 - z) * sums[1]!];
        const candidate = (1 - n * n) * (sums[3]! + ofR * q + r * sums[2]!);
        return (1 - z) * candidate + ofZ * (before - n) + z * h;
      });
    },

    previousSteps(flags, x, ldx, first, y, rows, steps, width) {
      eachStep(flags, rows, steps, (row, t, isFirst, back) => {
        for (let j = 0; j < width; j++) {
          const before = isFirst
            ? first === 0
              ? 0
              : f32[at(first) + row * width + j]!
            : f32[at(x) + (row * steps + t + back) * ldx + j]!;
          f32[at(y) + (row * steps + t) * width + j] = before;
        }
      });
    },

    rnnForward(flags, rows, steps, width, packed, states, mask, h0) {
      eachStep(flags, rows, steps, (row, t, isFirst, back) => {
        const now = at(states) + (row * steps + t) * width;
        const before = isFirst ? (h0 === 0 ? -1 : at(h0) + row * width) : now + back * width;
        if (before >= 0) addProduct(before, packed, width, width, now);
        for (let j = 0; j < width; j++) {
          f32[now + j] = isPadding(mask, row * steps + t)
            ? before < 0
              ? 0
              : f32[before + j]!
            : Math.tanh(f32[now + j]!);
        }
      });
    },
    rnnBackward(flags, rows, steps, width, packed, dh, states, mask, dz, lddz) {
      eachStepBack(
        flags,
        rows,
        steps,
        width,
        (row, t, _isFirst, _back, carry) => {
          const index = row * steps + t;
          const z = at(dz) + row * lddz + t * width;
          const passed = isPadding(mask, index);
          for (let j = 0; j < width; j++) {
            const h = f32[at(states) + index * width + j]!;
            const d = f32[at(dh) + index * width + j]! + carry[j]!;
            f32[z + j] = passed ? 0 : d * (1 - h * h);
            carry[j] = passed ? d : 0;
          }
          sendBack(z, packed, width, width).forEach((value, j) => {
            carry[j]! += value;
          });
        },
        (row, carry) => {
          if (lddz > steps * width) f32.set(carry, at(dz) + row * lddz + steps * width);
        },
      );
    },

    lstmForward(flags, rows, steps, width, packed, states, mask, h0, c0) {
      eachStep(flags, rows, steps, (row, t, isFirst, back) => {
        const now = at(states) + (row * steps + t) * 6 * width;
        const before = now + back * 6 * width;
        const h = isFirst ? (h0 === 0 ? -1 : at(h0) + row * width) : before + 5 * width;
        const c = isFirst ? (c0 === 0 ? -1 : at(c0) + row * width) : before + 4 * width;
        if (h >= 0) addProduct(h, packed, width, 4 * width, now);
        const passed = isPadding(mask, row * steps + t);
        for (let j = 0; j < width; j++) {
          const [i, f, g, o, cell, hidden] = [0, 1, 2, 3, 4, 5].map((k) => now + k * width + j) as [
            number,
            number,
            number,
            number,
            number,
            number,
          ];
          const cellBefore = c < 0 ? 0 : f32[c + j]!;
          if (passed) {
            for (const gate of [i, f, g, o]) f32[gate] = 0;
            f32[cell] = cellBefore;
            f32[hidden] = h < 0 ? 0 : f32[h + j]!;
            continue;
          }
          for (const gate of [i, f, o]) f32[gate] = sigmoidOf(f32[gate]!);
          f32[g] = Math.tanh(f32[g]!);
          f32[cell] = f32[f]! * cellBefore + f32[i]! * f32[g]!;
          f32[hidden] = f32[o]! * Math.tanh(f32[cell]!);
        }
      });
    },
    lstmBackward(flags, rows, steps, width, packed, dh, states, mask, c0, dz, lddz) {
      // a row carries [dh, dc]
      eachStepBack(
        flags,
        rows,
        steps,
        2 * width,
        (row, t, isFirst, back, carry) => {
          const index = row * steps + t;
          const now = at(states) + index * 6 * width;
          const z = at(dz) + row * lddz + t * 4 * width;
          const c = isFirst ? (c0 === 0 ? -1 : at(c0) + row * width) : now + back * 6 * width + 4 * width;
          const passed = isPadding(mask, index);
          for (let j = 0; j < width; j++) {
            const [i, f, g, o, cell] = [0, 1, 2, 3, 4].map((k) => f32[now + k * width + j]!) as [
              number,
              number,
              number,
              number,
              number,
            ];
            const d = f32[at(dh) + index * width + j]! + carry[j]!;
            const squashed = Math.tanh(cell);
            const dc = carry[width + j]! + d * o * (1 - squashed * squashed);
            const gates = [
              dc * g * i * (1 - i),
              dc * (c < 0 ? 0 : f32[c + j]!) * f * (1 - f),
              dc * i * (1 - g * g),
              d * squashed * o * (1 - o),
            ];
            gates.forEach((value, k) => {
              f32[z + k * width + j] = passed ? 0 : value;
            });
            carry[j] = passed ? d : 0;
            if (!passed) carry[width + j] = dc * f;
          }
          sendBack(z, packed, 4 * width, width).forEach((value, j) => {
            carry[j]! += value;
          });
        },
        (row, carry) => {
          if (lddz > 4 * steps * width) f32.set(carry, at(dz) + row * lddz + 4 * steps * width);
        },
      );
    },

    gruForward(flags, rows, steps, width, packed, bias, states, mask, h0) {
      eachStep(flags, rows, steps, (row, t, isFirst, back) => {
        const now = at(states) + (row * steps + t) * 5 * width;
        const h = isFirst ? (h0 === 0 ? -1 : at(h0) + row * width) : now + back * 5 * width + 4 * width;
        for (let j = 0; j < width; j++) f32[now + 2 * width + j] = bias === 0 ? 0 : f32[at(bias) + j]!;
        if (h >= 0) addProduct(h, packed, width, 3 * width, now);
        const passed = isPadding(mask, row * steps + t);
        for (let j = 0; j < width; j++) {
          const [r, z, q, n, hidden] = [0, 1, 2, 3, 4].map((k) => now + k * width + j) as [
            number,
            number,
            number,
            number,
            number,
          ];
          const before = h < 0 ? 0 : f32[h + j]!;
          if (passed) {
            for (const gate of [r, z, q, n]) f32[gate] = 0;
            f32[hidden] = before;
            continue;
          }
          f32[r] = sigmoidOf(f32[r]!);
          f32[z] = sigmoidOf(f32[z]!);
          f32[n] = Math.tanh(f32[n]! + f32[r]! * f32[q]!);
          f32[hidden] = (1 - f32[z]!) * f32[n]! + f32[z]! * before;
        }
      });
    },
    gruBackward(flags, rows, steps, width, packed, dh, states, mask, h0, dz, lddz) {
      eachStepBack(
        flags,
        rows,
        steps,
        width,
        (row, t, isFirst, back, carry) => {
          const index = row * steps + t;
          const now = at(states) + index * 5 * width;
          const out = at(dz) + row * lddz + t * 4 * width;
          const h = isFirst ? (h0 === 0 ? -1 : at(h0) + row * width) : now + back * 5 * width + 4 * width;
          const passed = isPadding(mask, index);
          for (let j = 0; j < width; j++) {
            const [r, z, q, n] = [0, 1, 2, 3].map((k) => f32[now + k * width + j]!) as [number, number, number, number];
            const d = f32[at(dh) + index * width + j]! + carry[j]!;
            const dn = d * (1 - z) * (1 - n * n);
            const gates = [dn * q * r * (1 - r), d * ((h < 0 ? 0 : f32[h + j]!) - n) * z * (1 - z), dn * r, dn];
            gates.forEach((value, k) => {
              f32[out + k * width + j] = passed ? 0 : value;
            });
            carry[j] = passed ? d : d * z;
          }
          sendBack(out, packed, 3 * width, width).forEach((value, j) => {
            carry[j]! += value;
          });
        },
        (row, carry) => {
          if (lddz > 4 * steps * width) f32.set(carry, at(dz) + row * lddz + 4 * steps * width);
        },
      );
    },
  };
}
