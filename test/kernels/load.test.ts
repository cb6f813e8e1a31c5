import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { rejectDataSegment } from '../../scripts/build-kernels.ts';
import { chooseKernels, compileKernels, instantiateKernels, type ReadKernels } from '../../src/engine/kernels/load.ts';
import { createMemory } from './builds.ts';

const folder = new URL('../../build/kernels/', import.meta.url);
const readFile: ReadKernels = (name) => readFileSync(new URL(`${name}.wasm`, folder));

/** Changes the first occurrence of a sequence of bytes behind the head of the module. */
function patch(bytes: Uint8Array<ArrayBuffer>, from: number[], to: number[]): Uint8Array<ArrayBuffer> {
  const patched = new Uint8Array(bytes);
  const found = patched.findIndex((_, i) => i > 2000 && from.every((byte, j) => patched[i + j] === byte));
  if (found < 0) throw new Error('nothing to patch');
  patched.set(to, found);
  return patched;
}

const F32_CONST = 0x43;

/** The constant 0.044715·2√(2/π) of gelu, as it stands in f32.const, made a little larger. */
function breakGelu(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const value = [...new Uint8Array(new Float32Array([Math.fround(0.044715) * Math.fround(1.5957691216057308)]).buffer)];
  return patch(bytes, [F32_CONST, ...value], [F32_CONST, value[0], value[1] + 4, value[2], value[3]]);
}

describe('chooseKernels', () => {
  it('takes the first build that passes its check', () => {
    const { compiled, checks } = chooseKernels();
    expect(checks.at(-1)).toMatchObject({ build: compiled.build, ok: true });
    expect(compiled.build).not.toBe('naive');
  });

  it('falls back to plain when both relaxed builds compute wrongly', () => {
    const read: ReadKernels = (name) => (name === 'relaxed' ? breakGelu(readFile(name)) : readFile(name));
    const { compiled, checks } = chooseKernels({ read });
    expect(compiled.build).toBe('plain');
    expect(checks.map(({ build, ok }) => [build, ok])).toEqual([
      ['revectorized', false],
      ['relaxed', false],
      ['plain', true],
    ]);
    expect(checks[0].reason).toMatch(/gelu.* instead of /);
  });

  it('falls back to the naive kernels when no module compiles', () => {
    const { compiled, checks } = chooseKernels({ read: (name) => readFile(name).slice(0, 3000) });
    expect(compiled).toEqual({ build: 'naive', module: null });
    expect(checks.map(({ ok }) => ok)).toEqual([false, false, false, true]);
    expect(checks[0].reason).toMatch(/CompileError/);
  });

  it('says what to do when the build is missing', () => {
    const read: ReadKernels = () => {
      throw new Error('run `npm run build:kernels`');
    };
    expect(() => chooseKernels({ read })).toThrow('npm run build:kernels');
  });
});

describe('compileKernels', () => {
  it('compiles a named build, and without a name the best one', () => {
    expect(compileKernels({ build: 'plain' }).build).toBe('plain');
    expect(compileKernels({ build: 'naive' })).toEqual({ build: 'naive', module: null });
    expect(compileKernels().build).toBe(chooseKernels().compiled.build);
  });

  it('keeps the builds apart, though two of them are made from one file', () => {
    const [a, b] = (['revectorized', 'relaxed'] as const).map((build) => compileKernels({ build }).module);
    expect(a).not.toBe(b);
    expect(WebAssembly.Module.exports(a as WebAssembly.Module)).toEqual(
      WebAssembly.Module.exports(b as WebAssembly.Module),
    );
  });

  it('gives other threads the same kernels over the same memory', async () => {
    const compiled = compileKernels();
    const memory = createMemory(65536);
    new Float32Array(memory.buffer, 64, 3).set([-1, 2, -3]);
    const worker = new Worker(
      `const { workerData: { module, memory } } = require('node:worker_threads');
       new WebAssembly.Instance(module, { env: { memory } }).exports.relu(64, 64, 3);`,
      { eval: true, workerData: { module: compiled.module, memory } },
    );
    await new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
    expect([...new Float32Array(memory.buffer, 64, 3)]).toEqual([0, 2, 0]);
    instantiateKernels(compiled, memory).fill(64, 3, 7);
    expect([...new Float32Array(memory.buffer, 64, 3)]).toEqual([7, 7, 7]);
  });
});

