// LSTM: i, f, o = σ(z + h₋₁·U), g = tanh(z + h₋₁·U), c = f·c₋₁ + i·g, h = o·tanh(c), with z = x·W + b. Backward, with δ what flows back into h, and
// γ what the next step's cell gives back:
//   dc = γ + δ·o·(1 − tanh²c)      dzi = dc·g·i(1 − i)      dzf = dc·c₋₁·f(1 − f)      dzg = dc·i·(1 − g²)      dzo = δ·tanh(c)·o(1 − o)
// dc·f goes on to the cell before, dz·Uᵀ to the hidden state before. What is padding lets both pass.

import { copy, copyOrZero, fill } from './elementwise';
import { gemmPacked } from './gemm-packed';
import { fma, fnma, loadPart, storePart } from './lanes';
import { sigmoid4, tanh4 } from './math';
import { isPadding, REVERSE } from './recurrence';
import { WORK, WORK_FLOATS } from './scratch';

/** One row: gates, cell and hidden state at `at` from x's part there and h's part at `sums`, the cell before at `before` (0: zeros). */
function lstmGates(at: usize, sums: usize, before: usize, width: u32): void {
  const w = <usize>width << 2;
  let p = at;
  let n = width;
  if (n >= 8) {
    do {
      const i0 = sigmoid4(f32x4.add(v128.load(p), v128.load(sums)));
      const i1 = sigmoid4(f32x4.add(v128.load(p, 16), v128.load(sums, 16)));
      const f0 = sigmoid4(f32x4.add(v128.load(p + w), v128.load(sums + w)));
      const f1 = sigmoid4(f32x4.add(v128.load(p + w, 16), v128.load(sums + w, 16)));
      const g0 = tanh4(f32x4.add(v128.load(p + 2 * w), v128.load(sums + 2 * w)));
      const g1 = tanh4(f32x4.add(v128.load(p + 2 * w, 16), v128.load(sums + 2 * w, 16)));
      const o0 = sigmoid4(f32x4.add(v128.load(p + 3 * w), v128.load(sums + 3 * w)));
      const o1 = sigmoid4(f32x4.add(v128.load(p + 3 * w, 16), v128.load(sums + 3 * w, 16)));
      let c0 = f32x4.mul(i0, g0);
      let c1 = f32x4.mul(i1, g1);
      if (before) {
        c0 = fma(f0, v128.load(before), c0);
        c1 = fma(f1, v128.load(before, 16), c1);
        before += 32;
      }
      const h0 = f32x4.mul(o0, tanh4(c0));
      const h1 = f32x4.mul(o1, tanh4(c1));
      v128.store(p, i0);
      v128.store(p, i1, 16);
      v128.store(p + w, f0);
      v128.store(p + w, f1, 16);
      v128.store(p + 2 * w, g0);
      v128.store(p + 2 * w, g1, 16);
      v128.store(p + 3 * w, o0);
      v128.store(p + 3 * w, o1, 16);
      v128.store(p + 4 * w, c0);
      v128.store(p + 4 * w, c1, 16);
      v128.store(p + 5 * w, h0);
      v128.store(p + 5 * w, h1, 16);
      p += 32;
      sums += 32;
      n -= 8;
    } while (n >= 8);
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    const i = sigmoid4(f32x4.add(loadPart(p, part), loadPart(sums, part)));
    const f = sigmoid4(f32x4.add(loadPart(p + w, part), loadPart(sums + w, part)));
    const g = tanh4(f32x4.add(loadPart(p + 2 * w, part), loadPart(sums + 2 * w, part)));
    const o = sigmoid4(f32x4.add(loadPart(p + 3 * w, part), loadPart(sums + 3 * w, part)));
    let c = f32x4.mul(i, g);
    if (before) {
      c = fma(f, loadPart(before, part), c);
      before += 16;
    }
    storePart(p, i, part);
    storePart(p + w, f, part);
    storePart(p + 2 * w, g, part);
    storePart(p + 3 * w, o, part);
    storePart(p + 4 * w, c, part);
    storePart(p + 5 * w, f32x4.mul(o, tanh4(c)), part);
    p += 16;
    sums += 16;
    n -= part;
  }
}

