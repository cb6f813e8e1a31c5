// Activation functions and their gradients, element-wise; n floats. Gradients: dx = dy · f'.
//
// A function is a class for the loops of loops.ts:
//   of(x)          the value
//   of2(dy, v)     dy · f', where v is what the gradient reads: the output y, or the input x

import { fma } from './lanes';
import { map, zip } from './loops';
import {
  exp4,
  expm1Negative4,
  geluErf4,
  geluErfSlope4,
  geluTanh4,
  geluTanhSlope4,
  log1p4,
  log4,
  sigmoid4,
  tanh4,
} from './math';

/** min(max(x, low), high); pmin and pmax keep their first operand when it is NaN */
// @ts-ignore: decorator
@inline
function clip4(x: v128, low: f32, high: f32): v128 {
  return f32x4.pmin(f32x4.pmax(x, f32x4.splat(low)), f32x4.splat(high));
}

/** dy where low < y < high, else 0; where y is NaN dy passes */
// @ts-ignore: decorator
@inline
function passBetween4(dy: v128, y: v128, low: f32, high: f32): v128 {
  return v128.andnot(dy, v128.or(f32x4.le(y, f32x4.splat(low)), f32x4.ge(y, f32x4.splat(high))));
}

@unmanaged
class Exp {
  @inline of(x: v128, _: v128): v128 { return exp4(x); }
}

@unmanaged
class Log {
  @inline of(x: v128, _: v128): v128 { return log4(x); }
}

@unmanaged
class Relu {
  @inline of(x: v128, _: v128): v128 { return f32x4.pmax(x, f32x4.splat(0)); }
  @inline of2(dy: v128, y: v128, _: v128): v128 { return v128.andnot(dy, f32x4.le(y, f32x4.splat(0))); }
}

@unmanaged
class LeakyRelu {
  @inline of(x: v128, alpha: v128): v128 {
    return v128.bitselect(f32x4.mul(x, alpha), x, f32x4.lt(x, f32x4.splat(0)));
  }
  @inline of2(dy: v128, y: v128, alpha: v128): v128 {
    return f32x4.mul(dy, v128.bitselect(alpha, f32x4.splat(1), f32x4.le(y, f32x4.splat(0))));
  }
}

@unmanaged
class Sigmoid {
  @inline of(x: v128, _: v128): v128 { return sigmoid4(x); }
  @inline of2(dy: v128, y: v128, _: v128): v128 {
    return f32x4.mul(dy, f32x4.mul(y, f32x4.sub(f32x4.splat(1), y)));
  }
}

@unmanaged
class Tanh {
  @inline of(x: v128, _: v128): v128 { return tanh4(x); }
  @inline of2(dy: v128, y: v128, _: v128): v128 {
    return f32x4.mul(dy, f32x4.sub(f32x4.splat(1), f32x4.mul(y, y)));
  }
}

@unmanaged
class GeluErf {
  @inline of(x: v128, _: v128): v128 { return geluErf4(x); }
  @inline of2(dy: v128, x: v128, _: v128): v128 { return f32x4.mul(dy, geluErfSlope4(x)); }
}

@unmanaged
class GeluTanh {
  @inline of(x: v128, _: v128): v128 { return geluTanh4(x); }
  @inline of2(dy: v128, x: v128, _: v128): v128 { return f32x4.mul(dy, geluTanhSlope4(x)); }
}

/** x above 0, α(e^x − 1) below: Clevert et al. 2016. */
@unmanaged
class Elu {
  @inline of(x: v128, alpha: v128): v128 {
    return v128.bitselect(x, f32x4.mul(alpha, expm1Negative4(x)), f32x4.gt(x, f32x4.splat(0)));
  }
  /** α·e^x = y + α */
  @inline of2(dy: v128, y: v128, alpha: v128): v128 {
    const slope = v128.bitselect(f32x4.add(y, alpha), f32x4.splat(1), f32x4.le(y, f32x4.splat(0)));
    return f32x4.mul(dy, slope);
  }
}

// Klambauer et al. 2017: λ and λα, with which mean 0 and variance 1 stay
// @ts-ignore: decorator
@inline const SELU_SCALE: f32 = 1.0507009873554805;
// @ts-ignore: decorator
@inline const SELU_BELOW: f32 = 1.0507009873554805 * 1.6732632423543772;

@unmanaged
class Selu {
  @inline of(x: v128, _: v128): v128 {
    const below = f32x4.mul(f32x4.splat(SELU_BELOW), expm1Negative4(x));
    return v128.bitselect(f32x4.mul(f32x4.splat(SELU_SCALE), x), below, f32x4.gt(x, f32x4.splat(0)));
  }
  @inline of2(dy: v128, y: v128, _: v128): v128 {
    const below = f32x4.add(y, f32x4.splat(SELU_BELOW));
    return f32x4.mul(dy, v128.bitselect(below, f32x4.splat(SELU_SCALE), f32x4.le(y, f32x4.splat(0))));
  }
}

