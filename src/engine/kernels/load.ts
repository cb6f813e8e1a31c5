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

/** Can be posted to worker threads; they share the machine code compiled here. */
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
    throw new Error(`the kernels are not built (${name}.wasm is missing): run \`npm run build:kernels\``, { cause });
  }
}

/**
 * V8 flags under which a module's every function is compiled at once by the optimizing compiler: 17 ms for all kernels.
 * Without them the self-check would see the baseline compiler's code, not the code that trains, and the flag for
 * revectorization would have to stay on until the last function was used often enough. Inlining must be off with the
 * baseline compiler, which collects what it needs.
 */
const EAGER = ['liftoff', 'wasm-lazy-compilation', 'wasm-inlining'];
const REVECTORIZE = 'experimental-wasm-revectorize';
/** The versions of V8 these flags were tried on; elsewhere modules are compiled as V8 likes, without revectorization. */
const KNOWN_V8 = /^14\./;

function compileUnderFlags(bytes: Uint8Array<ArrayBuffer>, revectorize: boolean): WebAssembly.Module {
  if (!KNOWN_V8.test(process.versions.v8)) {
    if (revectorize) throw new Error(`revectorization is not tried on V8 ${process.versions.v8}`);
    return new WebAssembly.Module(bytes);
  }
  for (const flag of EAGER) setFlagsFromString(`--no-${flag}`);
  if (revectorize) setFlagsFromString(`--${REVECTORIZE}`);
  try {
    return new WebAssembly.Module(bytes);
  } finally {
    for (const flag of EAGER) setFlagsFromString(`--${flag}`);
    if (revectorize) setFlagsFromString(`--no-${REVECTORIZE}`);
  }
}

/** Compiles one build, unchecked; without one named, the best that passes its check. */
export function compileKernels(options: { build?: KernelBuild; read?: ReadKernels } = {}): CompiledKernels {
  const { build, read = readBuiltKernels } = options;
  if (!build) return chooseKernels({ read }).compiled;
  if (build === 'naive') return { build, module: null };
  const bytes = read(build === 'plain' ? 'plain' : 'relaxed');
  return { build, module: compileUnderFlags(bytes, build === 'revectorized') };
}

/** The kernels over a memory; in every thread once. The memory must be shared and declare a maximum. */
export function instantiateKernels(compiled: CompiledKernels, memory: WebAssembly.Memory): Kernels {
  if (!compiled.module) return createNaiveKernels(memory);
  return new WebAssembly.Instance(compiled.module, { env: { memory } }).exports as unknown as Kernels;
}

/**
 * The best build that this machine compiles and whose every kernel agrees with its naive twin on random input. Tries
 * them in order and reports each try. About 50 ms.
 */
export function chooseKernels(options: { read?: ReadKernels } = {}): {
  compiled: CompiledKernels;
  checks: KernelCheck[];
} {
  const { read = readBuiltKernels } = options;
  // a missing file is an error to be told, not a reason to be a hundred times slower
  const files = { plain: read('plain'), relaxed: read('relaxed') };
  const checks: KernelCheck[] = [];
  for (const build of KERNEL_BUILDS) {
    const began = performance.now();
    let compiled: CompiledKernels | undefined;
    let reason: string | null;
    try {
      compiled = compileKernels({ build, read: (name) => files[name] });
      const candidate = compiled;
      reason = build === 'naive' ? null : checkKernels((memory) => instantiateKernels(candidate, memory));
    } catch (error) {
      reason = String(error);
    }
    const ok = reason === null;
    checks.push({ build, ok, ...(reason === null ? {} : { reason }), elapsedMs: performance.now() - began });
    if (ok && compiled) return { compiled, checks };
  }
  throw new Error('unreachable: the naive kernels need no check');
}
