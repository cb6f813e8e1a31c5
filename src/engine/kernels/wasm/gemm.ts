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
import { fma, loadPart, storePart } from './lanes';

// @ts-ignore: decorator
@inline const KC: u32 = 256;
// @ts-ignore: decorator
@inline const NC: u32 = 1024;
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

/** B (k, n) to panels of 16 columns: to[panel][p][16]; columns past n are 0 */
function packB(b: usize, pitch: usize, k: u32, n: u32, to: usize): void {
  for (; n >= 16; n -= 16) {
    let from = b;
    for (let p = k; p > 0; p--) {
      const b0 = v128.load(from);
      const b1 = v128.load(from, 16);
      const b2 = v128.load(from, 32);
      const b3 = v128.load(from, 48);
      v128.store(to, b0);
      v128.store(to, b1, 16);
      v128.store(to, b2, 32);
      v128.store(to, b3, 48);
      from += pitch;
      to += 64;
    }
    b += 64;
  }
  if (n > 0) {
    for (let p = k; p > 0; p--) {
      for (let j: u32 = 0; j < 16; j += 4) {
        const part = j < n ? min<u32>(n - j, 4) : 0;
        v128.store(to + (<usize>j << 2), part > 0 ? loadPart(b + (<usize>j << 2), part) : f32x4.splat(0));
      }
      b += pitch;
      to += 64;
    }
  }
}

/** Bᵀ (n, k) to panels of 16 columns of B: to[panel][p][16]; columns past n are 0 */
function packBTransposed(b: usize, pitch: usize, k: u32, n: u32, to: usize): void {
  for (let panel: u32 = 0; panel < n; panel += 16) {
    for (let group: u32 = panel; group < panel + 16; group += 4) {
      let out = to + (<usize>(group - panel) << 2);
      if (group + 4 <= n) {
        let r0 = b + <usize>group * pitch;
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
      } else {
        for (let p: u32 = 0; p < k; p++) {
          for (let j: u32 = 0; j < 4; j++) {
            const at = b + <usize>(group + j) * pitch + (<usize>p << 2);
            store<f32>(out + (<usize>j << 2), group + j < n ? load<f32>(at) : 0);
          }
          out += 64;
        }
      }
    }
    to += <usize>k << 6;
  }
}

/** Aᵀ (k, m) to panels of 5 rows of A: to[panel][p][5]; rows past m are 0 */
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
      for (let i: u32 = 0; i < 5; i++) store<f32>(to + (<usize>i << 2), i < m ? load<f32>(a + (<usize>i << 2)) : 0);
      a += pitch;
      to += 20;
    }
  }
}

/**
 * One 5×16 tile: C (+)= A·B, A five rows at a0..a4, contiguous along k; B a packed panel.
 */