/** x·sigmoid(x); ≤ 2.5 ulp */
@unmanaged
class Silu {
  @inline of(x: v128, _: v128): v128 { return f32x4.mul(x, sigmoid4(x)); }
  /** s + x·s(1 − s) with 1 − s = e^−x·s. Beyond ±88 the slope is 0 or 1; neither x nor e^−x must be ∞, for 0·∞ is NaN. */
  @inline of2(dy: v128, x: v128, _: v128): v128 {
    const c = clip4(x, -88, 88);
    const e = exp4(f32x4.neg(c));
    const s = f32x4.div(f32x4.splat(1), f32x4.add(f32x4.splat(1), e));
    return f32x4.mul(dy, fma(f32x4.mul(c, s), f32x4.mul(e, s), s));
  }
}

/**
 * x·tanh(ln(1 + e^x)), Misra 2020; ≤ 3.6 ulp. With e = e^x and n = e(e + 2), tanh(ln(1 + e)) = n/(n + 2): 1 in f32 above 20, where e² is
 * still finite.
 */
@unmanaged
class Mish {
  @inline of(x: v128, _: v128): v128 {
    const e = exp4(f32x4.pmin(x, f32x4.splat(20)));
    const n = f32x4.mul(e, f32x4.add(e, f32x4.splat(2)));
    return f32x4.mul(x, f32x4.div(n, f32x4.add(n, f32x4.splat(2))));
  }
  /** n/(n + 2) + x·4e(e + 1)/(n + 2)² */
  @inline of2(dy: v128, x: v128, _: v128): v128 {
    const c = clip4(x, -104, 20);
    const e = exp4(c);
    const n = f32x4.mul(e, f32x4.add(e, f32x4.splat(2)));
    const share = f32x4.div(f32x4.splat(1), f32x4.add(n, f32x4.splat(2)));
    const rise = f32x4.mul(f32x4.mul(f32x4.mul(c, f32x4.splat(4)), f32x4.mul(e, f32x4.add(e, f32x4.splat(1)))), share);
    return f32x4.mul(dy, f32x4.mul(f32x4.add(n, rise), share));
  }
}

/** ln(1 + e^x) = max(x, 0) + ln(1 + e^−|x|); ≤ 1.8 ulp. Above 20, where torch gives x, that is x in f32 too. */
@unmanaged
class Softplus {
  @inline of(x: v128, _: v128): v128 {
    return f32x4.add(f32x4.pmax(x, f32x4.splat(0)), log1p4(exp4(f32x4.neg(f32x4.abs(x)))));
  }
  /** sigmoid(x) = 1 − e^−y */
  @inline of2(dy: v128, y: v128, _: v128): v128 {
    return f32x4.neg(f32x4.mul(dy, expm1Negative4(f32x4.neg(y))));
  }
}

/** x/(1 + |x|) */
@unmanaged
class Softsign {
  @inline of(x: v128, _: v128): v128 { return f32x4.div(x, f32x4.add(f32x4.splat(1), f32x4.abs(x))); }
  /** 1/(1 + |x|)², where 1/(1 + |x|) = 1 − |y| */
  @inline of2(dy: v128, y: v128, _: v128): v128 {
    const rest = f32x4.sub(f32x4.splat(1), f32x4.abs(y));
    return f32x4.mul(dy, f32x4.mul(rest, rest));
  }
}

// @ts-ignore: decorator
@inline const SIXTH: f32 = 1.0 / 6.0;

/** x/6 + ½ between 0 and 1 */
// @ts-ignore: decorator
@inline
function hardSigmoid4(x: v128): v128 {
  return clip4(fma(x, f32x4.splat(SIXTH), f32x4.splat(0.5)), 0, 1);
}

@unmanaged
class HardSigmoid {
  @inline of(x: v128, _: v128): v128 { return hardSigmoid4(x); }
  @inline of2(dy: v128, y: v128, _: v128): v128 { return passBetween4(f32x4.mul(dy, f32x4.splat(SIXTH)), y, 0, 1); }
}

@unmanaged
class HardTanh {
  @inline of(x: v128, _: v128): v128 { return clip4(x, -1, 1); }
  @inline of2(dy: v128, y: v128, _: v128): v128 { return passBetween4(dy, y, -1, 1); }
}

@unmanaged
class Relu6 {
  @inline of(x: v128, _: v128): v128 { return clip4(x, 0, 6); }
  @inline of2(dy: v128, y: v128, _: v128): v128 { return passBetween4(dy, y, 0, 6); }
}

/** x·hardSigmoid(x): Howard et al. 2019. */
@unmanaged
class HardSilu {
  @inline of(x: v128, _: v128): v128 { return f32x4.mul(x, hardSigmoid4(x)); }
  /** x/3 + ½ between −3 and 3; 0 below, 1 above, at the ends too, as in torch today (1.13 has −½ at −3, and 1 or 3/2 at 3) */
  @inline of2(dy: v128, x: v128, _: v128): v128 {
    const inside = fma(x, f32x4.splat(2 * SIXTH), f32x4.splat(0.5));
    const slope = v128.bitselect(inside, f32x4.splat(1), f32x4.lt(x, f32x4.splat(3)));
    return f32x4.mul(dy, v128.andnot(slope, f32x4.le(x, f32x4.splat(-3))));
  }
}

