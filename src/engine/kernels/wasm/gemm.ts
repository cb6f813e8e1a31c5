// C (m,n) = activation(op(A) (m,k) · op(B) (k,n) [+ C] [+ bias]), row-major, after Goto & van de Geijn (Anatomy of
// High-Performance Matrix Multiplication, 2008).
//
//   for blocks of NC columns of B
//     for blocks of KC along k            pack B's block into panels of 16 columns: [panel][k][16]
//       for blocks of MC rows of A        pack A's block: if transposed, into panels of 6 rows: [panel][k][6]
//         for panels of B, for panels of A: one 6×16 tile of C in registers
//
// Where one block holds all rows of A, every panel of B is used once only: then four panels at a time are packed right before they are used.
// Where k takes several blocks and C has many columns, the order is another: see gemmDeep.
//
// A tile's sums are kept in 24 vectors of 4, that is 12 registers of 256 bits when revectorised; two more hold a row of
// B and one an element of A.
//
// The same bits whatever the range: an element of C is Σ fma(a, b) over a KC block in ascending k from 0, and the blocks'
// sums are added to C in ascending order. Edge tiles run the same tile code into a temporary tile, on panels padded with
// whatever was there (or on rows read twice), and the part inside C is copied. So there is no separate path for small
// sizes: a product of (32, 16, 2) takes 0.11 µs.

import { activateInPlace } from './activations';
import { copyRow16, copyRows, packARows, packATransposed, packB, packBTransposed } from './gemm-pack';
// written by scripts/write-gemm-tiles.ts
import { tileColumns, tileRows } from './gemm-tiles';
import { loadPart, storePart } from './lanes';

// A packed panel of B (16 KiB) and of A (6 KiB) stay in the first-level cache; their blocks (512 and 264 KiB) in the second.
// Blocks of 192, 320 and 384 along k, and groups of 8 panels, gave the same times within 3 %.
// @ts-ignore: decorator
@inline const KC: u32 = 256;
// @ts-ignore: decorator
@inline const NC: u32 = 512;
// @ts-ignore: decorator
@inline const MC: u32 = 264;
// @ts-ignore: decorator
@inline const GROUP: u32 = 64;
// Scratch: packed B (512 KiB) at 0, packed A (264 KiB) and the temporary tile (384 B) behind.
// @ts-ignore: decorator
@inline const SCRATCH_A: usize = 524288;
// @ts-ignore: decorator
@inline const SCRATCH_TILE: usize = 794624;
// In a deep product: a group of B's panels (64 KiB) at 0, its part of C (66 KiB), and rows of A as long as fit (1056 KiB: 264 of 1024).
// @ts-ignore: decorator
@inline const DEEP_C: usize = 65536;
// @ts-ignore: decorator
@inline const DEEP_A: usize = 133120;
// @ts-ignore: decorator
@inline const DEEP_A_BYTES: u32 = 1081344;

// bits of flags
// @ts-ignore: decorator
@inline const TRANSPOSE_A: u32 = 1;
// @ts-ignore: decorator
@inline const TRANSPOSE_B: u32 = 2;
// @ts-ignore: decorator
@inline const ACCUMULATE: u32 = 4;
// @ts-ignore: decorator
@inline const BIAS: u32 = 8;
// @ts-ignore: decorator
@inline const PACKED_B: u32 = 16;

/** C (+)= the first rows × cols of the temporary tile (6, 16) */
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

/** c (rows, cols ≤ 16) += bias (cols) unless it is 0, then relu (activation 1) or leaky relu (2) with slope alpha */
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
function activateRows(c: usize, pitch: usize, rows: u32, cols: u32, activation: u32, alpha: f32): void {
  for (; rows > 0; rows--) {
    activateInPlace(c, cols, activation, alpha);
    c += pitch;
  }
}

/** The n columns of op(B) from `column` on, kc rows of them from pc on, into panels */
// @ts-ignore: decorator
@inline
function packColumns(flags: u32, b: usize, pitch: usize, column: u32, pc: u32, kc: u32, n: u32, to: usize): void {
  if (flags & TRANSPOSE_B) packBTransposed(b + <usize>column * pitch + (<usize>pc << 2), pitch, kc, n, to);
  else packB(b + <usize>pc * pitch + (<usize>column << 2), pitch, kc, n, to);
}