function tileRows(
  k: u32,
  a0: usize,
  a1: usize,
  a2: usize,
  a3: usize,
  a4: usize,
  b: usize,
  c: usize,
  pitch: usize,
  accumulate: u32,
): void {
  let s00 = f32x4.splat(0);
  let s01 = f32x4.splat(0);
  let s02 = f32x4.splat(0);
  let s03 = f32x4.splat(0);
  let s10 = f32x4.splat(0);
  let s11 = f32x4.splat(0);
  let s12 = f32x4.splat(0);
  let s13 = f32x4.splat(0);
  let s20 = f32x4.splat(0);
  let s21 = f32x4.splat(0);
  let s22 = f32x4.splat(0);
  let s23 = f32x4.splat(0);
  let s30 = f32x4.splat(0);
  let s31 = f32x4.splat(0);
  let s32 = f32x4.splat(0);
  let s33 = f32x4.splat(0);
  let s40 = f32x4.splat(0);
  let s41 = f32x4.splat(0);
  let s42 = f32x4.splat(0);
  let s43 = f32x4.splat(0);
  for (; k > 0; k--) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const b2 = v128.load(b, 32);
    const b3 = v128.load(b, 48);
    const x0 = v128.load_splat<f32>(a0);
    const x1 = v128.load_splat<f32>(a1);
    const x2 = v128.load_splat<f32>(a2);
    const x3 = v128.load_splat<f32>(a3);
    const x4 = v128.load_splat<f32>(a4);
    s00 = fma(x0, b0, s00);
    s01 = fma(x0, b1, s01);
    s02 = fma(x0, b2, s02);
    s03 = fma(x0, b3, s03);
    s10 = fma(x1, b0, s10);
    s11 = fma(x1, b1, s11);
    s12 = fma(x1, b2, s12);
    s13 = fma(x1, b3, s13);
    s20 = fma(x2, b0, s20);
    s21 = fma(x2, b1, s21);
    s22 = fma(x2, b2, s22);
    s23 = fma(x2, b3, s23);
    s30 = fma(x3, b0, s30);
    s31 = fma(x3, b1, s31);
    s32 = fma(x3, b2, s32);
    s33 = fma(x3, b3, s33);
    s40 = fma(x4, b0, s40);
    s41 = fma(x4, b1, s41);
    s42 = fma(x4, b2, s42);
    s43 = fma(x4, b3, s43);
    a0 += 4;
    a1 += 4;
    a2 += 4;
    a3 += 4;
    a4 += 4;
    b += 64;
  }
  if (accumulate) {
    const c00 = v128.load(c);
    const c01 = v128.load(c, 16);
    const c02 = v128.load(c, 32);
    const c03 = v128.load(c, 48);
    v128.store(c, f32x4.add(c00, s00));
    v128.store(c, f32x4.add(c01, s01), 16);
    v128.store(c, f32x4.add(c02, s02), 32);
    v128.store(c, f32x4.add(c03, s03), 48);
    c += pitch;
    const c10 = v128.load(c);
    const c11 = v128.load(c, 16);
    const c12 = v128.load(c, 32);
    const c13 = v128.load(c, 48);
    v128.store(c, f32x4.add(c10, s10));
    v128.store(c, f32x4.add(c11, s11), 16);
    v128.store(c, f32x4.add(c12, s12), 32);
    v128.store(c, f32x4.add(c13, s13), 48);
    c += pitch;
    const c20 = v128.load(c);
    const c21 = v128.load(c, 16);
    const c22 = v128.load(c, 32);
    const c23 = v128.load(c, 48);
    v128.store(c, f32x4.add(c20, s20));
    v128.store(c, f32x4.add(c21, s21), 16);
    v128.store(c, f32x4.add(c22, s22), 32);
    v128.store(c, f32x4.add(c23, s23), 48);
    c += pitch;
    const c30 = v128.load(c);
    const c31 = v128.load(c, 16);
    const c32 = v128.load(c, 32);
    const c33 = v128.load(c, 48);
    v128.store(c, f32x4.add(c30, s30));
    v128.store(c, f32x4.add(c31, s31), 16);
    v128.store(c, f32x4.add(c32, s32), 32);
    v128.store(c, f32x4.add(c33, s33), 48);
    c += pitch;
    const c40 = v128.load(c);
    const c41 = v128.load(c, 16);
    const c42 = v128.load(c, 32);
    const c43 = v128.load(c, 48);
    v128.store(c, f32x4.add(c40, s40));
    v128.store(c, f32x4.add(c41, s41), 16);
    v128.store(c, f32x4.add(c42, s42), 32);
    v128.store(c, f32x4.add(c43, s43), 48);
  } else {
    v128.store(c, s00);
    v128.store(c, s01, 16);
    v128.store(c, s02, 32);
    v128.store(c, s03, 48);
    c += pitch;
    v128.store(c, s10);
    v128.store(c, s11, 16);
    v128.store(c, s12, 32);
    v128.store(c, s13, 48);
    c += pitch;
    v128.store(c, s20);
    v128.store(c, s21, 16);
    v128.store(c, s22, 32);
    v128.store(c, s23, 48);
    c += pitch;
    v128.store(c, s30);
    v128.store(c, s31, 16);
    v128.store(c, s32, 32);
    v128.store(c, s33, 48);
    c += pitch;
    v128.store(c, s40);
    v128.store(c, s41, 16);
    v128.store(c, s42, 32);
    v128.store(c, s43, 48);
  }
}

