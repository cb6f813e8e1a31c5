/**
 * The part of the WebAssembly JavaScript interface that the engine uses. TypeScript declares it with the DOM library
 * only, which a server does not have.
 */
declare namespace WebAssembly {
  interface MemoryDescriptor {
    /** pages of 64 KiB */
    initial: number;
    maximum?: number;
    shared?: boolean;
  }

  class Memory {
    constructor(descriptor: MemoryDescriptor);
    /** a SharedArrayBuffer when the memory is shared */
    readonly buffer: ArrayBuffer | SharedArrayBuffer;
    /** returns the previous size in pages */
    grow(pages: number): number;
  }

  class Module {
    constructor(bytes: ArrayBufferView<ArrayBuffer> | ArrayBuffer);
    static exports(module: Module): { name: string; kind: string }[];
  }

  class Instance {
    constructor(module: Module, imports?: Record<string, Record<string, unknown>>);
    readonly exports: Record<string, unknown>;
  }

  class CompileError extends Error {}
  class LinkError extends Error {}
  class RuntimeError extends Error {}
}