describe('the compiler', () => {
  const script = `
    import { writeSync } from 'node:fs';
    import { Worker } from 'node:worker_threads';
    import { compileKernels } from ${JSON.stringify(new URL('../../src/engine/kernels/load.ts', import.meta.url).href)};
    const { module } = compileKernels({ build: 'revectorized' });
    const memory = new WebAssembly.Memory({ initial: 64, maximum: 64, shared: true });
    writeSync(1, '\\n=== posted ===\\n');
    new Worker(\`
      const { workerData: { module, memory } } = process.getBuiltinModule('node:worker_threads');
      const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports;
      kernels.gemm(0, 16, 32, 64, 0, 64, 8192, 32, 65536, 32, 0, 0, 0, 131072);
      kernels.adamUpdate(0, 4096, 8192, 12288, 100, 0.9, 0.99, 0.1, 0, 16384);
    \`, { eval: true, workerData: { module, memory } });
  `;
  const output = execFileSync(
    process.execPath,
    ['--trace-wasm-revectorize', '--trace-wasm-compilation-times', '--input-type=module', '-e', script],
    { encoding: 'utf8', maxBuffer: 2 ** 28 },
  );
  const [compilation, posted] = output.split('=== posted ===');

  it('optimizes every kernel before the module is used', () => {
    // lines of other modules (the runtime has some) have another address before the #
    const lines = [...compilation.matchAll(/function (0x\w+)#(\d+) using (Liftoff|TurboFan)/g)];
    const byModule = Object.values(Object.groupBy(lines, ([, address]) => address)).map((group = []) => {
      const used = (compiler: string) => new Set(group.filter((line) => line[3] === compiler).map((line) => line[2]));
      return { baseline: used('Liftoff').size, optimized: used('TurboFan').size };
    });
    const kernels = byModule.sort((a, b) => b.optimized - a.optimized)[0];
    expect(kernels.optimized).toBeGreaterThan(50);
    expect(kernels.optimized).toBe(kernels.baseline);
  });

  it('leaves nothing to compile to the threads that a module is posted to', () => {
    expect(posted).not.toMatch(/using (Liftoff|TurboFan)/);
  });

  // what fails here is not wrong, only slow: see the notes on pairs in wasm/lanes.ts
  it.runIf(
    process.arch === 'x64' && existsSync('/proc/cpuinfo') && readFileSync('/proc/cpuinfo', 'utf8').includes(' avx2 '),
  )('makes 256-bit operations of pairs in the hot kernels', () => {
    const functions = compilation.split('Begin revec function').slice(1);
    const revectorized = functions.filter((text) => /Decided to vectorize, [1-9]/.test(text));
    expect(revectorized.length).toBeGreaterThan(35);
  });
});

describe('the built modules', () => {
  it.each(['plain', 'relaxed'] as const)('%s has no static data', (name) => {
    expect(() => rejectDataSegment(readFile(name), name)).not.toThrow();
  });

  it('a data segment is found', () => {
    const head = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
    const customSection = [0, 3, 2, 97, 97];
    const dataSection = [11, 7, 1, 0, 0x41, 0, 0x0b, 1, 42];
    expect(() => rejectDataSegment(Uint8Array.from([...head, ...customSection]), 'x')).not.toThrow();
    expect(() => rejectDataSegment(Uint8Array.from([...head, ...customSection, ...dataSection]), 'x')).toThrow(
      'static data',
    );
  });
});
