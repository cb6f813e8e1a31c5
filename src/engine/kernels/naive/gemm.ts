import { GemmFlag, type Kernels } from '../abi.ts';
import { activationOf } from './scalar.ts';
import { at, type Views } from './views.ts';

const fround = Math.fround;
/** Elements along k that are summed before they are added to C. */
const KC = 256;

/** Where B[p,j] lies in the panels of B (k, n): [block of KC][panel][p][16] */
function panelIndex(k: number, n: number, p: number, j: number): number {
  const padded = Math.ceil(n / 16) * 16;
  const block = p - (p % KC);
  const depth = Math.min(KC, k - block);
  return block * padded + (j - (j % 16)) * depth + (p - block) * 16 + (j % 16);
}

export function createGemm({ f32 }: Views): Pick<Kernels, 'gemm' | 'packPanels' | 'fmaPeak'> {
  return {
    gemm(flags, m, n, k, a, lda, b, ldb, c, ldc, bias, activation, alpha) {
      // op(A)[i,p] = A[i·rowA + p·stepA], op(B)[p,j] = B[p·stepB + j·colB], or where packPanels has laid it
      const [rowA, stepA] = flags & GemmFlag.transposeA ? [1, lda] : [lda, 1];
      const [stepB, colB] = flags & GemmFlag.transposeB ? [1, ldb] : [ldb, 1];
      const inB = (p: number, j: number) => (flags & GemmFlag.packedB ? panelIndex(k, n, p, j) : p * stepB + j * colB);
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) {
          const out = at(c) + i * ldc + j;
          let sum = flags & GemmFlag.accumulate ? f32[out] : 0;
          for (let block = 0; block < k; block += KC) {
            let product = 0;
            for (let p = block; p < Math.min(k, block + KC); p++) {
              product = fround(product + f32[at(a) + i * rowA + p * stepA] * f32[at(b) + inB(p, j)]);
            }
            sum = fround(sum + product);
          }
          if (flags & GemmFlag.bias) sum = fround(sum + f32[at(bias) + j]);
          f32[out] = activationOf(sum, activation, alpha);
        }
      }
    },

    packPanels(flags, b, ldb, k, n, first, panels, to) {
      for (let p = 0; p < k; p++) {
        for (let j = first * 16; j < Math.min(n, (first + panels) * 16); j++) {
          f32[at(to) + panelIndex(k, n, p, j)] =
            f32[at(b) + (flags & GemmFlag.transposeB ? j * ldb + p : p * ldb + j)]!;
        }
      }
    },

    fmaPeak(iterations) {
      let sum = 0;
      for (let i = 0; i < iterations * 80; i++) sum = fround(fround(sum * 0.999999) + 1e-7);
      return sum;
    },
  };
}
