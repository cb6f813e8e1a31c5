// C (m,n) = activation(op(A) (m,k) · op(B) (k,n) [+ C] [+ bias]), row-major, after Goto & van de Geijn (Anatomy of
// High-Performance Matrix Multiplication, 2008).
//
//   for blocks of NC columns of B
//     for blocks of KC along k            pack B's block into panels of 16 columns: [panel][k][16]
//       for blocks of MC rows of A        pack A's block, if transposed, into panels of 5 rows: [panel][k][5]
//         for panels of B, for panels of A: one 5×16 tile of C in registers
//
// A tile's sums are kept in 20 vectors of 4, that is 10 registers of 256 bits when revectorised; two more hold a row of
// B and one an element of A.
//
// The same bits whatever the range: an element of C is Σ fma(a, b) over a KC block in ascending k from 0, and the blocks'
// sums are added to C in ascending order. Edge tiles run the same tile code on zero-padded panels (or on rows read
// twice) into a temporary tile, and the part inside C is copied.

import { geluErf, geluTanh, sigmoid, tanh } from './activations';
import { tileColumns, tileRows } from './gemm-tiles';
import { fma, loadPart, storePart } from './lanes';

// @ts-ignore: decorator
@inline const KC: u32 = 256;
// @ts-ignore: decorator
@inline const NC: u32 = 512;
// @ts-ignore: decorator
@inline const MC: u32 = 240;
/** Scratch: packed B (1 MiB) at 0, packed A (240 KiB) and the temporary tile (320 B) behind. */
// @ts-ignore: decorator
@inline const SCRATCH_A: usize = 1048576;
// @ts-ignore: decorator
@inline const SCRATCH_TILE: usize = 1572864;

// bits of flags
// @ts-ignore: decorator
@inline const TRANSPOSE_A: u32 = 1;
// @ts-ignore: decorator
@inline const TRANSPOSE_B: u32 = 2;
// @ts-ignore: decorator
@inline const ACCUMULATE: u32 = 4;
// @ts-ignore: decorator
@inline const BIAS: u32 = 8;

/** 16 floats; the four quarters of a panel's row */
// @ts-ignore: decorator
@inline
function copyRow16(from: usize, to: usize, at: usize): void {
  const b0 = v128.load(from + at);
  const b1 = v128.load(from + at, 16);
  const b2 = v128.load(from + at, 32);
  const b3 = v128.load(from + at, 48);
  v128.store(to, b0);
  v128.store(to, b1, 16);
  v128.store(to, b2, 32);
  v128.store(to, b3, 48);
}

/**
 * B (k, n) to panels of 16 columns: to[panel][p][16]. Columns past n hold whatever was there: they only reach columns of
 * the temporary tile that nobody copies. Four panels at a time, so that 256 bytes of a row are read in one go: PACK4
 */
function packB(b: usize, pitch: usize, k: u32, n: u32, to: usize): void {
  const panel = <usize>k << 6;
  for (; n >= 64; n -= 64) {
    let from = b;
    let out = to;
    for (let p = k; p > 0; p--) {
      copyRow16(from, out, 0);
      copyRow16(from, out + panel, 64);
      copyRow16(from, out + 2 * panel, 128);
      copyRow16(from, out + 3 * panel, 192);
      from += pitch;
      out += 64;
    }
    b += 256;
    to += 4 * panel;
  }
  for (; n >= 16; n -= 16) {
    let from = b;
    for (let p = k; p > 0; p--) {
      copyRow16(from, to, 0);
      from += pitch;
      to += 64;
    }
    b += 64;
  }
  if (n > 0) {
    const whole = n & ~3;
    for (let p = k; p > 0; p--) {
      for (let j: u32 = 0; j < whole; j += 4) v128.store(to + (<usize>j << 2), v128.load(b + (<usize>j << 2)));
      for (let j = whole; j < n; j++) store<f32>(to + (<usize>j << 2), load<f32>(b + (<usize>j << 2)));
      b += pitch;
      to += 64;
    }
  }
}

