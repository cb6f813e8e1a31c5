// Products whose B is packed once and used many times: recurrent weights by packPanels and gemmPacked, a convolution's by packWhole and timesPacked. The
// sums are those of gemm.

import { KC, MC_ROWS, packColumns, panelAt, SCRATCH_A, SCRATCH_TILE } from './gemm-blocks';
import { copyRows } from './gemm-pack';
import { activateRows, finishPanel, rowsTimesPanel } from './gemm-panels';

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
    for (let ic: u32 = 0; ic < m; ic += MC_ROWS) {
      const mc = min<u32>(m - ic, MC_ROWS);
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