/** A (rows, kc) · one panel of B (kc, cols ≤ 16) into C, by tiles of six rows */
function rowsTimesPanel(
  a: usize,
  pitchA: usize,
  rows: u32,
  kc: u32,
  panelB: usize,
  c: usize,
  pitchC: usize,
  cols: u32,
  accumulate: u32,
  tile: usize,
): void {
  for (; rows > 0; ) {
    const part = min<u32>(rows, 6);
    const whole = part == 6 && cols == 16;
    const a1 = part > 1 ? a + pitchA : a;
    const a2 = part > 2 ? a1 + pitchA : a1;
    const a3 = part > 3 ? a2 + pitchA : a2;
    const a4 = part > 4 ? a3 + pitchA : a3;
    const a5 = part > 5 ? a4 + pitchA : a4;
    tileRows(kc, a, a1, a2, a3, a4, a5, panelB, whole ? c : tile, whole ? pitchC : 64, whole ? accumulate : 0);
    if (!whole) mergeTile(tile, c, pitchC, part, cols, accumulate);
    a += 6 * pitchA;
    c += 6 * pitchC;
    rows -= part;
  }
}

/** op(A) (mc, kc) · one panel of B into C for a transposed A: from its packed panels, or where it lies (packed: 0) */
// @ts-ignore: decorator
@inline
function columnsTimesPanel(
  a: usize,
  pitchA: usize,
  packed: usize,
  mc: u32,
  kc: u32,
  panelB: usize,
  c: usize,
  pitchC: usize,
  cols: u32,
  accumulate: u32,
  scratch: usize,
): void {
  const tile = scratch + SCRATCH_TILE;
  for (let ir: u32 = 0; ir < mc; ir += 6) {
    const rows = min<u32>(mc - ir, 6);
    const at = c + <usize>ir * pitchC;
    const whole = rows == 6 && cols == 16;
    let columns = packed ? packed + <usize>ir * <usize>(kc << 2) : a + (<usize>ir << 2);
    let stride: usize = packed ? 24 : pitchA;
    if (!packed && rows < 6) {
      packATransposed(columns, pitchA, kc, rows, scratch + SCRATCH_A);
      columns = scratch + SCRATCH_A;
      stride = 24;
    }
    tileColumns(kc, columns, stride, panelB, whole ? at : tile, whole ? pitchC : 64, whole ? accumulate : 0);
    if (!whole) mergeTile(tile, at, pitchC, rows, cols, accumulate);
  }
}

/** The panel of B at `column`, a multiple of 16, and its rows from pc on: packed is [block of KC][panel][p][16]. */
// @ts-ignore: decorator
@inline
function panelAt(packed: usize, n: u32, pc: u32, kc: u32, column: u32): usize {
  const padded = (n + 15) & ~15;
  return packed + ((<usize>pc * <usize>padded + <usize>column * <usize>kc) << 2);
}

/**
 * Panels [first, first + panels) of op(B) (k, n) as gemmPacked reads them: [block of KC][panel][p][16]. `to` points at the whole. A product
 * whose B is used many times, a recurrent net's, packs it once.
 */
export function packPanels(
  flags: u32,
  b: usize,
  ldb: u32,
  k: u32,
  n: u32,
  first: u32,
  panels: u32,
  to: usize,
): void {
  const pitch = <usize>ldb << 2;
  const column = first << 4;
  const cols = min<u32>(n - column, panels << 4);
  for (let pc: u32 = 0; pc < k; pc += KC) {
    const kc = min<u32>(k - pc, KC);
    packColumns(flags, b, pitch, column, pc, kc, cols, panelAt(to, n, pc, kc, column));
  }
}

/**
 * C (m,n) = A (m,k) · B [+ C], whose panels were packed by packPanels. The sums are those of gemm. Rows of a recurrent net's states are
 * hundreds of KiB apart, all in the same few sets of the caches, so A's are laid side by side first: a forward pass of W4 takes half the time.
 */
