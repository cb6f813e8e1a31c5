import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import type { Kernels } from './abi.ts';
import { createNaiveKernels } from './naive.ts';
import { checkKernels, exerciseKernels } from './self-check.ts';

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
 * V8 compiles a function with its baseline compiler first and optimizes it in the background once it has been used
 * often. Under these flags a function is optimized on the spot at its first use, and `exerciseKernels` uses all of them:
 * 35 ms. So the self-check sees the code that will train, threads get it with the module, and the flag for
 * revectorization can be taken back at once, before it touches any other module of the process.
 * (--no-liftoff would be shorter, but inlining aborts without the baseline compiler's feedback, and switching inlining off
 * aborts a background compilation that has already begun.)
 */
const OPTIMIZE_AT_ONCE = ['--wasm-sync-tier-up', '--wasm-tiering-budget=1'];
const OPTIMIZE_AS_USUAL = ['--no-wasm-sync-tier-up', '--wasm-tiering-budget=13000000'];
const REVECTORIZE = '--experimental-wasm-revectorize';
const DO_NOT_REVECTORIZE = '--no-experimental-wasm-revectorize';
/** The versions of V8 the flags were tried on; elsewhere modules are compiled as V8 likes, without revectorization. */
const KNOWN_V8 = /^14\./;

function compileUnderFlags(bytes: Uint8Array<ArrayBuffer>, revectorize: boolean): WebAssembly.Module {
  if (revectorize && process.arch !== 'x64') throw new Error(`there are no 256-bit operations on ${process.arch}`);
  if (!KNOWN_V8.test(process.versions.v8)) {
    if (revectorize) throw new Error(`revectorization was never tried on V8 ${process.versions.v8}`);
    return new WebAssembly.Module(bytes);
  }
  for (const flag of OPTIMIZE_AT_ONCE) setFlagsFromString(flag);
  if (revectorize) setFlagsFromString(REVECTORIZE);
  try {
    const module = new WebAssembly.Module(bytes);
    exerciseKernels((memory) => instantiateModule(module, memory));
    return module;
  } finally {
    for (const flag of OPTIMIZE_AS_USUAL) setFlagsFromString(flag);
    if (revectorize) setFlagsFromString(DO_NOT_REVECTORIZE);
  }
}

/**
 * The module with a custom section that holds the build's name and no meaning. V8 keeps one compilation for equal bytes
 * in a process, so without it `relaxed` after `revectorized` would be the same machine code again.
 */
function tagModule(bytes: Uint8Array<ArrayBuffer>, build: KernelBuild): Uint8Array<ArrayBuffer> {
  const name = new TextEncoder().encode(build);
  const tagged = new Uint8Array(bytes.length + 3 + name.length);
  tagged.set(bytes);
  tagged.set([0, name.length + 1, name.length, ...name], bytes.length);
  return tagged;
}

function instantiateModule(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernels {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Kernels;
}

/** Compiles one build, unchecked; without one named, the best that passes its check. */
export function compileKernels(options: { build?: KernelBuild; read?: ReadKernels } = {}): CompiledKernels {
  const { build, read = readBuiltKernels } = options;
  if (!build) return chooseKernels({ read }).compiled;
  if (build === 'naive') return { build, module: null };
  const bytes = read(build === 'plain' ? 'plain' : 'relaxed');
  return { build, module: compileUnderFlags(tagModule(bytes, build), build === 'revectorized') };
}

/** The kernels over a memory; in every thread once. The memory must be shared and declare a maximum. */
export function instantiateKernels(compiled: CompiledKernels, memory: WebAssembly.Memory): Kernels {
  if (!compiled.module) return createNaiveKernels(memory);
  return instantiateModule(compiled.module, memory);
}

/**
 * The best build that this machine compiles and whose every kernel agrees with its naive twin on random input. Tries
 * them in order and reports each try. About 60 ms.
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
