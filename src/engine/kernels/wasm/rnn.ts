// Elman's recurrent layer: h = tanh(z + h₋₁·U) with z = x·W + b. Backward, with δ what flows back into h from above and from the next step:
// dz = δ·(1 − h²), and dz·Uᵀ goes on to the step before. What is padding lets the state, and δ, pass.

import { copy, copyOrZero, fill } from './elementwise';
import { gemmPacked } from './gemm-packed';
import { fnma, loadPart, storePart } from './lanes';
import { tanh4 } from './math';
import { isPadding, REVERSE } from './recurrence';
import { WORK, WORK_FLOATS } from './scratch';

export function rnnForward(
  flags: u32,
  rows: u32,
  steps: u32,
  width: u32,
  packed: usize,
  states: usize,
  mask: usize,
  h0: usize,
  scratch: usize,
): void {
  const pitch = <usize>width << 2;
  const row = <usize>steps * pitch;
  for (let s: u32 = 0; s < steps; s++) {
    const t = flags & REVERSE ? steps - 1 - s : s;
    const h = states + <usize>t * pitch;
    let before = flags & REVERSE ? h + pitch : h - pitch;
    let beforeRow = row;
    if (s == 0) {
      before = h0;
      beforeRow = pitch;
    }
    if (before) gemmPacked(1, rows, width, width, before, beforeRow, packed, h, row, scratch);
    for (let r: u32 = 0; r < rows; r++) {
      const at = h + <usize>r * row;
      if (isPadding(mask, r, steps, t)) {
        copyOrZero(before ? before + <usize>r * beforeRow : 0, at, width);
        continue;
      }
      let j: u32 = 0;
      if (width >= 8) {
        do {
          const p = at + (<usize>j << 2);
          const y0 = tanh4(v128.load(p));
          const y1 = tanh4(v128.load(p, 16));
          v128.store(p, y0);
          v128.store(p, y1, 16);
          j += 8;
        } while (j + 8 <= width);
      }
      for (; j < width; j += 4) {
        const p = at + (<usize>j << 2);
        const part = min<u32>(width - j, 4);
        storePart(p, tanh4(loadPart(p, part)), part);
      }
    }
  }
}

export function rnnBackward(
  flags: u32,
  rows: u32,
  steps: u32,
  width: u32,
  packed: usize,
  dh: usize,
  states: usize,
  mask: usize,
  dz: usize,
  lddz: u32,
  scratch: usize,
): void {
  const pitch = <usize>width << 2;
  const row = <usize>steps * pitch;
  const rowZ = <usize>lddz << 2;
  const carry = scratch + WORK;
  const most = max<u32>(1, WORK_FLOATS / width);
  const one = f32x4.splat(1);
  for (let from: u32 = 0; from < rows; from += most) {
    const count = min<u32>(most, rows - from);
    fill(carry, count * width, 0);
    for (let s = steps; s > 0; s--) {
      const t = flags & REVERSE ? steps - s : s - 1;
      for (let i: u32 = 0; i < count; i++) {
        const r = from + i;
        const dhAt = dh + <usize>r * row + <usize>t * pitch;
        const hAt = states + <usize>r * row + <usize>t * pitch;
        const dzAt = dz + <usize>r * rowZ + <usize>t * pitch;
        const carryAt = carry + <usize>i * pitch;
        const padding = isPadding(mask, r, steps, t);
        for (let j: u32 = 0; j < width; j += 4) {
          const part = min<u32>(width - j, 4);
          const o = <usize>j << 2;
          const d = f32x4.add(loadPart(dhAt + o, part), loadPart(carryAt + o, part));
          const h = loadPart(hAt + o, part);
          storePart(dzAt + o, padding ? f32x4.splat(0) : f32x4.mul(d, fnma(h, h, one)), part);
          storePart(carryAt + o, padding ? d : f32x4.splat(0), part);
        }
      }
      const z = dz + <usize>from * rowZ + <usize>t * pitch;
      gemmPacked(1, count, width, width, z, rowZ, packed, carry, pitch, scratch);
    }
    // what is left is the initial state's
    if (lddz > steps * width) {
      for (let i: u32 = 0; i < count; i++) {
        copy(carry + <usize>i * pitch, dz + <usize>(from + i) * rowZ + row, width);
      }
    }
  }
}
