// Packing for gemm: blocks of A and B are copied into panels that the tiles read from end to end. Columns and rows past
// the matrix hold whatever was in the scratch: they only reach parts of the temporary tile that nobody copies.

/** 16 floats; the four quarters of a panel's row */
// @ts-ignore: decorator
@inline
export function copyRow16(from: usize, to: usize, at: usize): void {
  const b0 = v128.load(from + at);
  const b1 = v128.load(from + at, 16);
  const b2 = v128.load(from + at, 32);
  const b3 = v128.load(from + at, 48);
  v128.store(to, b0);
  v128.store(to, b1, 16);
  v128.store(to, b2, 32);
  v128.store(to, b3, 48);
}

/** 6 floats: a row of a panel of A */
// @ts-ignore: decorator
@inline
function copyRow6(from: usize, to: usize): void {
  const x = v128.load(from);
  const y = load<u64>(from, 16);
  v128.store(to, x);
  store<u64>(to, y, 16);
}

/**
 * B (k, n) to panels of 16 columns: to[panel][p][16]. Four panels at a time, so that 256 bytes of a row are read in one
 * go: with rows of 16 KiB, 85 GFLOP/s instead of 80.
 */
export function packB(b: usize, pitch: usize, k: u32, n: u32, to: usize): void {
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

/** Bᵀ (n, k) to panels of 16 columns of B, four rows of Bᵀ at a time: to[panel][p][16] */
export function packBTransposed(b: usize, pitch: usize, k: u32, n: u32, to: usize): void {
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

/**
 * Aᵀ (k, m) to panels of 6 rows of A: to[panel][p][6]. Four panels at a time, so that 96 bytes of a row are read in one go: (512, 128, 768)
 * runs at 86 GFLOP/s instead of 79.
 */
export function packATransposed(a: usize, pitch: usize, k: u32, m: u32, to: usize): void {
  const panel = <usize>k * 24;
  for (; m >= 24; m -= 24) {
    let from = a;
    let out = to;
    for (let p = k; p > 0; p--) {
      copyRow6(from, out);
      copyRow6(from + 24, out + panel);
      copyRow6(from + 48, out + 2 * panel);
      copyRow6(from + 72, out + 3 * panel);
      from += pitch;
      out += 24;
    }
    a += 96;
    to += 4 * panel;
  }
  for (; m >= 6; m -= 6) {
    let from = a;
    for (let p = k; p > 0; p--) {
      copyRow6(from, to);
      from += pitch;
      to += 24;
    }
    a += 24;
  }
  if (m > 0) {
    for (let p = k; p > 0; p--) {
      for (let i: u32 = 0; i < m; i++) store<f32>(to + (<usize>i << 2), load<f32>(a + (<usize>i << 2)));
      a += pitch;
      to += 24;
    }
  }
}

/** A (m, k) to rows one behind another: to[i][p] */
export function copyRows(a: usize, pitch: usize, m: u32, k: u32, to: usize): void {
  for (; m > 0; m--) {
    let p: u32 = 0;
    for (; p + 16 <= k; p += 16) {
      const at = <usize>p << 2;
      copyRow16(a, to + at, at);
    }
    for (; p < k; p++) store<f32>(to + (<usize>p << 2), load<f32>(a + (<usize>p << 2)));
    a += pitch;
    to += <usize>k << 2;
  }
}

/**
 * A (m, k) to panels of 6 rows: to[panel][p][6], which a tile reads as one stream. Rows past the last are the last again.
 */
export function packARows(a: usize, pitch: usize, m: u32, k: u32, to: usize): void {
  for (let i: u32 = 0; i < m; i += 6) {
    const rest = m - i;
    let r0 = a;
    let r1 = rest > 1 ? r0 + pitch : r0;
    let r2 = rest > 2 ? r1 + pitch : r1;
    let r3 = rest > 3 ? r2 + pitch : r2;
    let r4 = rest > 4 ? r3 + pitch : r3;
    let r5 = rest > 5 ? r4 + pitch : r4;
    let p = k;
    for (; p >= 4; p -= 4) {
      const x0 = v128.load(r0);
      const x1 = v128.load(r1);
      const x2 = v128.load(r2);
      const x3 = v128.load(r3);
      const x4 = v128.load(r4);
      const x5 = v128.load(r5);
      const u0 = v128.shuffle<u32>(x0, x1, 0, 4, 1, 5);
      const u1 = v128.shuffle<u32>(x2, x3, 0, 4, 1, 5);
      const u2 = v128.shuffle<u32>(x0, x1, 2, 6, 3, 7);
      const u3 = v128.shuffle<u32>(x2, x3, 2, 6, 3, 7);
      const v0 = v128.shuffle<u32>(x4, x5, 0, 4, 1, 5);
      const v1 = v128.shuffle<u32>(x4, x5, 2, 6, 3, 7);
      v128.store(to, v128.shuffle<u64>(u0, u1, 0, 2));
      v128.store_lane<u64>(to, v0, 0, 16);
      v128.store(to, v128.shuffle<u64>(u0, u1, 1, 3), 24);
      v128.store_lane<u64>(to, v0, 1, 40);
      v128.store(to, v128.shuffle<u64>(u2, u3, 0, 2), 48);
      v128.store_lane<u64>(to, v1, 0, 64);
      v128.store(to, v128.shuffle<u64>(u2, u3, 1, 3), 72);
      v128.store_lane<u64>(to, v1, 1, 88);
      r0 += 16;
      r1 += 16;
      r2 += 16;
      r3 += 16;
      r4 += 16;
      r5 += 16;
      to += 96;
    }
    for (; p > 0; p--) {
      store<f32>(to, load<f32>(r0));
      store<f32>(to, load<f32>(r1), 4);
      store<f32>(to, load<f32>(r2), 8);
      store<f32>(to, load<f32>(r3), 12);
      store<f32>(to, load<f32>(r4), 16);
      store<f32>(to, load<f32>(r5), 20);
      r0 += 4;
      r1 += 4;
      r2 += 4;
      r3 += 4;
      r4 += 4;
      r5 += 4;
      to += 24;
    }
    a += 6 * pitch;
  }
}