export function lstmForward(
  flags: u32,
  rows: u32,
  steps: u32,
  width: u32,
  packed: usize,
  states: usize,
  mask: usize,
  h0: usize,
  c0: usize,
  scratch: usize,
): void {
  const w = <usize>width << 2;
  const pitch = 6 * w;
  const row = <usize>steps * pitch;
  const sums = scratch + WORK;
  const most = max<u32>(1, WORK_FLOATS / (4 * width));
  for (let from: u32 = 0; from < rows; from += most) {
    const count = min<u32>(most, rows - from);
    for (let s: u32 = 0; s < steps; s++) {
      const t = flags & REVERSE ? steps - 1 - s : s;
      const now = states + <usize>from * row + <usize>t * pitch;
      const last = flags & REVERSE ? now + pitch : now - pitch;
      const before = s > 0 ? row : w;
      let h = last + 5 * w;
      let c = last + 4 * w;
      if (s == 0) {
        h = h0 ? h0 + <usize>from * w : 0;
        c = c0 ? c0 + <usize>from * w : 0;
      }
      if (h) gemmPacked(0, count, 4 * width, width, h, before, packed, sums, 4 * w, scratch);
      else fill(sums, count * 4 * width, 0);
      for (let i: u32 = 0; i < count; i++) {
        const at = now + <usize>i * row;
        const cell = c ? c + <usize>i * before : 0;
        if (!isPadding(mask, from + i, steps, t)) {
          lstmGates(at, sums + 4 * <usize>i * w, cell, width);
          continue;
        }
        fill(at, 4 * width, 0);
        copyOrZero(cell, at + 4 * w, width);
        copyOrZero(h ? h + <usize>i * before : 0, at + 5 * w, width);
      }
    }
  }
}

/**
 * One row of one step: dz from dh and what is carried (dh after w floats of dc), and dc for the step before. `carry` is [dc (width), dh (width)];
 * its dh becomes 0, to which the product is added.
 */
function lstmGateGradients(dh: usize, at: usize, before: usize, dz: usize, carry: usize, width: u32): void {
  const w = <usize>width << 2;
  const one = f32x4.splat(1);
  const zero = f32x4.splat(0);
  let n = width;
  if (n >= 8) {
    do {
      const i0 = v128.load(at);
      const i1 = v128.load(at, 16);
      const f0 = v128.load(at + w);
      const f1 = v128.load(at + w, 16);
      const g0 = v128.load(at + 2 * w);
      const g1 = v128.load(at + 2 * w, 16);
      const o0 = v128.load(at + 3 * w);
      const o1 = v128.load(at + 3 * w, 16);
      const t0 = tanh4(v128.load(at + 4 * w));
      const t1 = tanh4(v128.load(at + 4 * w, 16));
      const p0 = before ? v128.load(before) : zero;
      const p1 = before ? v128.load(before, 16) : zero;
      const d0 = f32x4.add(v128.load(dh), v128.load(carry + w));
      const d1 = f32x4.add(v128.load(dh, 16), v128.load(carry + w, 16));
      const c0 = fma(f32x4.mul(d0, o0), fnma(t0, t0, one), v128.load(carry));
      const c1 = fma(f32x4.mul(d1, o1), fnma(t1, t1, one), v128.load(carry, 16));
      const zi0 = f32x4.mul(f32x4.mul(c0, g0), fnma(i0, i0, i0));
      const zi1 = f32x4.mul(f32x4.mul(c1, g1), fnma(i1, i1, i1));
      const zf0 = f32x4.mul(f32x4.mul(c0, p0), fnma(f0, f0, f0));
      const zf1 = f32x4.mul(f32x4.mul(c1, p1), fnma(f1, f1, f1));
      const zg0 = f32x4.mul(f32x4.mul(c0, i0), fnma(g0, g0, one));
      const zg1 = f32x4.mul(f32x4.mul(c1, i1), fnma(g1, g1, one));
      const zo0 = f32x4.mul(f32x4.mul(d0, t0), fnma(o0, o0, o0));
      const zo1 = f32x4.mul(f32x4.mul(d1, t1), fnma(o1, o1, o1));
      const k0 = f32x4.mul(c0, f0);
      const k1 = f32x4.mul(c1, f1);
      v128.store(dz, zi0);
      v128.store(dz, zi1, 16);
      v128.store(dz + w, zf0);
      v128.store(dz + w, zf1, 16);
      v128.store(dz + 2 * w, zg0);
      v128.store(dz + 2 * w, zg1, 16);
      v128.store(dz + 3 * w, zo0);
      v128.store(dz + 3 * w, zo1, 16);
      v128.store(carry, k0);
      v128.store(carry, k1, 16);
      v128.store(carry + w, zero);
      v128.store(carry + w, zero, 16);
      dh += 32;
      at += 32;
      dz += 32;
      carry += 32;
      if (before) before += 32;
      n -= 8;
    } while (n >= 8);
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    const i = loadPart(at, part);
    const f = loadPart(at + w, part);
    const g = loadPart(at + 2 * w, part);
    const o = loadPart(at + 3 * w, part);
    const t = tanh4(loadPart(at + 4 * w, part));
    const p = before ? loadPart(before, part) : zero;
    const d = f32x4.add(loadPart(dh, part), loadPart(carry + w, part));
    const c = fma(f32x4.mul(d, o), fnma(t, t, one), loadPart(carry, part));
    storePart(dz, f32x4.mul(f32x4.mul(c, g), fnma(i, i, i)), part);
    storePart(dz + w, f32x4.mul(f32x4.mul(c, p), fnma(f, f, f)), part);
    storePart(dz + 2 * w, f32x4.mul(f32x4.mul(c, i), fnma(g, g, one)), part);
    storePart(dz + 3 * w, f32x4.mul(f32x4.mul(d, t), fnma(o, o, o)), part);
    storePart(carry, f32x4.mul(c, f), part);
    storePart(carry + w, zero, part);
    dh += 16;
    at += 16;
    dz += 16;
    carry += 16;
    if (before) before += 16;
    n -= part;
  }
}

