// GRU: r, z = σ(x-part + h₋₁·U), q = h₋₁·U + bias, n = tanh(x-part + r·q), h = (1 − z)·n + z·h₋₁. Backward, with δ what flows back into h:
//   dn = δ·(1 − z)(1 − n²)      dq = dn·r      dr = dn·q·r(1 − r)      dz = δ·(h₋₁ − n)·z(1 − z)
// δ·z + [dr dz dq]·Uᵀ goes on to the step before. What is padding lets the state, and δ, pass.

import { copy, copyOrZero, fill } from './elementwise';
import { gemmPacked } from './gemm-packed';
import { fma, fnma, loadPart, storePart } from './lanes';
import { sigmoid4, tanh4 } from './math';
import { isPadding, REVERSE } from './recurrence';
import { WORK, WORK_FLOATS } from './scratch';

export function gruForward(
  flags: u32,
  rows: u32,
  steps: u32,
  width: u32,
  packed: usize,
  bias: usize,
  states: usize,
  mask: usize,
  h0: usize,
  scratch: usize,
): void {
  const w = <usize>width << 2;
  const pitch = 5 * w;
  const row = <usize>steps * pitch;
  const one = f32x4.splat(1);
  const zero = f32x4.splat(0);
  for (let s: u32 = 0; s < steps; s++) {
    const t = flags & REVERSE ? steps - 1 - s : s;
    const now = states + <usize>t * pitch;
    const last = flags & REVERSE ? now + pitch : now - pitch;
    const h = s > 0 ? last + 4 * w : h0;
    const before = s > 0 ? row : w;
    for (let r: u32 = 0; r < rows; r++) {
      const q = now + <usize>r * row + 2 * w;
      copyOrZero(bias, q, width);
    }
    if (h) gemmPacked(1, rows, 3 * width, width, h, before, packed, now, row, scratch);
    for (let i: u32 = 0; i < rows; i++) {
      const at = now + <usize>i * row;
      const hAt = h ? h + <usize>i * before : 0;
      if (isPadding(mask, i, steps, t)) {
        fill(at, 4 * width, 0);
        copyOrZero(hAt, at + 4 * w, width);
        continue;
      }
      let j: u32 = 0;
      do {
        const part = min<u32>(width - j, 4);
        const p = at + (<usize>j << 2);
        const r = sigmoid4(loadPart(p, part));
        const z = sigmoid4(loadPart(p + w, part));
        const n = tanh4(fma(r, loadPart(p + 2 * w, part), loadPart(p + 3 * w, part)));
        const previous = hAt ? loadPart(hAt + (<usize>j << 2), part) : zero;
        storePart(p, r, part);
        storePart(p + w, z, part);
        storePart(p + 3 * w, n, part);
        storePart(p + 4 * w, fma(z, previous, f32x4.mul(f32x4.sub(one, z), n)), part);
        j += 4;
      } while (j < width);
    }
  }
}

export function gruBackward(
  flags: u32,
  rows: u32,
  steps: u32,
  width: u32,
  packed: usize,
  dh: usize,
  states: usize,
  mask: usize,
  h0: usize,
  dz: usize,
  lddz: u32,
  scratch: usize,
): void {
  const w = <usize>width << 2;
  const pitch = 5 * w;
  const row = <usize>steps * pitch;
  const rowZ = <usize>lddz << 2;
  const carry = scratch + WORK;
  const most = max<u32>(1, WORK_FLOATS / width);
  const one = f32x4.splat(1);
  const zero = f32x4.splat(0);
  for (let from: u32 = 0; from < rows; from += most) {
    const count = min<u32>(most, rows - from);
    fill(carry, count * width, 0);
    for (let s = steps; s > 0; s--) {
      const t = flags & REVERSE ? steps - s : s - 1;
      for (let i: u32 = 0; i < count; i++) {
        const rowIndex = from + i;
        const at = states + <usize>rowIndex * row + <usize>t * pitch;
        const dhAt = dh + (<usize>rowIndex * <usize>steps + <usize>t) * w;
        const dzAt = dz + <usize>rowIndex * rowZ + <usize>t * 4 * w;
        const carryAt = carry + <usize>i * w;
        let before = h0 ? h0 + <usize>rowIndex * w : 0;
        if (s > 1) before = (flags & REVERSE ? at + pitch : at - pitch) + 4 * w;
        const padding = isPadding(mask, rowIndex, steps, t);
        for (let j: u32 = 0; j < width; j += 4) {
          const part = min<u32>(width - j, 4);
          const o = <usize>j << 2;
          const d = f32x4.add(loadPart(dhAt + o, part), loadPart(carryAt + o, part));
          const r = loadPart(at + o, part);
          const z = loadPart(at + w + o, part);
          const q = loadPart(at + 2 * w + o, part);
          const n = loadPart(at + 3 * w + o, part);
          const previous = before ? loadPart(before + o, part) : zero;
          const dn = f32x4.mul(f32x4.mul(d, f32x4.sub(one, z)), fnma(n, n, one));
          const dq = f32x4.mul(dn, r);
          const dr = f32x4.mul(f32x4.mul(dn, q), fnma(r, r, r));
          const du = f32x4.mul(f32x4.mul(d, f32x4.sub(previous, n)), fnma(z, z, z));
          storePart(dzAt + o, padding ? zero : dr, part);
          storePart(dzAt + w + o, padding ? zero : du, part);
          storePart(dzAt + 2 * w + o, padding ? zero : dq, part);
          storePart(dzAt + 3 * w + o, padding ? zero : dn, part);
          storePart(carryAt + o, padding ? d : f32x4.mul(d, z), part);
        }
      }
      const z = dz + <usize>from * rowZ + <usize>t * 4 * w;
      gemmPacked(1, count, width, 3 * width, z, rowZ, packed, carry, w, scratch);
    }
    if (lddz > 4 * steps * width) {
      for (let i: u32 = 0; i < count; i++) {
        copy(carry + <usize>i * w, dz + <usize>(from + i) * rowZ + <usize>steps * 4 * w, width);
      }
    }
  }
}
