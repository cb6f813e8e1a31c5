// The vocabulary shared by all kernels: fused multiply-add, partial vectors for tails, horizontal reductions.
//
// How kernels are written here
// - The main loop works on pairs of vectors (8 floats): all loads of a pair stand next to each other, then the
//   arithmetic, then the two stores next to each other. That is what V8's revectoriser needs to make one 256-bit AVX2
//   operation of two 128-bit ones; a store between the two loads of a pair would forbid it.
// - The tail runs the same lane arithmetic on padded vectors (loadPart / storePart), so an element's bits never depend
//   on whether it fell into a full vector or into the tail.
// - Loops count elements down instead of comparing end pointers: a buffer may end at 4 GiB exactly, where a u32 end
//   pointer would wrap to 0.
// - No memory of our own: no static data, no strings, no managed objects.

/** 0, which only the run can know: a memory has at most 65,536 pages. */
const nothing: f32 = <f32>(memory.size() >>> 31);
const noBits: i32 = memory.size() >>> 31;

/**
 * c in all lanes, for loops. A constant of 128 bits is made anew wherever it is used, by several instructions; what is only known at the run can be
 * made in front of the loop, where the build moves it if the loop begins with its work (`do … while`): e^x takes 0.6 ns a float instead of 1.1.
 */
// @ts-ignore: decorator
@inline
export function constant(c: f32): v128 {
  return f32x4.splat(c + nothing);
}

/** The same for four integers. */
// @ts-ignore: decorator
@inline
export function bits(c: i32): v128 {
  return i32x4.splat(c + noBits);
}

/** a·b + c: one rounding in the relaxed build, two in the plain one. */
// @ts-ignore: decorator
@inline
export function fma(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** c − a·b */
// @ts-ignore: decorator
@inline
export function fnma(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_nmadd(a, b, c);
  return f32x4.sub(c, f32x4.mul(a, b));
}

/** The first `count` (1..4) floats at p; the other lanes keep those of `rest`. Touches no byte beyond them. */
// @ts-ignore: decorator
@inline
export function loadPartOr(p: usize, count: u32, rest: v128): v128 {
  if (count == 4) return v128.load(p);
  if (count == 1) return v128.load_lane<f32>(p, rest, 0);
  const two = v128.load_lane<u64>(p, rest, 0);
  if (count == 2) return two;
  return v128.load_lane<f32>(p, two, 2, 8);
}

/** The first `count` (1..4) floats at p, zeros behind. */
// @ts-ignore: decorator
@inline
export function loadPart(p: usize, count: u32): v128 {
  return loadPartOr(p, count, f32x4.splat(0));
}

/** Stores the first `count` (1..4) lanes at p. */
// @ts-ignore: decorator
@inline
export function storePart(p: usize, value: v128, count: u32): void {
  if (count == 4) {
    v128.store(p, value);
  } else if (count == 1) {
    v128.store_lane<f32>(p, value, 0);
  } else {
    v128.store_lane<u64>(p, value, 0);
    if (count == 3) v128.store_lane<f32>(p, value, 2, 8);
  }
}

/** Loads lanes [from, to) of the vector whose lane 0 lies at p; zeros elsewhere. */
export function loadRange(p: usize, from: u32, to: u32): v128 {
  let value = f32x4.splat(0);
  if (from == 0 && to > 0) value = v128.load_lane<f32>(p, value, 0);
  if (from <= 1 && to > 1) value = v128.load_lane<f32>(p, value, 1, 4);
  if (from <= 2 && to > 2) value = v128.load_lane<f32>(p, value, 2, 8);
  if (from <= 3 && to > 3) value = v128.load_lane<f32>(p, value, 3, 12);
  return value;
}

/** Stores lanes [from, to) of the vector whose lane 0 lies at p. */
export function storeRange(p: usize, value: v128, from: u32, to: u32): void {
  if (from == 0 && to > 0) v128.store_lane<f32>(p, value, 0);
  if (from <= 1 && to > 1) v128.store_lane<f32>(p, value, 1, 4);
  if (from <= 2 && to > 2) v128.store_lane<f32>(p, value, 2, 8);
  if (from <= 3 && to > 3) v128.store_lane<f32>(p, value, 3, 12);
}

/** (x0 + x2) + (x1 + x3) */
// @ts-ignore: decorator
@inline
export function sumLanes(x: v128): f32 {
  const pairs = f32x4.add(x, v128.shuffle<u32>(x, x, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

/** Largest lane; a NaN lane may be passed over (its exponential brings it back). */
// @ts-ignore: decorator
@inline
export function maxLanes(x: v128): f32 {
  const pairs = f32x4.pmax(x, v128.shuffle<u32>(x, x, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.pmax(pairs, v128.shuffle<u32>(pairs, pairs, 1, 0, 3, 2)), 0);
}
