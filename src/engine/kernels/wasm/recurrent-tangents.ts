// Derivatives of recurrent layers along a direction, which Gauss-Newton products need: dz says how the gates' sums move (and behind the steps, where
// there are such, how the initial state does), dh how the hidden states move with them. Each is the transpose of a backward pass; formulas follow from
// those of rnn.ts, lstm.ts and gru.ts by differentiating them, and a dash marks what moves. Padding passes the state's movement on.

import { copy, copyOrZero } from './elementwise';
import { gemmPacked } from './gemm-packed';
import { fma, fnma, loadPart, storePart } from './lanes';
import { tanh4 } from './math';
import { isPadding, REVERSE } from './recurrence';
import { WORK, WORK_FLOATS } from './scratch';

/** σ(z)′ = y·(1 − y)·z′ */
// @ts-ignore: decorator
@inline
function alongSigmoid(y: v128, z: v128): v128 {
  return f32x4.mul(fnma(y, y, y), z);
}

/** tanh(z)′ = (1 − y²)·z′ */
// @ts-ignore: decorator
@inline
function alongTanh(y: v128, z: v128): v128 {
  return f32x4.mul(fnma(y, y, f32x4.splat(1)), z);
}

/** h′ = (1 − h²)·(z′ + h₋₁′·U) */
export function rnnTangent(
  flags: u32,
  rows: u32,
  steps: u32,
  width: u32,
  packed: usize,
  dz: usize,
  lddz: u32,
  states: usize,
  mask: usize,
  dh: usize,
  scratch: usize,
): void {
  const w = <usize>width << 2;
  const row = <usize>steps * w;
  const rowZ = <usize>lddz << 2;
  for (let s: u32 = 0; s < steps; s++) {
    const t = flags & REVERSE ? steps - 1 - s : s;
    const now = dh + <usize>t * w;
    let before = flags & REVERSE ? now + w : now - w;
    let beforeRow = row;
    if (s == 0) {
      before = lddz > steps * width ? dz + row : 0;
      beforeRow = rowZ;
    }
    for (let r: u32 = 0; r < rows; r++) copy(dz + <usize>r * rowZ + <usize>t * w, now + <usize>r * row, width);
    if (before) gemmPacked(1, rows, width, width, before, beforeRow, packed, now, row, scratch);
    for (let r: u32 = 0; r < rows; r++) {
      const at = now + <usize>r * row;
      if (isPadding(mask, r, steps, t)) {
        copyOrZero(before ? before + <usize>r * beforeRow : 0, at, width);
        continue;
      }
      const h = states + <usize>r * row + <usize>t * w;
      for (let j: u32 = 0; j < width; j += 4) {
        const part = min<u32>(width - j, 4);
        const o = <usize>j << 2;
        storePart(at + o, alongTanh(loadPart(h + o, part), loadPart(at + o, part)), part);
      }
    }
  }
}

/** c′ = f·c₋₁′ + f′·c₋₁ + i·g′ + i′·g, h′ = o′·tanh(c) + o·(1 − tanh²c)·c′ */
export function lstmTangent(
  flags: u32,
  rows: u32,
  steps: u32,
  width: u32,
  packed: usize,
  dz: usize,
  lddz: u32,
  states: usize,
  mask: usize,
  c0: usize,
  dh: usize,
  scratch: usize,
): void {
  const w = <usize>width << 2;
  const pitch = 6 * w;
  const row = <usize>steps * pitch;
  const rowH = <usize>steps * w;
  const rowZ = <usize>lddz << 2;
  const zero = f32x4.splat(0);
  const hasInitial = lddz > 4 * steps * width;
  // of each row the sums of a step, and c′
  const most = max<u32>(1, WORK_FLOATS / (5 * width));
  const sums = scratch + WORK;
  for (let from: u32 = 0; from < rows; from += most) {
    const count = min<u32>(most, rows - from);
    const cells = sums + 4 * <usize>count * w;
    for (let i: u32 = 0; i < count; i++) {
      const initial = dz + <usize>(from + i) * rowZ + 4 * rowH + w;
      copyOrZero(hasInitial ? initial : 0, cells + <usize>i * w, width);
    }
    for (let s: u32 = 0; s < steps; s++) {
      const t = flags & REVERSE ? steps - 1 - s : s;
      const now = dh + <usize>from * rowH + <usize>t * w;
      let before = flags & REVERSE ? now + w : now - w;
      let beforeRow = rowH;
      if (s == 0) {
        before = hasInitial ? dz + <usize>from * rowZ + 4 * rowH : 0;
        beforeRow = rowZ;
      }
      for (let i: u32 = 0; i < count; i++)
        copy(dz + <usize>(from + i) * rowZ + 4 * <usize>t * w, sums + 4 * <usize>i * w, 4 * width);
      if (before) gemmPacked(1, count, 4 * width, width, before, beforeRow, packed, sums, 4 * w, scratch);
      for (let k: u32 = 0; k < count; k++) {
        const to = now + <usize>k * rowH;
        if (isPadding(mask, from + k, steps, t)) {
          copyOrZero(before ? before + <usize>k * beforeRow : 0, to, width);
          continue;
        }
        const at = states + <usize>(from + k) * row + <usize>t * pitch;
        let cellBefore = c0 ? c0 + <usize>(from + k) * w : 0;
        if (s > 0) cellBefore = (flags & REVERSE ? at + pitch : at - pitch) + 4 * w;
        const z = sums + 4 * <usize>k * w;
        const cell = cells + <usize>k * w;
        for (let j: u32 = 0; j < width; j += 4) {
          const part = min<u32>(width - j, 4);
          const o = <usize>j << 2;
          const i = loadPart(at + o, part);
          const f = loadPart(at + w + o, part);
          const g = loadPart(at + 2 * w + o, part);
          const out = loadPart(at + 3 * w + o, part);
          const squashed = tanh4(loadPart(at + 4 * w + o, part));
          const previous = cellBefore ? loadPart(cellBefore + o, part) : zero;
          const ofInput = alongSigmoid(i, loadPart(z + o, part));
          const ofForget = alongSigmoid(f, loadPart(z + w + o, part));
          const ofCandidate = alongTanh(g, loadPart(z + 2 * w + o, part));
          const ofOutput = alongSigmoid(out, loadPart(z + 3 * w + o, part));
          let c = f32x4.mul(f, loadPart(cell + o, part));
          c = fma(ofForget, previous, c);
          c = fma(i, ofCandidate, c);
          c = fma(ofInput, g, c);
          storePart(cell + o, c, part);
          storePart(to + o, fma(ofOutput, squashed, f32x4.mul(out, alongTanh(squashed, c))), part);
        }
      }
    }
  }
}