/** Bᵀ (n, k) to panels of 16 columns of B, four rows of Bᵀ at a time: to[panel][p][16]; columns past n as in packB */
function packBTransposed(b: usize, pitch: usize, k: u32, n: u32, to: usize): void {
  const panel = <usize>k << 6;
  let group: u32 = 0;
  for (; group + 4 <= n; group += 4) {
    let out = to + <usize>(group >> 4) * panel + (<usize>(group & 15) << 2);
    let r0 = b;
    let r1 = r0 + pitch;
    let r2 = r1 + pitch;
    let r3 = r2 + pitch;
    let p = k;
    for (; p >= 4; p -= 4) {
      const x0 = v128.load(r0);
      const x1 = v128.load(r1);
      const x2 = v128.load(r2);
      const x3 = v128.load(r3);
      const u0 = v128.shuffle<u32>(x0, x1, 0, 4, 1, 5);
      const u1 = v128.shuffle<u32>(x2, x3, 0, 4, 1, 5);
      const u2 = v128.shuffle<u32>(x0, x1, 2, 6, 3, 7);
      const u3 = v128.shuffle<u32>(x2, x3, 2, 6, 3, 7);
      v128.store(out, v128.shuffle<u64>(u0, u1, 0, 2));
      v128.store(out, v128.shuffle<u64>(u0, u1, 1, 3), 64);
      v128.store(out, v128.shuffle<u64>(u2, u3, 0, 2), 128);
      v128.store(out, v128.shuffle<u64>(u2, u3, 1, 3), 192);
      r0 += 16;
      r1 += 16;
      r2 += 16;
      r3 += 16;
      out += 256;
    }
    for (; p > 0; p--) {
      store<f32>(out, load<f32>(r0));
      store<f32>(out, load<f32>(r1), 4);
      store<f32>(out, load<f32>(r2), 8);
      store<f32>(out, load<f32>(r3), 12);
      r0 += 4;
      r1 += 4;
      r2 += 4;
      r3 += 4;
      out += 64;
    }
    b += 4 * pitch;
  }
  for (; group < n; group++) {
    let out = to + <usize>(group >> 4) * panel + (<usize>(group & 15) << 2);
    let from = b;
    for (let p = k; p > 0; p--) {
      store<f32>(out, load<f32>(from));
      from += 4;
      out += 64;
    }
    b += pitch;
  }
}

/** Aᵀ (k, m) to panels of 5 rows of A: to[panel][p][5]; rows past m hold whatever was there, as in packB */
function packATransposed(a: usize, pitch: usize, k: u32, m: u32, to: usize): void {
  for (; m >= 5; m -= 5) {
    let from = a;
    for (let p = k; p > 0; p--) {
      const x = v128.load(from);
      const y = load<f32>(from, 16);
      v128.store(to, x);
      store<f32>(to, y, 16);
      from += pitch;
      to += 20;
    }
    a += 20;
  }
  if (m > 0) {
    for (let p = k; p > 0; p--) {
      for (let i: u32 = 0; i < m; i++) store<f32>(to + (<usize>i << 2), load<f32>(a + (<usize>i << 2)));
      a += pitch;
      to += 20;
    }
  }
}

/** C (+)= the first rows × cols of the temporary tile (5, 16) */
function mergeTile(tile: usize, c: usize, pitch: usize, rows: u32, cols: u32, accumulate: u32): void {
  for (; rows > 0; rows--) {
    for (let j: u32 = 0; j < cols; j += 4) {
      const part = min<u32>(cols - j, 4);
      const at = c + (<usize>j << 2);
      let value = v128.load(tile + (<usize>j << 2));
      if (accumulate) value = f32x4.add(loadPart(at, part), value);
      storePart(at, value, part);
    }
    tile += 64;
    c += pitch;
  }
}