export function lstmBackward(
  flags: u32,
  rows: u32,
  steps: u32,
  width: u32,
  packed: usize,
  dh: usize,
  states: usize,
  mask: usize,
  c0: usize,
  dz: usize,
  lddz: u32,
  scratch: usize,
): void {
  const w = <usize>width << 2;
  const pitch = 6 * w;
  const row = <usize>steps * pitch;
  const rowZ = <usize>lddz << 2;
  const carry = scratch + WORK;
  const most = max<u32>(1, WORK_FLOATS / (2 * width));
  for (let from: u32 = 0; from < rows; from += most) {
    const count = min<u32>(most, rows - from);
    fill(carry, 2 * count * width, 0);
    for (let s = steps; s > 0; s--) {
      const t = flags & REVERSE ? steps - s : s - 1;
      for (let i: u32 = 0; i < count; i++) {
        const r = from + i;
        const at = states + <usize>r * row + <usize>t * pitch;
        const dhAt = dh + (<usize>r * <usize>steps + <usize>t) * w;
        const dzAt = dz + <usize>r * rowZ + <usize>t * 4 * w;
        const carryAt = carry + 2 * <usize>i * w;
        if (isPadding(mask, r, steps, t)) {
          fill(dzAt, 4 * width, 0);
          for (let j: u32 = 0; j < width; j++) {
            const o = carryAt + w + (<usize>j << 2);
            store<f32>(o, load<f32>(o) + load<f32>(dhAt + (<usize>j << 2)));
          }
          continue;
        }
        let before = c0 ? c0 + <usize>r * w : 0;
        if (s > 1) before = (flags & REVERSE ? at + pitch : at - pitch) + 4 * w;
        lstmGateGradients(dhAt, at, before, dzAt, carryAt, width);
      }
      const z = dz + <usize>from * rowZ + <usize>t * 4 * w;
      gemmPacked(1, count, width, 4 * width, z, rowZ, packed, carry + w, 2 * w, scratch);
    }
    // what is left is the initial state's: [dh0, dc0] behind the steps
    if (lddz > 4 * steps * width) {
      for (let i: u32 = 0; i < count; i++) {
        const to = dz + <usize>(from + i) * rowZ + <usize>steps * 4 * w;
        const at = carry + 2 * <usize>i * w;
        copy(at + w, to, width);
        copy(at, to + w, width);
      }
    }
  }
}
