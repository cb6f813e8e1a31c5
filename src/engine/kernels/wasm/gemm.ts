// C (m,n) = activation(op(A) (m,k) · op(B) (k,n) [+ C] [+ bias]), row-major, after Goto & van de Geijn (Anatomy of
// High-Performance Matrix Multiplication, 2008).
//
//   for blocks of NC columns of B
//     for blocks of KC along k            pack B's block into panels of 16 columns: [panel][k][16]
//       for blocks of MC rows of A        pack A's block: if transposed, into panels of 6 rows: [panel][k][6]
//         for panels of B, for panels of A: one tile of C in registers
//
// Where one block holds all rows of A, every panel of B is used once only: then four panels at a time are packed right before they are used.
// Where k takes several blocks and C has many columns, the order is another: see gemmDeep.
//
// A tile has 6 × 16 sums where A lies in panels, 5 × 16 where its rows are read where they lie: scripts/write-gemm-tiles.ts says why.
//
// The same bits whatever the range: an element of C is Σ fma(a, b) over a KC block in ascending k from 0, and the blocks'
// sums are added to C in ascending order. Edge tiles run the same tile code into a temporary tile, on panels padded with
// whatever was there (or on rows read twice), and the part inside C is copied. So there is no separate path for small
// sizes: a product of (32, 16, 2) takes 0.11 µs.

import { ACCUMULATE, BIAS, GROUP, KC, MC, MC_ROWS, NC, PACKED_B, packColumns, panelAt, SCRATCH_A, SCRATCH_TILE, TRANSPOSE_A } from './gemm-blocks';
import { gemmDeep } from './gemm-deep';
import { copyRows, packATransposed } from './gemm-pack';
import { activateRows, columnsTimesPanel, finishPanel, rowsTimesPanel } from './gemm-panels';

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
  const most = transposeA ? MC : MC_ROWS;
  const height: u32 = transposeA ? 6 : 5;
  const blocks = max<u32>(1, (m + most - 1) / most);
  const mcMost = ((m + blocks - 1) / blocks + height - 1) / height * height;
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
