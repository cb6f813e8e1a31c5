import type { KernelName, Kernels } from '../../src/engine/kernels/abi.ts';
import { compileKernels, instantiateKernels, type KernelBuild } from '../../src/engine/kernels/load.ts';
import { createNoise } from '../../src/engine/kernels/self-check.ts';

export type AnyKernel = (...args: number[]) => void;

/** Every build that this processor can have. */
export const WASM_BUILDS: readonly KernelBuild[] =
  process.arch === 'x64' ? ['revectorized', 'relaxed', 'plain'] : ['relaxed', 'plain'];
export const ALL_BUILDS: readonly KernelBuild[] = [...WASM_BUILDS, 'naive'];

/** Activations without a parameter; each has a gradient. */
export const ACTIVATIONS = [
  'relu',
  'relu6',
  'sigmoid',
  'hardSigmoid',
  'tanh',
  'hardTanh',
  'geluErf',
  'geluTanh',
  'selu',
  'silu',
  'hardSilu',
  'mish',
  'softplus',
  'softsign',
] as const satisfies KernelName[];

const compiled = new Map<KernelBuild, ReturnType<typeof compileKernels>>();

/** A build over a memory; compiled once per process. */
export function instantiateBuild(build: KernelBuild, memory: WebAssembly.Memory): Kernels {
  const module = compiled.get(build) ?? compileKernels({ build });
  compiled.set(build, module);
  return instantiateKernels(module, memory);
}

export function createMemory(bytes: number): WebAssembly.Memory {
  const pages = Math.ceil(bytes / 65536);
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

/** A memory with kernels over it, and a way to put numbers into it. */
export class Bench {
  readonly memory: WebAssembly.Memory;
  readonly kernels: Kernels;
  readonly f32: Float32Array;
  readonly u32: Uint32Array;
  #end = 64;
  #noise = createNoise(7);

  constructor(build: KernelBuild, bytes = 8 * 1024 * 1024) {
    this.memory = createMemory(bytes);
    this.kernels = instantiateBuild(build, this.memory);
    this.f32 = new Float32Array(this.memory.buffer);
    this.u32 = new Uint32Array(this.memory.buffer);
  }

  /** Room for n words, 4 bytes off a 16-byte boundary. */
  room(n: number): number {
    const at = this.#end + 4;
    this.#end = Math.ceil((at + n * 4 + 64) / 64) * 64;
    if (this.#end > this.memory.buffer.byteLength) throw new RangeError('the test memory is too small');
    return at;
  }

  floats(values: ArrayLike<number>): number {
    const at = this.room(values.length);
    this.f32.set(values, at / 4);
    return at;
  }

  words(values: ArrayLike<number>): number {
    const at = this.room(values.length);
    this.u32.set(values, at / 4);
    return at;
  }

  /** n numbers uniform in [low, high) */
  random(n: number, low = -1, high = 1): number {
    return this.floats(Float32Array.from({ length: n }, () => low + (high - low) * this.#noise()));
  }

  read(pointer: number, n: number): Float32Array {
    return this.f32.slice(pointer / 4, pointer / 4 + n);
  }

  /** The same as words, to compare bits (and NaN). */
  readBits(pointer: number, n: number): Uint32Array {
    return this.u32.slice(pointer / 4, pointer / 4 + n);
  }

  call(kernel: KernelName, ...args: number[]): void {
    (this.kernels[kernel] as AnyKernel)(...args);
  }
}