/** c (rows, cols) += bias (cols) if bias ≠ 0, then negatives are multiplied by `slope` (1: no activation; 0: relu) */
function finishPanel(c: usize, pitch: usize, rows: u32, cols: u32, bias: usize, activation: u32, alpha: f32): void {
  const zero = f32x4.splat(0);
  const slope = f32x4.splat(alpha);
  if (cols == 16) {
    const b0 = bias ? v128.load(bias) : zero;
    const b1 = bias ? v128.load(bias, 16) : zero;
    const b2 = bias ? v128.load(bias, 32) : zero;
    const b3 = bias ? v128.load(bias, 48) : zero;
    if (activation == 1) {
      for (; rows > 0; rows--) {
        const c0 = v128.load(c);
        const c1 = v128.load(c, 16);
        const c2 = v128.load(c, 32);
        const c3 = v128.load(c, 48);
        v128.store(c, f32x4.pmax(f32x4.add(c0, b0), zero));
        v128.store(c, f32x4.pmax(f32x4.add(c1, b1), zero), 16);
        v128.store(c, f32x4.pmax(f32x4.add(c2, b2), zero), 32);
        v128.store(c, f32x4.pmax(f32x4.add(c3, b3), zero), 48);
        c += pitch;
      }
      return;
    }
    if (activation != 2) {
      for (; rows > 0; rows--) {
        const c0 = v128.load(c);
        const c1 = v128.load(c, 16);
        const c2 = v128.load(c, 32);
        const c3 = v128.load(c, 48);
        v128.store(c, f32x4.add(c0, b0));
        v128.store(c, f32x4.add(c1, b1), 16);
        v128.store(c, f32x4.add(c2, b2), 32);
        v128.store(c, f32x4.add(c3, b3), 48);
        c += pitch;
      }
      return;
    }
  }
  for (; rows > 0; rows--) {
    for (let j: u32 = 0; j < cols; j += 4) {
      const part = min<u32>(cols - j, 4);
      const at = c + (<usize>j << 2);
      let value = loadPart(at, part);
      value = f32x4.add(value, bias ? loadPart(bias + (<usize>j << 2), part) : zero);
      if (activation == 1) value = f32x4.pmax(value, zero);
      if (activation == 2) value = v128.bitselect(f32x4.mul(value, slope), value, f32x4.lt(value, zero));
      storePart(at, value, part);
    }
    c += pitch;
  }
}

/** The activations that cost more than a few instructions, over whole rows of C once it is complete. */
function activateRows(c: usize, pitch: usize, rows: u32, cols: u32, activation: u32): void {
  for (; rows > 0; rows--) {
    if (activation == 3) sigmoid(c, c, cols);
    else if (activation == 4) tanh(c, c, cols);
    else if (activation == 5) geluErf(c, c, cols);
    else geluTanh(c, c, cols);
    c += pitch;
  }
}

export function gemm(
  flags: u32,
  m: u32,
  n: u32,
  k: u32,
  a: usize,
  lda: u32,
  b: usize,
  ldb: u32,
  c: usize,
  ldc: u32,
  bias: usize,
  activation: u32,
  alpha: f32,
  scratch: usize,
): void {
  const pitchA = <usize>lda << 2;
  const pitchB = <usize>ldb << 2;
  const pitchC = <usize>ldc << 2;
  const transposeA = flags & TRANSPOSE_A;
  const packedA = scratch + SCRATCH_A;
  const tile = scratch + SCRATCH_TILE;
  if (!(flags & BIAS)) bias = 0;
  // Up to 32 columns Aᵀ is read where it lies: packing it would cost as much as the product. MEASURE
  const packA = transposeA && n > 32;
  const finish = bias != 0 || activation == 1 || activation == 2;

  for (let jc: u32 = 0; jc < n; jc += NC) {
    const nc = min<u32>(n - jc, NC);
    let pc: u32 = 0;
    do {
      const kc = min<u32>(k - pc, KC);
      const accumulate = pc > 0 ? 1 : flags & ACCUMULATE;
      const last = pc + kc == k;
      if (flags & TRANSPOSE_B) packBTransposed(b + <usize>jc * pitchB + (<usize>pc << 2), pitchB, kc, nc, scratch);
      else packB(b + <usize>pc * pitchB + (<usize>jc << 2), pitchB, kc, nc, scratch);

      for (let ic: u32 = 0; ic < m; ic += MC) {
        const mc = min<u32>(m - ic, MC);
        const rowsA = a + <usize>ic * pitchA + (<usize>pc << 2);
        const columnsA = a + <usize>pc * pitchA + (<usize>ic << 2);
        if (packA) packATransposed(columnsA, pitchA, kc, mc, packedA);

        for (let jr: u32 = 0; jr < nc; jr += 16) {
          const panelB = scratch + <usize>jr * <usize>(kc << 2);
          const cols = min<u32>(nc - jr, 16);
          const panelC = c + <usize>ic * pitchC + (<usize>(jc + jr) << 2);
          for (let ir: u32 = 0; ir < mc; ir += 5) {
            const rows = min<u32>(mc - ir, 5);
            const at = panelC + <usize>ir * pitchC;
            const whole = rows == 5 && cols == 16;
            const out = whole ? at : tile;
            const pitch = whole ? pitchC : 64;
            const add = whole ? accumulate : 0;
            if (transposeA) {
              let columns = columnsA + (<usize>ir << 2);
              let stride = pitchA;
              if (packA || rows < 5) {
                if (!packA) packATransposed(columns, pitchA, kc, rows, packedA);
                columns = packA ? packedA + <usize>ir * <usize>(kc << 2) : packedA;
                stride = 20;
              }
              tileColumns(kc, columns, stride, panelB, out, pitch, add);
            } else {
              const a0 = rowsA + <usize>ir * pitchA;
              const a1 = rows > 1 ? a0 + pitchA : a0;
              const a2 = rows > 2 ? a1 + pitchA : a1;
              const a3 = rows > 3 ? a2 + pitchA : a2;
              const a4 = rows > 4 ? a3 + pitchA : a3;
              tileRows(kc, a0, a1, a2, a3, a4, panelB, out, pitch, add);
            }
            if (!whole) mergeTile(tile, at, pitchC, rows, cols, accumulate);
          }
          if (last && finish) {
            const biasAt = bias ? bias + (<usize>(jc + jr) << 2) : 0;
            finishPanel(panelC, pitchC, mc, cols, biasAt, activation, alpha);
          }
        }
      }
      pc += KC;
    } while (pc < k);
  }
  if (activation > 2) activateRows(c, pitchC, m, n, activation);
}