/** The same with A a packed panel (k, 5). */
function tilePacked(k: u32, a: usize, b: usize, c: usize, pitch: usize, accumulate: u32): void {
  let s00 = f32x4.splat(0);
  let s01 = f32x4.splat(0);
  let s02 = f32x4.splat(0);
  let s03 = f32x4.splat(0);
  let s10 = f32x4.splat(0);
  let s11 = f32x4.splat(0);
  let s12 = f32x4.splat(0);
  let s13 = f32x4.splat(0);
  let s20 = f32x4.splat(0);
  let s21 = f32x4.splat(0);
  let s22 = f32x4.splat(0);
  let s23 = f32x4.splat(0);
  let s30 = f32x4.splat(0);
  let s31 = f32x4.splat(0);
  let s32 = f32x4.splat(0);
  let s33 = f32x4.splat(0);
  let s40 = f32x4.splat(0);
  let s41 = f32x4.splat(0);
  let s42 = f32x4.splat(0);
  let s43 = f32x4.splat(0);
  for (; k > 0; k--) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const b2 = v128.load(b, 32);
    const b3 = v128.load(b, 48);
    const x0 = v128.load_splat<f32>(a);
    const x1 = v128.load_splat<f32>(a, 4);
    const x2 = v128.load_splat<f32>(a, 8);
    const x3 = v128.load_splat<f32>(a, 12);
    const x4 = v128.load_splat<f32>(a, 16);
    s00 = fma(x0, b0, s00);
    s01 = fma(x0, b1, s01);
    s02 = fma(x0, b2, s02);
    s03 = fma(x0, b3, s03);
    s10 = fma(x1, b0, s10);
    s11 = fma(x1, b1, s11);
    s12 = fma(x1, b2, s12);
    s13 = fma(x1, b3, s13);
    s20 = fma(x2, b0, s20);
    s21 = fma(x2, b1, s21);
    s22 = fma(x2, b2, s22);
    s23 = fma(x2, b3, s23);
    s30 = fma(x3, b0, s30);
    s31 = fma(x3, b1, s31);
    s32 = fma(x3, b2, s32);
    s33 = fma(x3, b3, s33);
    s40 = fma(x4, b0, s40);
    s41 = fma(x4, b1, s41);
    s42 = fma(x4, b2, s42);
    s43 = fma(x4, b3, s43);
    a += 20;
    b += 64;
  }
  if (accumulate) {
    const c00 = v128.load(c);
    const c01 = v128.load(c, 16);
    const c02 = v128.load(c, 32);
    const c03 = v128.load(c, 48);
    v128.store(c, f32x4.add(c00, s00));
    v128.store(c, f32x4.add(c01, s01), 16);
    v128.store(c, f32x4.add(c02, s02), 32);
    v128.store(c, f32x4.add(c03, s03), 48);
    c += pitch;
    const c10 = v128.load(c);
    const c11 = v128.load(c, 16);
    const c12 = v128.load(c, 32);
    const c13 = v128.load(c, 48);
    v128.store(c, f32x4.add(c10, s10));
    v128.store(c, f32x4.add(c11, s11), 16);
    v128.store(c, f32x4.add(c12, s12), 32);
    v128.store(c, f32x4.add(c13, s13), 48);
    c += pitch;
    const c20 = v128.load(c);
    const c21 = v128.load(c, 16);
    const c22 = v128.load(c, 32);
    const c23 = v128.load(c, 48);
    v128.store(c, f32x4.add(c20, s20));
    v128.store(c, f32x4.add(c21, s21), 16);
    v128.store(c, f32x4.add(c22, s22), 32);
    v128.store(c, f32x4.add(c23, s23), 48);
    c += pitch;
    const c30 = v128.load(c);
    const c31 = v128.load(c, 16);
    const c32 = v128.load(c, 32);
    const c33 = v128.load(c, 48);
    v128.store(c, f32x4.add(c30, s30));
    v128.store(c, f32x4.add(c31, s31), 16);
    v128.store(c, f32x4.add(c32, s32), 32);
    v128.store(c, f32x4.add(c33, s33), 48);
    c += pitch;
    const c40 = v128.load(c);
    const c41 = v128.load(c, 16);
    const c42 = v128.load(c, 32);
    const c43 = v128.load(c, 48);
    v128.store(c, f32x4.add(c40, s40));
    v128.store(c, f32x4.add(c41, s41), 16);
    v128.store(c, f32x4.add(c42, s42), 32);
    v128.store(c, f32x4.add(c43, s43), 48);
  } else {
    v128.store(c, s00);
    v128.store(c, s01, 16);
    v128.store(c, s02, 32);
    v128.store(c, s03, 48);
    c += pitch;
    v128.store(c, s10);
    v128.store(c, s11, 16);
    v128.store(c, s12, 32);
    v128.store(c, s13, 48);
    c += pitch;
    v128.store(c, s20);
    v128.store(c, s21, 16);
    v128.store(c, s22, 32);
    v128.store(c, s23, 48);
    c += pitch;
    v128.store(c, s30);
    v128.store(c, s31, 16);
    v128.store(c, s32, 32);
    v128.store(c, s33, 48);
    c += pitch;
    v128.store(c, s40);
    v128.store(c, s41, 16);
    v128.store(c, s42, 32);
    v128.store(c, s43, 48);
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
        if (transposeA) packATransposed(a + <usize>pc * pitchA + (<usize>ic << 2), pitchA, kc, mc, packedA);

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
              tilePacked(kc, packedA + <usize>ir * <usize>(kc << 2), panelB, out, pitch, add);
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
