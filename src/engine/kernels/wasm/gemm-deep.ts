// Products whose k takes several blocks.

import { ACCUMULATE, GROUP, KC, MC, PACKED_B, packColumns, panelAt, TRANSPOSE_A } from './gemm-blocks';
import { copyRow16, packARows, packATransposed } from './gemm-pack';
import { finishPanel } from './gemm-panels';
import { tileColumns } from './gemm-tiles';
import { loadPart, storePart } from './lanes';

// In a deep product: a group of B's panels (64 KiB) at 0, its part of C (66 KiB), and rows of A as long as fit (1056 KiB: 264 of 1024).
// @ts-ignore: decorator
@inline const DEEP_C: usize = 65536;
// @ts-ignore: decorator
@inline const DEEP_A: usize = 133120;
// @ts-ignore: decorator
@inline const DEEP_A_BYTES: u32 = 1081344;

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
export function gemmDeep(
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