export function exp(x: usize, y: usize, n: u32): void { map<Exp>(x, y, n); }
export function log(x: usize, y: usize, n: u32): void { map<Log>(x, y, n); }
export function relu(x: usize, y: usize, n: u32): void { map<Relu>(x, y, n); }
export function leakyRelu(x: usize, y: usize, n: u32, alpha: f32): void { map<LeakyRelu>(x, y, n, f32x4.splat(alpha)); }
export function sigmoid(x: usize, y: usize, n: u32): void { map<Sigmoid>(x, y, n); }
export function tanh(x: usize, y: usize, n: u32): void { map<Tanh>(x, y, n); }
export function geluErf(x: usize, y: usize, n: u32): void { map<GeluErf>(x, y, n); }
export function geluTanh(x: usize, y: usize, n: u32): void { map<GeluTanh>(x, y, n); }
export function elu(x: usize, y: usize, n: u32, alpha: f32): void { map<Elu>(x, y, n, f32x4.splat(alpha)); }
export function selu(x: usize, y: usize, n: u32): void { map<Selu>(x, y, n); }
export function silu(x: usize, y: usize, n: u32): void { map<Silu>(x, y, n); }
export function mish(x: usize, y: usize, n: u32): void { map<Mish>(x, y, n); }
export function softplus(x: usize, y: usize, n: u32): void { map<Softplus>(x, y, n); }
export function softsign(x: usize, y: usize, n: u32): void { map<Softsign>(x, y, n); }
export function hardSigmoid(x: usize, y: usize, n: u32): void { map<HardSigmoid>(x, y, n); }
export function hardTanh(x: usize, y: usize, n: u32): void { map<HardTanh>(x, y, n); }
export function relu6(x: usize, y: usize, n: u32): void { map<Relu6>(x, y, n); }
export function hardSilu(x: usize, y: usize, n: u32): void { map<HardSilu>(x, y, n); }

/** x = F(x), n floats: the function that has the code in abi.ts (Activation); 0 leaves x as it is */
export function activateInPlace(x: usize, n: u32, code: u32, alpha: f32): void {
  if (code == 1) relu(x, x, n);
  else if (code == 2) leakyRelu(x, x, n, alpha);
  else if (code == 3) sigmoid(x, x, n);
  else if (code == 4) tanh(x, x, n);
  else if (code == 5) geluErf(x, x, n);
  else if (code == 6) geluTanh(x, x, n);
  else if (code == 7) elu(x, x, n, alpha);
  else if (code == 8) selu(x, x, n);
  else if (code == 9) softplus(x, x, n);
  else if (code == 10) softsign(x, x, n);
  else if (code == 11) hardSigmoid(x, x, n);
  else if (code == 12) hardTanh(x, x, n);
  else if (code == 13) relu6(x, x, n);
}

export function reluGrad(dy: usize, y: usize, dx: usize, n: u32): void { zip<Relu>(dy, y, dx, n); }
export function leakyReluGrad(dy: usize, y: usize, dx: usize, n: u32, alpha: f32): void { zip<LeakyRelu>(dy, y, dx, n, f32x4.splat(alpha)); }
export function sigmoidGrad(dy: usize, y: usize, dx: usize, n: u32): void { zip<Sigmoid>(dy, y, dx, n); }
export function tanhGrad(dy: usize, y: usize, dx: usize, n: u32): void { zip<Tanh>(dy, y, dx, n); }
export function geluErfGrad(dy: usize, x: usize, dx: usize, n: u32): void { zip<GeluErf>(dy, x, dx, n); }
export function geluTanhGrad(dy: usize, x: usize, dx: usize, n: u32): void { zip<GeluTanh>(dy, x, dx, n); }
export function eluGrad(dy: usize, y: usize, dx: usize, n: u32, alpha: f32): void { zip<Elu>(dy, y, dx, n, f32x4.splat(alpha)); }
export function seluGrad(dy: usize, y: usize, dx: usize, n: u32): void { zip<Selu>(dy, y, dx, n); }
export function siluGrad(dy: usize, x: usize, dx: usize, n: u32): void { zip<Silu>(dy, x, dx, n); }
export function mishGrad(dy: usize, x: usize, dx: usize, n: u32): void { zip<Mish>(dy, x, dx, n); }
export function softplusGrad(dy: usize, y: usize, dx: usize, n: u32): void { zip<Softplus>(dy, y, dx, n); }
export function softsignGrad(dy: usize, y: usize, dx: usize, n: u32): void { zip<Softsign>(dy, y, dx, n); }
export function hardSigmoidGrad(dy: usize, y: usize, dx: usize, n: u32): void { zip<HardSigmoid>(dy, y, dx, n); }
export function hardTanhGrad(dy: usize, y: usize, dx: usize, n: u32): void { zip<HardTanh>(dy, y, dx, n); }
export function relu6Grad(dy: usize, y: usize, dx: usize, n: u32): void { zip<Relu6>(dy, y, dx, n); }
export function hardSiluGrad(dy: usize, x: usize, dx: usize, n: u32): void { zip<HardSilu>(dy, x, dx, n); }
