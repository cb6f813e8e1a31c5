/**
 * Compiles the kernels (AssemblyScript) into build/kernels/plain.wasm and relaxed.wasm.
 *
 *     node scripts/build-kernels.ts
 *
 * Does nothing when the sources, this script and the compiler are those of the last build. Two processes may run it at
 * once: files are written under temporary names and renamed.
 */
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeGemmTiles } from './write-gemm-tiles.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const sourceFolder = join(root, 'src/engine/kernels/wasm');
const outputFolder = join(root, 'build/kernels');

const commonOptions = [
  '-O3',
  '--noAssert',
  ...['--runtime', 'stub'],
  '--importMemory',
  '--noExportMemory',
  '--sharedMemory',
  ...['--initialMemory', '1'],
  ...['--maximumMemory', '65536'],
  ...['--enable', 'simd'],
  ...['--enable', 'threads'],
  // what a loop finds the same each time is made in front of it
  ...['--runPasses', 'flatten,local-cse,licm,simplify-locals,coalesce-locals,vacuum,reorder-locals'],
  // v128 parameters of internal functions
  ...['--disableWarning', '112'],
];

/** Modules that are written by a script, by their file's name. */
const written: Readonly<Record<string, string>> = { 'gemm-tiles.ts': writeGemmTiles() };

const variants = {
  plain: commonOptions,
  relaxed: [...commonOptions, '--enable', 'relaxed-simd'],
};

/** A hash of everything that decides the output; the compiler's version is the one that package.json pins. */
function hashSources(): string {
  const hash = createHash('sha256');
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  hash.update(devDependencies.assemblyscript);
  for (const file of [fileURLToPath(import.meta.url), ...globSync(`${sourceFolder}/*.ts`).sort()]) {
    hash.update(relative(root, file)).update('\0').update(readFileSync(file)).update('\0');
  }
  hash.update(JSON.stringify(written));
  return hash.digest('hex');
}

function writeAtomically(name: string, content: Uint8Array | string): void {
  const temporary = join(outputFolder, `.${name}.${randomUUID()}`);
  writeFileSync(temporary, content);
  renameSync(temporary, join(outputFolder, name));
}

const SECTION_DATA = 11;

/**
 * Throws when a module has a data segment: a second thread's instantiation on the same memory would write it over the
 * plan's buffers.
 */
export function rejectDataSegment(wasm: Uint8Array, name: string): void {
  let at = 8; // magic and version
  while (at < wasm.length) {
    const id = wasm[at++];
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = wasm[at++];
      size += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    if (id === SECTION_DATA && wasm[at] !== 0) throw new Error(`${name}: kernels must not have static data`);
    at += size;
  }
}

async function compileVariant(name: string, options: string[]): Promise<Uint8Array> {
  const { default: asc } = await import('assemblyscript/asc').catch((cause) => {
    throw new Error('AssemblyScript, which compiles the kernels, is not installed: run `npm ci` without --omit=dev', {
      cause,
    });
  });
  let wasm: Uint8Array | undefined;
  const { error, stderr } = await asc.main(
    ['index.ts', '--baseDir', sourceFolder, '--outFile', `${name}.wasm`, ...options],
    {
      readFile: (file: string, folder: string) => {
        const path = join(folder, file);
        return written[file] ?? (existsSync(path) ? readFileSync(path, 'utf8') : null);
      },
      writeFile: (file: string, content: Uint8Array | string) => {
        if (file.endsWith('.wasm') && typeof content !== 'string') wasm = content;
      },
    },
  );
  if (error || !wasm) throw new Error(`compiling ${name} kernels failed\n${stderr}`, { cause: error });
  rejectDataSegment(wasm, name);
  return wasm;
}

/** Whether what was built last was made of the sources as they are. */
export function areKernelsFresh(): boolean {
  const hashFile = join(outputFolder, 'sources.sha256');
  const isComplete = Object.keys(variants).every((name) => existsSync(join(outputFolder, `${name}.wasm`)));
  return isComplete && existsSync(hashFile) && readFileSync(hashFile, 'utf8') === hashSources();
}

/** Builds what is out of date; returns the line to print. Throws where the compiler is not installed, or refuses the sources. */
export async function buildKernels(): Promise<string> {
  if (areKernelsFresh()) return 'kernels: up to date';
  // before anything is compiled: sources that change meanwhile are not those that were built
  const hash = hashSources();
  const began = performance.now();
  console.error('kernels: compiling AssemblyScript to WebAssembly; this takes some 20 s, and is done once …');
  mkdirSync(outputFolder, { recursive: true });
  const sizes: string[] = [];
  for (const [name, options] of Object.entries(variants)) {
    const wasm = await compileVariant(name, options);
    writeAtomically(`${name}.wasm`, wasm);
    sizes.push(`${name} ${Math.round(wasm.length / 1024)} KiB`);
  }
  writeAtomically('sources.sha256', hash);
  return `kernels: built ${sizes.join(', ')} in ${((performance.now() - began) / 1000).toFixed(1)} s`;
}

if (import.meta.main) console.error(await buildKernels());
