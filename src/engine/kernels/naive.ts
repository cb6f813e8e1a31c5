import type { Kernels } from './abi.ts';
import { createActivations } from './naive/activations.ts';
import { createAdagrad } from './naive/adagrad.ts';
import { createAdamVariants } from './naive/adam-variants.ts';
import { createAttention } from './naive/attention.ts';
import { createConvolution } from './naive/convolution.ts';
import { createElementwise } from './naive/elementwise.ts';
import { createEmbedding } from './naive/embedding.ts';
import { createGemm } from './naive/gemm.ts';
import { createLamb } from './naive/lamb.ts';
import { createLion } from './naive/lion.ts';
import { createLosses } from './naive/losses.ts';
import { createNormalization } from './naive/normalization.ts';
import { createOptimizers } from './naive/optimizers.ts';
import { createPooling } from './naive/pooling.ts';
import { createRandom } from './naive/random.ts';
import { createRecurrent } from './naive/recurrent.ts';
import { createReductions } from './naive/reductions.ts';
import { createRows } from './naive/rows.ts';
import { createViews } from './naive/views.ts';

/**
 * The kernels in plain TypeScript: one scalar loop each, written to be read. They are the documentation of what a kernel
 * computes, the oracle of its tests and of the check at start-up, and the last fallback. Arithmetic is in f64, rounded
 * to f32 where a value is stored; sums whose order is part of the contract are rounded at every addition.
 */
export function createNaiveKernels(memory: WebAssembly.Memory): Kernels {
  const views = createViews(memory);
  return {
    ...createGemm(views),
    ...createRecurrent(views),
    ...createNormalization(views),
    ...createAttention(views),
    ...createEmbedding(views),
    ...createConvolution(views),
    ...createPooling(views),
    ...createElementwise(views),
    ...createActivations(views),
    ...createReductions(views),
    ...createRows(views),
    ...createLosses(views),
    ...createOptimizers(views),
    ...createAdagrad(views),
    ...createAdamVariants(views),
    ...createLion(views),
    ...createLamb(views),
    ...createRandom(views),
  };
}