/** `iterations` × 20 independent fused multiply-adds of 4 lanes: 160 floating-point operations each, in registers. */
export function fmaPeak(iterations: i32): f32 {
  // operands V8 cannot know: constants would be made anew at every use
  const x = f32x4.splat(<f32>iterations * 1e-10);
  const y = f32x4.splat(<f32>iterations * 1e-12);
  let s0 = f32x4.splat(0.0);
  let t0 = f32x4.splat(0.0);
  let s1 = f32x4.splat(1.0);
  let t1 = f32x4.splat(1.0);
  let s2 = f32x4.splat(2.0);
  let t2 = f32x4.splat(2.0);
  let s3 = f32x4.splat(3.0);
  let t3 = f32x4.splat(3.0);
  let s4 = f32x4.splat(4.0);
  let t4 = f32x4.splat(4.0);
  let s5 = f32x4.splat(5.0);
  let t5 = f32x4.splat(5.0);
  let s6 = f32x4.splat(6.0);
  let t6 = f32x4.splat(6.0);
  let s7 = f32x4.splat(7.0);
  let t7 = f32x4.splat(7.0);
  let s8 = f32x4.splat(8.0);
  let t8 = f32x4.splat(8.0);
  let s9 = f32x4.splat(9.0);
  let t9 = f32x4.splat(9.0);
  for (let i = iterations; i > 0; i--) {
    s0 = fma(s0, x, y);
    t0 = fma(t0, x, y);
    s1 = fma(s1, x, y);
    t1 = fma(t1, x, y);
    s2 = fma(s2, x, y);
    t2 = fma(t2, x, y);
    s3 = fma(s3, x, y);
    t3 = fma(t3, x, y);
    s4 = fma(s4, x, y);
    t4 = fma(t4, x, y);
    s5 = fma(s5, x, y);
    t5 = fma(t5, x, y);
    s6 = fma(s6, x, y);
    t6 = fma(t6, x, y);
    s7 = fma(s7, x, y);
    t7 = fma(t7, x, y);
    s8 = fma(s8, x, y);
    t8 = fma(t8, x, y);
    s9 = fma(s9, x, y);
    t9 = fma(t9, x, y);
  }
  // Used as halves of pairs only, or each turn of the loop would take the 256-bit sums apart. The branch is never
  // taken: a pair of stores is what the revectoriser starts from.
  const s = sum10(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9);
  const t = sum10(t0, t1, t2, t3, t4, t5, t6, t7, t8, t9);
  if (iterations < 0) {
    v128.store(iterations, s);
    v128.store(iterations, t, 16);
  }
  return f32x4.extract_lane(s, 0) + f32x4.extract_lane(t, 0);
}

// @ts-ignore: decorator
@inline
function sum10(
  a: v128,
  b: v128,
  c: v128,
  d: v128,
  e: v128,
  f: v128,
  g: v128,
  h: v128,
  i: v128,
  j: v128,
): v128 {
  const abcd = f32x4.add(f32x4.add(a, b), f32x4.add(c, d));
  const efgh = f32x4.add(f32x4.add(e, f), f32x4.add(g, h));
  return f32x4.add(f32x4.add(abcd, efgh), f32x4.add(i, j));
}
