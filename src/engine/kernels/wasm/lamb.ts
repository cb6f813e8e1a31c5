// LAMB in two passes, with the norms of the whole tensor taken in between. `hyper` points at a HyperBlock.

import { adamLike, decayedSquare } from './adam';
import { fma, fnma } from './lanes';
import { zip } from './loops';

@unmanaged
class Direction {
  @inline second(d: v128, v: v128, b2: v128, c2: v128, _: v128): v128 { return decayedSquare(d, v, b2, c2); }
  @inline step(p: v128, _: v128, m: v128, v: v128, eps: v128, scale: v128, root: v128, decay: v128): v128 {
    return fma(decay, p, f32x4.div(f32x4.mul(scale, m), fma(f32x4.sqrt(v), root, eps)));
  }
}

@unmanaged
class Step {
  @inline of2(u: v128, p: v128, rate: v128): v128 { return fnma(rate, u, p); }
}

/** m += (1−β₁)(g−m); v = β₂v + (1−β₂)g²; u = (m/bias1) / (√v/√bias2 + ε) + weightDecay·p */
export function lambDirection(
  p: usize,
  g: usize,
  m: usize,
  v: usize,
  u: usize,
  n: u32,
  beta1: f64,
  beta2: f64,
  epsilon: f64,
  hyper: usize,
): void {
  const decay = f32x4.splat(load<f32>(hyper, 4));
  const scale = f32x4.splat(<f32>1 / load<f32>(hyper, 8));
  const root = f32x4.splat(<f32>1 / sqrt<f32>(load<f32>(hyper, 12)));
  adamLike<Direction>(p, g, m, v, 0, u, n, beta1, beta2, epsilon, f32x4.splat(0), scale, root, decay, false, true);
}

/** √Σ of `count` sums of squares, added in f64, in order */
function norm(squares: usize, count: u32): f64 {
  let sum: f64 = 0;
  for (; count > 0; count--) {
    sum += <f64>load<f32>(squares);
    squares += 4;
  }
  return sqrt<f64>(sum);
}

/** p −= learningRate·r·u, r = ‖p‖/‖u‖, or 1 where either norm is 0 */
export function lambUpdate(
  p: usize,
  u: usize,
  n: u32,
  parameterSquares: usize,
  directionSquares: usize,
  count: u32,
  hyper: usize,
): void {
  const ofParameter = norm(parameterSquares, count);
  const ofDirection = norm(directionSquares, count);
  const ratio: f64 = ofParameter == 0 || ofDirection == 0 ? 1 : ofParameter / ofDirection;
  const rate = f32x4.splat(<f32>(<f64>load<f32>(hyper) * ratio));
  zip<Step>(u, p, p, n, rate);
}
