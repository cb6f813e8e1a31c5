/** Below it a step's buffers stay in the caches, and the few small pages they take stay known to the processor. */
const LEAST_BYTES = 8 * 2 ** 20;
/** from <asm-generic/mman-common.h> */
const MADV_HUGEPAGE = 14;

type Advise = (memory: WebAssembly.Memory) => void;
let advise: Advise | null = null;

/**
 * Asks Linux for pages of 2 MiB instead of 4 KiB under a memory that nobody has written to yet (madvise(2), MADV_HUGEPAGE): a step walks through
 * megabytes, and on a virtual machine each page that the processor does not know costs two walks through page tables. Does nothing where this
 * cannot be asked, or is switched off (/sys/kernel/mm/transparent_hugepage/enabled: never): the same bits, more slowly.
 */
export function adviseHugePages(memory: WebAssembly.Memory): void {
  if (memory.buffer.byteLength < LEAST_BYTES) return;
  advise ??= findAdvise();
  advise(memory);
}

function findAdvise(): Advise {
  const nothing = () => {};
  if (process.platform !== 'linux') return nothing;
  try {
    const ffi = loadQuietly();
    if (ffi === undefined) return nothing;
    const { functions } = ffi.dlopen(null, { madvise: { return: 'i32', arguments: ['u64', 'u64', 'i32'] } });
    return ({ buffer }) => {
      functions.madvise(ffi.getRawPointer(buffer), BigInt(buffer.byteLength), MADV_HUGEPAGE);
    };
  } catch {
    // a build of Node without it, or a C library that does not tell its functions
    return nothing;
  }
}

/** Node says of this module that it may change; what is done here without it is the same, and nothing a user could act on. */
function loadQuietly(): typeof import('node:ffi') | undefined {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return process.getBuiltinModule('node:ffi');
  } finally {
    process.emitWarning = emitWarning;
  }
}
