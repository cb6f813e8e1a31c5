import type { Pointer } from './pointer.ts';

/** Optimizers (p updated in place; `hyper` points at a HyperBlock). */
export interface OptimizerKernels {
  /** y = g, and + sum where isAccumulated is not 0 */
  accumulate(g: Pointer, sum: Pointer, y: Pointer, n: number, hyper: Pointer): void;
  /** g' = g + weightDecay·p; p −= learningRate·g' */
  sgdUpdate(p: Pointer, g: Pointer, n: number, hyper: Pointer): void;
  /** g' = g + weightDecay·p; v = momentum·v + g'; p −= learningRate·(nesterov ? g' + momentum·v : v) (torch's form) */
  momentumUpdate(
    p: Pointer,
    g: Pointer,
    v: Pointer,
    n: number,
    momentum: number,
    nesterov: number,
    hyper: Pointer,
  ): void;
  /**
   * Adam (Kingma & Ba 2015), torch's form: m = m + (1−β₁)(g−m); v = β₂v + (1−β₂)g²;
   * p −= (lr/bias1)·m / (√v/√bias2 + ε). β and ε are f64: 1 − β is taken before rounding.
   * decoupled = 1: AdamW, p *= 1 − lr·weightDecay first; 0: g += weightDecay·p.
   */
  adamUpdate(
    p: Pointer,
    g: Pointer,
    m: Pointer,
    v: Pointer,
    n: number,
    beta1: number,
    beta2: number,
    epsilon: number,
    decoupled: number,
    hyper: Pointer,
  ): void;

  /** AMSGrad (Reddi et al. 2018), torch's form: as adamUpdate, but √v is √x with x = max(x, v) */
  amsgradUpdate(
    p: Pointer,
    g: Pointer,
    m: Pointer,
    v: Pointer,
    x: Pointer,
    n: number,
    beta1: number,
    beta2: number,
    epsilon: number,
    decoupled: number,
    hyper: Pointer,
  ): void;
  /** Adamax (Kingma & Ba 2015): m as Adam's; u = max(β₂u, |g'| + ε); p −= (lr/bias1)·m / u. g' = g + weightDecay·p */
  adamaxUpdate(
    p: Pointer,
    g: Pointer,
    m: Pointer,
    u: Pointer,
    n: number,
    beta1: number,
    beta2: number,
    epsilon: number,
    hyper: Pointer,
  ): void;
  /**
   * NAdam (Dozat 2016): g', m and v as Adam's; p −= (gradientRate·g' + momentRate·m) / (√v/√bias2 + ε), where the rates
   * hold the learning rate and the schedule of β₁.
   */
  nadamUpdate(
    p: Pointer,
    g: Pointer,
    m: Pointer,
    v: Pointer,
    n: number,
    beta1: number,
    beta2: number,
    epsilon: number,
    hyper: Pointer,
  ): void;
  /**
   * RAdam (Liu et al. 2020): g', m and v as Adam's; p −= momentRate·m / (√v + ε), without the division while `adaptive`
   * is 0. The rate holds the learning rate, the rectification and the bias corrections.
   */
  radamUpdate: OptimizerKernels['nadamUpdate'];
  /**
   * Lion (Chen et al. 2023): c = m + (1−β₁)(g−m); p = (1 − lr·weightDecay)·p − lr·sign(c); m += (1−β₂)(g−m).
   * The sign of 0 is 0, that of NaN is NaN.
   */
  lionUpdate(p: Pointer, g: Pointer, m: Pointer, n: number, beta1: number, beta2: number, hyper: Pointer): void;
  /**
   * LAMB (You et al. 2020), first pass: m and v as Adam's, of the bare g; u = (m/bias1) / (√v/√bias2 + ε) + weightDecay·p.
   * p is only read.
   */
  lambDirection(
    p: Pointer,
    g: Pointer,
    m: Pointer,
    v: Pointer,
    u: Pointer,
    n: number,
    beta1: number,
    beta2: number,
    epsilon: number,
    hyper: Pointer,
  ): void;
  /**
   * LAMB, second pass: p −= lr·r·u with r = ‖p‖/‖u‖, or 1 where either is 0. The norms are those of whole tensors: `count`
   * sums of squares each (sumSquaresChunks), added in f64, in order.
   */
  lambUpdate(
    p: Pointer,
    u: Pointer,
    n: number,
    parameterSquares: Pointer,
    directionSquares: Pointer,
    count: number,
    hyper: Pointer,
  ): void;
  /** Adagrad (Duchi et al. 2011): g' = g + weightDecay·p; v += g'²; p −= lr·g' / (√(v + initial) + ε) */
  adagradUpdate(p: Pointer, g: Pointer, v: Pointer, n: number, initial: number, epsilon: number, hyper: Pointer): void;
  /**
   * Adadelta (Zeiler 2012): g' = g + weightDecay·p; v = ρv + (1−ρ)g'²; δ = g'·√((d + ε)/(v + ε)); d = ρd + (1−ρ)δ²;
   * p −= lr·δ
   */
  adadeltaUpdate(
    p: Pointer,
    g: Pointer,
    v: Pointer,
    d: Pointer,
    n: number,
    rho: number,
    epsilon: number,
    hyper: Pointer,
  ): void;
  /**
   * RMSprop (Tieleman & Hinton 2012), torch's form: g' = g + weightDecay·p; v = αv + (1−α)g'²; s = g' / (√v + ε).
   * With an `average` a (Graves 2013): a += (1−α)(g'−a) and v − a² in place of v, 0 where rounding makes it negative.
   * With a `velocity` b: b = momentum·b + s; s = b. Then p −= lr·s. A pointer of 0 stands for none.
   */
  rmspropUpdate(
    p: Pointer,
    g: Pointer,
    v: Pointer,
    average: Pointer,
    velocity: Pointer,
    n: number,
    alpha: number,
    epsilon: number,
    momentum: number,
    hyper: Pointer,
  ): void;

  /** a += (1 − decay)·(p − a): the running mean of p */
  averageUpdate(p: Pointer, a: Pointer, n: number, decay: number): void;
}