export function gemmPacked(
  accumulate: u32,
  m: u32,
  n: u32,
  k: u32,
  a: usize,
  pitchA: usize,
  packed: usize,
  c: usize,
  pitchC: usize,
  scratch: usize,
): void {
  const isCopied = n >= 64;
  for (let pc: u32 = 0; pc < k; pc += KC) {
    const kc = min<u32>(k - pc, KC);
    for (let ic: u32 = 0; ic < m; ic += MC) {
      const mc = min<u32>(m - ic, MC);
      let rows = a + <usize>ic * pitchA + (<usize>pc << 2);
      let pitch = pitchA;
      if (isCopied) {
        copyRows(rows, pitchA, mc, kc, scratch + SCRATCH_A);
        rows = scratch + SCRATCH_A;
        pitch = <usize>kc << 2;
      }
      const block = c + <usize>ic * pitchC;
      for (let jr: u32 = 0; jr < n; jr += 16) {
        const panel = panelAt(packed, n, pc, kc, jr);
        const cols = min<u32>(n - jr, 16);
        const at = block + (<usize>jr << 2);
        rowsTimesPanel(rows, pitch, mc, kc, panel, at, pitchC, cols, pc > 0 ? 1 : accumulate, scratch + SCRATCH_TILE);
      }
    }
  }
}

// Convolutions multiply many small blocks of rows by the same weights, which are packed once, whole: at the scratch's beginning, where up to
// 512 KiB have place, [block][panel][p][16]. A block is as long as leaves panel and rows of A in the first-level cache, and all are alike: the
// 288 of W3 are one block, where 256 and 32 took 3 % longer.
// @ts-ignore: decorator
@inline const WHOLE_KC: u32 = 320;

// @ts-ignore: decorator
@inline
function wholeBlock(k: u32): u32 {
  const blocks = max<u32>(1, (k + WHOLE_KC - 1) / WHOLE_KC);
  return (k + blocks - 1) / blocks;
}

/** Is there place for B (k, n)? */
export function fitsPacked(k: u32, n: u32): bool {
  return <u64>k * <u64>((n + 15) & ~15) <= 131072;
}

/** op(B) (k, n) to the scratch, for timesPacked */
export function packWhole(flags: u32, b: usize, pitch: usize, k: u32, n: u32, scratch: usize): void {
  const padded = (n + 15) & ~15;
  const block = wholeBlock(k);
  for (let pc: u32 = 0; pc < k; pc += block) {
    packColumns(flags, b, pitch, 0, pc, min<u32>(k - pc, block), n, scratch + (<usize>(pc * padded) << 2));
  }
}

/** C (m, n) = activation(A (m, k) · B [+ bias]), whose panels packWhole has laid into the scratch */
export function timesPacked(
  m: u32,
  n: u32,
  k: u32,
  a: usize,
  pitchA: usize,
  c: usize,
  pitchC: usize,
  bias: usize,
  activation: u32,
  alpha: f32,
  scratch: usize,
): void {
  const padded = (n + 15) & ~15;
  const block = wholeBlock(k);
  const finish = bias != 0 || activation == 1 || activation == 2;
  for (let pc: u32 = 0; pc < k; pc += block) {
    const kc = min<u32>(k - pc, block);
    for (let jr: u32 = 0; jr < n; jr += 16) {
      const panel = scratch + (<usize>(pc * padded + jr * kc) << 2);
      const cols = min<u32>(n - jr, 16);
      const to = c + (<usize>jr << 2);
      rowsTimesPanel(a + (<usize>pc << 2), pitchA, m, kc, panel, to, pitchC, cols, pc > 0 ? 1 : 0, scratch + SCRATCH_TILE);
      if (finish && pc + kc == k) finishPanel(to, pitchC, m, cols, bias ? bias + (<usize>jr << 2) : 0, activation, alpha);
    }
  }
  if (activation > 2) activateRows(c, pitchC, m, n, activation, alpha);
}

/**
 * C (rows, cols ≤ 64) = panels (rows, 16), `bytes` from one to the next; with `back` from C to the panels. All 256 bytes of a row at a time:
 * panel by panel, a line of each row, (256, 4096, 4096) took 3 % longer.
 */
