import { fma, fnma } from './lanes';
import { updateWithState } from './optimizers';

/** −1, 0 or 1; NaN stays NaN */
// @ts-ignore: decorator
@inline
function sign(x: v128): v128 {
  const one = v128.or(v128.and(x, f32x4.splat(-0.0)), f32x4.splat(1));
  return v128.bitselect(one, x, f32x4.gt(f32x4.abs(x), f32x4.splat(0)));
}

@unmanaged
class Lion {
  @inline state(_p: v128, g: v128, m: v128, _r: v128, _k: v128, _c1: v128, c2: v128): v128 {
    return fma(c2, f32x4.sub(g, m), m);
  }
  @inline step(p: v128, g: v128, m: v128, _: v128, rate: v128, keep: v128, c1: v128, _c2: v128): v128 {
    return fnma(rate, sign(fma(c1, f32x4.sub(g, m), m)), f32x4.mul(keep, p));
  }
}

/**
 * Lion: c = m + (1−β₁)(g−m); p = (1 − learningRate·weightDecay)·p − learningRate·sign(c); m += (1−β₂)(g−m).
 * `hyper` points at a HyperBlock; everything of n floats is changed in place.
 */
export function lionUpdate(p: usize, g: usize, m: usize, n: u32, beta1: f64, beta2: f64, hyper: usize): void {
  const learningRate = load<f32>(hyper);
  const keep = f32x4.splat(1 - learningRate * load<f32>(hyper, 4));
  const c1 = f32x4.splat(<f32>(1 - beta1));
  const c2 = f32x4.splat(<f32>(1 - beta2));
  updateWithState<Lion>(p, g, m, n, f32x4.splat(learningRate), keep, c1, c2);
}