/** n′ = (1 − n²)·(zₙ′ + r′·q + r·q′), h′ = (1 − z)·n′ + z′·(h₋₁ − n) + z·h₋₁′ */
export function gruTangent(
  flags: u32,
  rows: u32,
  steps: u32,
  width: u32,
  packed: usize,
  dz: usize,
  lddz: u32,
  states: usize,
  mask: usize,
  h0: usize,
  dh: usize,
  scratch: usize,
): void {
  const w = <usize>width << 2;
  const pitch = 5 * w;
  const row = <usize>steps * pitch;
  const rowH = <usize>steps * w;
  const rowZ = <usize>lddz << 2;
  const one = f32x4.splat(1);
  const zero = f32x4.splat(0);
  const sums = scratch + WORK;
  const most = max<u32>(1, WORK_FLOATS / (3 * width));
  for (let from: u32 = 0; from < rows; from += most) {
    const count = min<u32>(most, rows - from);
    for (let s: u32 = 0; s < steps; s++) {
      const t = flags & REVERSE ? steps - 1 - s : s;
      const now = dh + <usize>from * rowH + <usize>t * w;
      let before = flags & REVERSE ? now + w : now - w;
      let beforeRow = rowH;
      if (s == 0) {
        before = lddz > 4 * steps * width ? dz + <usize>from * rowZ + 4 * rowH : 0;
        beforeRow = rowZ;
      }
      for (let i: u32 = 0; i < count; i++)
        copy(dz + <usize>(from + i) * rowZ + 4 * <usize>t * w, sums + 3 * <usize>i * w, 3 * width);
      if (before) gemmPacked(1, count, 3 * width, width, before, beforeRow, packed, sums, 3 * w, scratch);
      for (let i: u32 = 0; i < count; i++) {
        const to = now + <usize>i * rowH;
        const moved = before ? before + <usize>i * beforeRow : 0;
        if (isPadding(mask, from + i, steps, t)) {
          copyOrZero(moved, to, width);
          continue;
        }
        const at = states + <usize>(from + i) * row + <usize>t * pitch;
        let stateBefore = h0 ? h0 + <usize>(from + i) * w : 0;
        if (s > 0) stateBefore = (flags & REVERSE ? at + pitch : at - pitch) + 4 * w;
        const sum = sums + 3 * <usize>i * w;
        const ofN = dz + <usize>(from + i) * rowZ + (4 * <usize>t + 3) * w;
        for (let j: u32 = 0; j < width; j += 4) {
          const part = min<u32>(width - j, 4);
          const o = <usize>j << 2;
          const r = loadPart(at + o, part);
          const z = loadPart(at + w + o, part);
          const q = loadPart(at + 2 * w + o, part);
          const n = loadPart(at + 3 * w + o, part);
          const previous = stateBefore ? loadPart(stateBefore + o, part) : zero;
          const ofR = alongSigmoid(r, loadPart(sum + o, part));
          const ofZ = alongSigmoid(z, loadPart(sum + w + o, part));
          const inner = fma(r, loadPart(sum + 2 * w + o, part), loadPart(ofN + o, part));
          const candidate = alongTanh(n, fma(ofR, q, inner));
          let h = f32x4.mul(f32x4.sub(one, z), candidate);
          h = fma(ofZ, f32x4.sub(previous, n), h);
          if (moved) h = fma(z, loadPart(moved + o, part), h);
          storePart(to + o, h, part);
        }
      }
    }
  }
}