function copyPanels(panel: usize, bytes: usize, c: usize, pitch: usize, rows: u32, cols: u32, back: boolean): void {
  if (cols == GROUP) {
    if (back) {
      for (; rows > 0; rows--) {
        copyRow16(c, panel, 0);
        copyRow16(c, panel + bytes, 64);
        copyRow16(c, panel + 2 * bytes, 128);
        copyRow16(c, panel + 3 * bytes, 192);
        panel += 64;
        c += pitch;
      }
      return;
    }
    for (; rows > 0; rows--) {
      copyRow16(panel, c, 0);
      copyRow16(panel + bytes, c + 64, 0);
      copyRow16(panel + 2 * bytes, c + 128, 0);
      copyRow16(panel + 3 * bytes, c + 192, 0);
      panel += 64;
      c += pitch;
    }
    return;
  }
  for (; rows > 0; rows--) {
    for (let j: u32 = 0; j < cols; j += 4) {
      const part = min<u32>(cols - j, 4);
      const inC = c + (<usize>j << 2);
      const inPanel = panel + <usize>(j >> 4) * bytes + (<usize>(j & 15) << 2);
      if (back) v128.store(inPanel, loadPart(inC, part));
      else storePart(inC, v128.load(inPanel), part);
    }
    panel += 64;
    c += pitch;
  }
}

/**
 * gemm where k takes several blocks: for each 64 columns of C, all blocks of k that fit are added up in the scratch, panel by panel, and
 * A's rows lie there in the order in which the tiles read them. In place, rows of C some KiB apart fall into the same few sets of the
 * caches, and every tile would wait for its six lines twice. The sums are those of gemm. (256, 4096, 4096) runs at 76 GFLOP/s, with B
 * transposed at 78, where blocks of C in place reached 74 and 70: best of 20 beside a peak of 100; packing B takes a tenth.
 */
