// The 5×16 tiles of C: 20 vectors of sums, that is 10 registers of 256 bits when revectorised. Written out, because a
// sum is a local variable: s<row><quarter>, b<k><quarter> a quarter of a row of B, x<k><row> one element of A in all lanes.
//
// Four k at a time: a loop's end costs seven instructions beside ten multiplications, and six instructions at most begin in a cycle.
// (256, 4096, 4096) takes 0.91 of the time on a core of one's own, 0.81 on one whose other half is busy. A way out after each k takes the
// place of a loop for what is left over, and keeps the k in their order: without it the compiler writes a sum's fma one behind the other,
// runs out of registers, and the tile takes twice the time.

import { fma } from './lanes';

/** 16 sums to a row of C, or added to it */
// @ts-ignore: decorator
@inline
function putRow(c: usize, s0: v128, s1: v128, s2: v128, s3: v128, accumulate: u32): void {
  if (accumulate) {
    const c0 = v128.load(c);
    const c1 = v128.load(c, 16);
    const c2 = v128.load(c, 32);
    const c3 = v128.load(c, 48);
    v128.store(c, f32x4.add(c0, s0));
    v128.store(c, f32x4.add(c1, s1), 16);
    v128.store(c, f32x4.add(c2, s2), 32);
    v128.store(c, f32x4.add(c3, s3), 48);
  } else {
    v128.store(c, s0);
    v128.store(c, s1, 16);
    v128.store(c, s2, 32);
    v128.store(c, s3, 48);
  }
}

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
  let p: usize = 0;
  for (; k > 0; k--) {
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
    k -= 1;
    if (k == 0) break;

    const b10 = v128.load(b, 64);
    const b11 = v128.load(b, 80);
    const b12 = v128.load(b, 96);
    const b13 = v128.load(b, 112);
    const x10 = v128.load_splat<f32>(a0 + p, 4);
    s00 = fma(x10, b10, s00);
    s01 = fma(x10, b11, s01);
    s02 = fma(x10, b12, s02);
    s03 = fma(x10, b13, s03);
    const x11 = v128.load_splat<f32>(a1 + p, 4);
    s10 = fma(x11, b10, s10);
    s11 = fma(x11, b11, s11);
    s12 = fma(x11, b12, s12);
    s13 = fma(x11, b13, s13);
    const x12 = v128.load_splat<f32>(a2 + p, 4);
    s20 = fma(x12, b10, s20);
    s21 = fma(x12, b11, s21);
    s22 = fma(x12, b12, s22);
    s23 = fma(x12, b13, s23);
    const x13 = v128.load_splat<f32>(a3 + p, 4);
    s30 = fma(x13, b10, s30);
    s31 = fma(x13, b11, s31);
    s32 = fma(x13, b12, s32);
    s33 = fma(x13, b13, s33);
    const x14 = v128.load_splat<f32>(a4 + p, 4);
    s40 = fma(x14, b10, s40);
    s41 = fma(x14, b11, s41);
    s42 = fma(x14, b12, s42);
    s43 = fma(x14, b13, s43);
    k -= 1;
    if (k == 0) break;

    const b20 = v128.load(b, 128);
    const b21 = v128.load(b, 144);
    const b22 = v128.load(b, 160);
    const b23 = v128.load(b, 176);
    const x20 = v128.load_splat<f32>(a0 + p, 8);
    s00 = fma(x20, b20, s00);
    s01 = fma(x20, b21, s01);
    s02 = fma(x20, b22, s02);
    s03 = fma(x20, b23, s03);
    const x21 = v128.load_splat<f32>(a1 + p, 8);
    s10 = fma(x21, b20, s10);
    s11 = fma(x21, b21, s11);
    s12 = fma(x21, b22, s12);
    s13 = fma(x21, b23, s13);
    const x22 = v128.load_splat<f32>(a2 + p, 8);
    s20 = fma(x22, b20, s20);
    s21 = fma(x22, b21, s21);
    s22 = fma(x22, b22, s22);
    s23 = fma(x22, b23, s23);
    const x23 = v128.load_splat<f32>(a3 + p, 8);
    s30 = fma(x23, b20, s30);
    s31 = fma(x23, b21, s31);
    s32 = fma(x23, b22, s32);
    s33 = fma(x23, b23, s33);
    const x24 = v128.load_splat<f32>(a4 + p, 8);
    s40 = fma(x24, b20, s40);
    s41 = fma(x24, b21, s41);
    s42 = fma(x24, b22, s42);
    s43 = fma(x24, b23, s43);
    k -= 1;
    if (k == 0) break;

    const b30 = v128.load(b, 192);
    const b31 = v128.load(b, 208);
    const b32 = v128.load(b, 224);
    const b33 = v128.load(b, 240);
    const x30 = v128.load_splat<f32>(a0 + p, 12);
    s00 = fma(x30, b30, s00);
    s01 = fma(x30, b31, s01);
    s02 = fma(x30, b32, s02);
    s03 = fma(x30, b33, s03);
    const x31 = v128.load_splat<f32>(a1 + p, 12);
    s10 = fma(x31, b30, s10);
    s11 = fma(x31, b31, s11);
    s12 = fma(x31, b32, s12);
    s13 = fma(x31, b33, s13);
    const x32 = v128.load_splat<f32>(a2 + p, 12);
    s20 = fma(x32, b30, s20);
    s21 = fma(x32, b31, s21);
    s22 = fma(x32, b32, s22);
    s23 = fma(x32, b33, s23);
    const x33 = v128.load_splat<f32>(a3 + p, 12);
    s30 = fma(x33, b30, s30);
    s31 = fma(x33, b31, s31);
    s32 = fma(x33, b32, s32);
    s33 = fma(x33, b33, s33);
    const x34 = v128.load_splat<f32>(a4 + p, 12);
    s40 = fma(x34, b30, s40);
    s41 = fma(x34, b31, s41);
    s42 = fma(x34, b32, s42);
    s43 = fma(x34, b33, s43);

    p += 16;
    b += 256;
  }
  putRow(c, s00, s01, s02, s03, accumulate);
  c += pitch;
  putRow(c, s10, s11, s12, s13, accumulate);
  c += pitch;
  putRow(c, s20, s21, s22, s23, accumulate);
  c += pitch;
  putRow(c, s30, s31, s32, s33, accumulate);
  c += pitch;
  putRow(c, s40, s41, s42, s43, accumulate);
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
    k -= 1;
    if (k == 0) break;

    const at1 = a + stride;
    const b10 = v128.load(b, 64);
    const b11 = v128.load(b, 80);
    const b12 = v128.load(b, 96);
    const b13 = v128.load(b, 112);
    const x10 = v128.load_splat<f32>(at1);
    s00 = fma(x10, b10, s00);
    s01 = fma(x10, b11, s01);
    s02 = fma(x10, b12, s02);
    s03 = fma(x10, b13, s03);
    const x11 = v128.load_splat<f32>(at1, 4);
    s10 = fma(x11, b10, s10);
    s11 = fma(x11, b11, s11);
    s12 = fma(x11, b12, s12);
    s13 = fma(x11, b13, s13);
    const x12 = v128.load_splat<f32>(at1, 8);
    s20 = fma(x12, b10, s20);
    s21 = fma(x12, b11, s21);
    s22 = fma(x12, b12, s22);
    s23 = fma(x12, b13, s23);
    const x13 = v128.load_splat<f32>(at1, 12);
    s30 = fma(x13, b10, s30);
    s31 = fma(x13, b11, s31);
    s32 = fma(x13, b12, s32);
    s33 = fma(x13, b13, s33);
    const x14 = v128.load_splat<f32>(at1, 16);
    s40 = fma(x14, b10, s40);
    s41 = fma(x14, b11, s41);
    s42 = fma(x14, b12, s42);
    s43 = fma(x14, b13, s43);
    k -= 1;
    if (k == 0) break;

    const at2 = at1 + stride;
    const b20 = v128.load(b, 128);
    const b21 = v128.load(b, 144);
    const b22 = v128.load(b, 160);
    const b23 = v128.load(b, 176);
    const x20 = v128.load_splat<f32>(at2);
    s00 = fma(x20, b20, s00);
    s01 = fma(x20, b21, s01);
    s02 = fma(x20, b22, s02);
    s03 = fma(x20, b23, s03);
    const x21 = v128.load_splat<f32>(at2, 4);
    s10 = fma(x21, b20, s10);
    s11 = fma(x21, b21, s11);
    s12 = fma(x21, b22, s12);
    s13 = fma(x21, b23, s13);
    const x22 = v128.load_splat<f32>(at2, 8);
    s20 = fma(x22, b20, s20);
    s21 = fma(x22, b21, s21);
    s22 = fma(x22, b22, s22);
    s23 = fma(x22, b23, s23);
    const x23 = v128.load_splat<f32>(at2, 12);
    s30 = fma(x23, b20, s30);
    s31 = fma(x23, b21, s31);
    s32 = fma(x23, b22, s32);
    s33 = fma(x23, b23, s33);
    const x24 = v128.load_splat<f32>(at2, 16);
    s40 = fma(x24, b20, s40);
    s41 = fma(x24, b21, s41);
    s42 = fma(x24, b22, s42);
    s43 = fma(x24, b23, s43);
    k -= 1;
    if (k == 0) break;

    const at3 = at2 + stride;
    const b30 = v128.load(b, 192);
    const b31 = v128.load(b, 208);
    const b32 = v128.load(b, 224);
    const b33 = v128.load(b, 240);
    const x30 = v128.load_splat<f32>(at3);
    s00 = fma(x30, b30, s00);
    s01 = fma(x30, b31, s01);
    s02 = fma(x30, b32, s02);
    s03 = fma(x30, b33, s03);
    const x31 = v128.load_splat<f32>(at3, 4);
    s10 = fma(x31, b30, s10);
    s11 = fma(x31, b31, s11);
    s12 = fma(x31, b32, s12);
    s13 = fma(x31, b33, s13);
    const x32 = v128.load_splat<f32>(at3, 8);
    s20 = fma(x32, b30, s20);
    s21 = fma(x32, b31, s21);
    s22 = fma(x32, b32, s22);
    s23 = fma(x32, b33, s23);
    const x33 = v128.load_splat<f32>(at3, 12);
    s30 = fma(x33, b30, s30);
    s31 = fma(x33, b31, s31);
    s32 = fma(x33, b32, s32);
    s33 = fma(x33, b33, s33);
    const x34 = v128.load_splat<f32>(at3, 16);
    s40 = fma(x34, b30, s40);
    s41 = fma(x34, b31, s41);
    s42 = fma(x34, b32, s42);
    s43 = fma(x34, b33, s43);

    a = at3 + stride;
    b += 256;
  }
  putRow(c, s00, s01, s02, s03, accumulate);
  c += pitch;
  putRow(c, s10, s11, s12, s13, accumulate);
  c += pitch;
  putRow(c, s20, s21, s22, s23, accumulate);
  c += pitch;
  putRow(c, s30, s31, s32, s33, accumulate);
  c += pitch;
  putRow(c, s40, s41, s42, s43, accumulate);
}
