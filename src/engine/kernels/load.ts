import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import type { Kernels } from './abi.ts';
import { createNaiveKernels } from './naive.ts';
import { checkKernels } from './self-check.ts';

/**
 * The kernel builds, best first:
 * - revectorized: relaxed.wasm compiled while V8 fuses pairs of 128-bit operations into 256-bit ones
 * - relaxed: 128-bit SIMD with fused multiply-add
 * - plain: 128-bit SIMD, multiply and add rounded separately
 * - naive: TypeScript
 */
export type KernelBuild = 'revectorized' | 'relaxed' | 'plain' | 'naive';

export const KERNEL_BUILDS: readonly KernelBuild[] = ['revectorized', 'relaxed', 'plain', 'naive'];

/** Can be posted to worker threads; they get the machine code compiled here. */
export interface CompiledKernels {
  build: KernelBuild;
  /** null for naive */
  module: WebAssembly.Module | null;
}

export interface KernelCheck {
  build: KernelBuild;
  ok: boolean;
  /** why the build was refused */
  reason?: string;
  elapsedMs: number;
}

/** Gives the bytes of `plain` or `relaxed`. */
export type ReadKernels = (name: 'plain' | 'relaxed') => Uint8Array<ArrayBuffer>;

const FOLDER = new URL('../../../build/kernels/', import.meta.url);

function readBuiltKernels(name: 'plain' | 'relaxed'): Uint8Array<ArrayBuffer> {
  try {
    return readFileSync(new URL(`${name}.wasm`, FOLDER));
  } catch (cause) {
    throw new Error(`kernels are not built (${name}.wasm is missing): run \`npm run build:kernels\``, { cause });
  }
}