function gemmDeep(
  flags: u32,
  m: u32,
  n: u32,
  k: u32,
  a: usize,
  pitchA: usize,
  b: usize,
  pitchB: usize,
  c: usize,
  pitchC: usize,
  bias: usize,
  activation: u32,
  alpha: f32,
  scratch: usize,
): void {
  const transposeA = flags & TRANSPOSE_A;
  const isPacked = flags & PACKED_B;
  const blocks = (m + MC - 1) / MC;
  const mcMost = ((m + blocks - 1) / blocks + 5) / 6 * 6;
  const deepest = DEEP_A_BYTES / (mcMost << 2) / KC * KC;
  const packedA = scratch + DEEP_A;
  const part = scratch + DEEP_C;
  for (let ic: u32 = 0; ic < m; ic += mcMost) {
    const mc = min<u32>(m - ic, mcMost);
    const panelBytes = <usize>((mc + 5) / 6 * 384);
    for (let from: u32 = 0; from < k; from += deepest) {
      const to = min<u32>(from + deepest, k);
      for (let pc = from; pc < to; pc += KC) {
        const kc = min<u32>(to - pc, KC);
        const packed = packedA + <usize>(pc - from) * <usize>(mcMost << 2);
        if (transposeA) packATransposed(a + <usize>pc * pitchA + (<usize>ic << 2), pitchA, kc, mc, packed);
        else packARows(a + <usize>ic * pitchA + (<usize>pc << 2), pitchA, mc, kc, packed);
      }
      const isFirst = from == 0 && !(flags & ACCUMULATE);
      for (let jc: u32 = 0; jc < n; jc += GROUP) {
        const nc = min<u32>(n - jc, GROUP);
        const blockC = c + <usize>ic * pitchC + (<usize>jc << 2);
        if (!isFirst) copyPanels(part, panelBytes, blockC, pitchC, mc, nc, true);
        for (let pc = from; pc < to; pc += KC) {
          const kc = min<u32>(to - pc, KC);
          const packed = packedA + <usize>(pc - from) * <usize>(mcMost << 2);
          const accumulate: u32 = isFirst && pc == from ? 0 : 1;
          if (!isPacked) packColumns(flags, b, pitchB, jc, pc, kc, nc, scratch);
          for (let jr: u32 = 0; jr < nc; jr += 16) {
            const panelB = isPacked ? panelAt(b, n, pc, kc, jc + jr) : scratch + <usize>jr * <usize>(kc << 2);
            let tile = part + <usize>(jr >> 4) * panelBytes;
            for (let ir: u32 = 0; ir < mc; ir += 6) {
              tileColumns(kc, packed + <usize>ir * <usize>(kc << 2), 24, panelB, tile, 64, accumulate);
              tile += 384;
            }
          }
        }
        if (to == k && (bias != 0 || activation == 1 || activation == 2)) {
          for (let jr: u32 = 0; jr < nc; jr += 16) {
            const panelC = part + <usize>(jr >> 4) * panelBytes;
            const biasAt = bias ? bias + (<usize>(jc + jr) << 2) : 0;
            finishPanel(panelC, 64, mc, min<u32>(nc - jr, 16), biasAt, activation, alpha);
          }
        }
        copyPanels(part, panelBytes, blockC, pitchC, mc, nc, false);
      }
    }
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
  if (!(flags & BIAS)) bias = 0;
  if (k > KC && n >= 96) {
    gemmDeep(flags, m, n, k, a, pitchA, b, pitchB, c, pitchC, bias, activation, alpha, scratch);
    if (activation > 2) activateRows(c, pitchC, m, n, activation, alpha);
    return;
  }
  // Up to 32 columns Aᵀ is read where it lies: packing it would cost as much as the product: (512, 10, 128)
  // takes 22 µs instead of 48.
  const packA = transposeA && n > 32;
  // Rows that are some KiB apart fall into a few sets of the caches: side by side they stay there. (256, 1024, 512) of rows of 16 KiB
  // runs at 80 GFLOP/s instead of 70.
  const copyA = !transposeA && n >= 96 && k >= KC;
  const finish = bias != 0 || activation == 1 || activation == 2;
  const blocks = max<u32>(1, (m + MC - 1) / MC);
  const mcMost = ((m + blocks - 1) / blocks + 5) / 6 * 6;
  const isPacked = flags & PACKED_B;
  const isStreamed = blocks == 1;

  for (let jc: u32 = 0; jc < n; jc += NC) {
    const nc = min<u32>(n - jc, NC);
    let pc: u32 = 0;
    do {
      const kc = min<u32>(k - pc, KC);
      const accumulate = pc > 0 ? 1 : flags & ACCUMULATE;
      const last = pc + kc == k;
      if (!isStreamed && !isPacked) packColumns(flags, b, pitchB, jc, pc, kc, nc, scratch);

      for (let ic: u32 = 0; ic < m; ic += mcMost) {
        const mc = min<u32>(m - ic, mcMost);
        const columnsA = a + <usize>pc * pitchA + (<usize>ic << 2);
        let rowsA = a + <usize>ic * pitchA + (<usize>pc << 2);
        let pitchRows = pitchA;
        if (packA) packATransposed(columnsA, pitchA, kc, mc, packedA);
        if (copyA) {
          copyRows(rowsA, pitchA, mc, kc, packedA);
          rowsA = packedA;
          pitchRows = <usize>kc << 2;
        }

        for (let jr: u32 = 0; jr < nc; jr += 16) {
          const inGroup = isStreamed ? jr & (GROUP - 1) : jr;
          if (isStreamed && !isPacked && inGroup == 0) {
            packColumns(flags, b, pitchB, jc + jr, pc, kc, min<u32>(nc - jr, GROUP), scratch);
          }
          const panelB = isPacked ? panelAt(b, n, pc, kc, jc + jr) : scratch + <usize>inGroup * <usize>(kc << 2);
          const cols = min<u32>(nc - jr, 16);
          const panelC = c + <usize>ic * pitchC + (<usize>(jc + jr) << 2);
          if (transposeA) {
            columnsTimesPanel(columnsA, pitchA, packA ? packedA : 0, mc, kc, panelB, panelC, pitchC, cols, accumulate, scratch);
          } else {
            rowsTimesPanel(rowsA, pitchRows, mc, kc, panelB, panelC, pitchC, cols, accumulate, scratch + SCRATCH_TILE);
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
  if (activation > 2) activateRows(c, pitchC, m, n, activation, alpha);
}
