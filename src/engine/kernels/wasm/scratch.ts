// How abi.ts lays out a thread's scratch: gemm packs in the first 1,186 KiB; behind lies what a kernel keeps beside its products.

/** WINDOWS_OFFSET_BYTES */
// @ts-ignore: decorator
@inline export const WORK: usize = 1186 * 1024;
/** WINDOWS_MAX_FLOATS */
// @ts-ignore: decorator
@inline export const WORK_FLOATS: u32 = ((1440 - 1186) * 1024) / 4;
