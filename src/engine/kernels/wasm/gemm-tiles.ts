// The 5×16 tiles of C: 20 vectors of sums, that is 10 registers of 256 bits when revectorised. Written out, because a
// sum is a local variable: s<row><quarter>, b<k><quarter> a quarter of a row of B, x<k><row> one element of A in all lanes.

import { fma } from './lanes';

/** C (+)= A·B for five rows of A at a0..a4, contiguous along k, and a packed panel of B (k, 16). */
export function tileRows(
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
  const end = <usize>k << 2;
  for (let p: usize = 0; p < end; p += 4) {
    const b00 = v128.load(b);
    const b01 = v128.load(b, 16);
    const b02 = v128.load(b, 32);
    const b03 = v128.load(b, 48);
    const x00 = v128.load_splat<f32>(a0 + p);
    s00 = fma(x00, b00, s00);
    s01 = fma(x00, b01, s01);
    s02 = fma(x00, b02, s02);
    s03 = fma(x00, b03, s03);
    const x01 = v128.load_splat<f32>(a1 + p);
    s10 = fma(x01, b00, s10);
    s11 = fma(x01, b01, s11);
    s12 = fma(x01, b02, s12);
    s13 = fma(x01, b03, s13);
    const x02 = v128.load_splat<f32>(a2 + p);
    s20 = fma(x02, b00, s20);
    s21 = fma(x02, b01, s21);
    s22 = fma(x02, b02, s22);
    s23 = fma(x02, b03, s23);
    const x03 = v128.load_splat<f32>(a3 + p);
    s30 = fma(x03, b00, s30);
    s31 = fma(x03, b01, s31);
    s32 = fma(x03, b02, s32);
    s33 = fma(x03, b03, s33);
    const x04 = v128.load_splat<f32>(a4 + p);
    s40 = fma(x04, b00, s40);
    s41 = fma(x04, b01, s41);
    s42 = fma(x04, b02, s42);
    s43 = fma(x04, b03, s43);
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

/** The same for five adjacent columns of Aᵀ, `stride` bytes from one k to the next: a packed panel (20) or Aᵀ itself. */
export function tileColumns(k: u32, a: usize, stride: usize, b: usize, c: usize, pitch: usize, accumulate: u32): void {
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
    const b00 = v128.load(b);
    const b01 = v128.load(b, 16);
    const b02 = v128.load(b, 32);
    const b03 = v128.load(b, 48);
    const x00 = v128.load_splat<f32>(a);
    s00 = fma(x00, b00, s00);
    s01 = fma(x00, b01, s01);
    s02 = fma(x00, b02, s02);
    s03 = fma(x00, b03, s03);
    const x01 = v128.load_splat<f32>(a, 4);
    s10 = fma(x01, b00, s10);
    s11 = fma(x01, b01, s11);
    s12 = fma(x01, b02, s12);
    s13 = fma(x01, b03, s13);
    const x02 = v128.load_splat<f32>(a, 8);
    s20 = fma(x02, b00, s20);
    s21 = fma(x02, b01, s21);
    s22 = fma(x02, b02, s22);
    s23 = fma(x02, b03, s23);
    const x03 = v128.load_splat<f32>(a, 12);
    s30 = fma(x03, b00, s30);
    s31 = fma(x03, b01, s31);
    s32 = fma(x03, b02, s32);
    s33 = fma(x03, b03, s33);
    const x04 = v128.load_splat<f32>(a, 16);
    s40 = fma(x04, b00, s40);
    s41 = fma(x04, b01, s41);
    s42 = fma(x04, b02, s42);
    s43 = fma(x04, b03, s43);
    a += stride;
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
