import type { Pointer } from './pointer.ts';

/** Rows. */
export interface RowKernels {
  softmax(x: Pointer, y: Pointer, rows: number, cols: number): void;
  /** dx = y·(dy − Σ dy·y), y the output */
  softmaxGrad(dy: Pointer, y: Pointer, dx: Pointer, rows: number, cols: number): void;
  /** y = ln softmax(x) */
  logSoftmax(x: Pointer, y: Pointer, rows: number, cols: number): void;
  /** dx = dy − e^y·Σ dy, y the output */
  logSoftmaxGrad(dy: Pointer, y: Pointer, dx: Pointer, rows: number, cols: number): void;
  /**
   * loss (rows) = mean over positions of the cross-entropy of x (rows, positions, cols) against labels i32 (rows, positions), torch's:
   * (1 − ε)·w[label]·ℓ[label] + ε/cols·Σ w[j]·ℓ[j], ℓ[j] = logΣexp(x) − x[j]. `weights` w (cols) may be 0: all 1. A label that is
   * `ignored` (`NO_LABEL`: none is) has loss 0 and no gradient; any other outside [0, cols) gives NaN.
   */
  softmaxCrossEntropy(
    x: Pointer,
    labels: Pointer,
    weights: Pointer,
    loss: Pointer,
    rows: number,
    positions: number,
    cols: number,
    ignored: number,
    smoothing: number,
  ): void;
  /**
   * With k = (1 − ε)·w[label] + ε/cols·Σ w: dx[j] = (k·softmax(x)[j] − (1 − ε)·w[label]·[j = label] − ε/cols·w[j])·dloss[row]/positions
   */
  softmaxCrossEntropyGrad(
    x: Pointer,
    labels: Pointer,
    weights: Pointer,
    dloss: Pointer,
    dx: Pointer,
    rows: number,
    positions: number,
    cols: number,
    ignored: number,
    smoothing: number,
  ): void;
  /** Its curvature by x times v (rows, positions, cols): with k as above and p = softmax(x), dx[j] = k·p[j]·(v[j] − Σ p·v)·dloss[row]/positions */
  softmaxCrossEntropyBend(
    x: Pointer,
    labels: Pointer,
    weights: Pointer,
    dloss: Pointer,
    v: Pointer,
    dx: Pointer,
    rows: number,
    positions: number,
    cols: number,
    ignored: number,
    smoothing: number,
  ): void;
  /** softmaxCrossEntropy without smoothing, each position's loss times q^γ, q the probability of all classes but its own (Lin et al. 2017) */
  focalCrossEntropy(
    x: Pointer,
    labels: Pointer,
    weights: Pointer,
    loss: Pointer,
    rows: number,
    positions: number,
    cols: number,
    ignored: number,
    gamma: number,
  ): void;
  /** dx[j] = w[label]·q^γ·(1 + γ·(1 − q)·ℓ/q)·(softmax(x)[j] − [j = label])·dloss[row]/positions, ℓ = −ln(1 − q) */
  focalCrossEntropyGrad(
    x: Pointer,
    labels: Pointer,
    weights: Pointer,
    dloss: Pointer,
    dx: Pointer,
    rows: number,
    positions: number,
    cols: number,
    ignored: number,
    gamma: number,
  ): void;
  /**
   * loss (rows) = mean over positions and cols of w[label]·max(0, margin + x[j] − x[label])^power, j ≠ label, power 1 or 2 (torch's
   * MultiMarginLoss); weights, ignored and labels outside as in softmaxCrossEntropy. The gradient at 0 is 0.
   */
  marginLoss(
    x: Pointer,
    labels: Pointer,
    weights: Pointer,
    loss: Pointer,
    rows: number,
    positions: number,
    cols: number,
    ignored: number,
    margin: number,
    power: number,
  ): void;
  marginLossGrad(
    x: Pointer,
    labels: Pointer,
    weights: Pointer,
    dloss: Pointer,
    dx: Pointer,
    rows: number,
    positions: number,
    cols: number,
    ignored: number,
    margin: number,
    power: number,
  ): void;
  /** loss (rows) = mean over cols of f(x, t), f by its code (ValueLoss) */
  valueLoss(
    code: number,
    x: Pointer,
    t: Pointer,
    loss: Pointer,
    rows: number,
    cols: number,
    a: number,
    b: number,
  ): void;
  /** dx = f'(x, t)·dloss[row]/cols */
  valueLossGrad(
    code: number,
    x: Pointer,
    t: Pointer,
    dloss: Pointer,
    dx: Pointer,
    rows: number,
    cols: number,
    a: number,
    b: number,
  ): void;
  /** dx = f''(x, t)·v·dloss[row]/cols; 0 where f is straight, and for binaryFocal, which is not convex */
  valueLossBend(
    code: number,
    x: Pointer,
    t: Pointer,
    dloss: Pointer,
    v: Pointer,
    dx: Pointer,
    rows: number,
    cols: number,
    a: number,
    b: number,
  ): void;
  /** loss (rows) = Σ t·(ln t − ln softmax(x)): Kullback & Leibler's divergence of softmax(x) from t (rows, cols), where t = 0 adds nothing */
  divergence(x: Pointer, t: Pointer, loss: Pointer, rows: number, cols: number): void;
  /** dx = (softmax(x)·Σ t − t)·dloss[row] */
  divergenceGrad(x: Pointer, t: Pointer, dloss: Pointer, dx: Pointer, rows: number, cols: number): void;
  /** loss (rows) = 1 − x·t/(‖x‖·‖t‖); 1, without a gradient, where either is 0 */
  cosineLoss(x: Pointer, t: Pointer, loss: Pointer, rows: number, cols: number): void;
  /** dx = (cos·x/‖x‖² − t/(‖x‖·‖t‖))·dloss[row] */
  cosineLossGrad(x: Pointer, t: Pointer, dloss: Pointer, dx: Pointer, rows: number, cols: number): void;
  /**
   * loss (rows) of embeddings x (rows, cols), the whole batch, by their distances d to rows with the same label and with others:
   * contrastive (Hadsell, Chopra & LeCun 2006), mean over all other rows of d² where the label is the same, else of max(0, margin − d)²;
   * tripletAll and tripletHard (Schroff et al. 2015; Hermans et al. 2017), max(0, margin + d[p] − d[n]) as the mean over every p of the same label
   * and n of another, or of the furthest p and the nearest n (the first of equals); 0 where there is no p or no n. `scratch`: 2·rows floats.
   */
  pairLoss(
    code: number,
    x: Pointer,
    labels: Pointer,
    loss: Pointer,
    rows: number,
    cols: number,
    margin: number,
    scratch: Pointer,
  ): void;
  /** dx (rows, cols) = Σ over rows of dloss[row]·∂loss[row]/∂x; a distance of 0 has no direction, and no gradient */
  pairLossGrad(
    code: number,
    x: Pointer,
    labels: Pointer,
    dloss: Pointer,
    dx: Pointer,
    rows: number,
    cols: number,
    margin: number,
    scratch: Pointer,
  ): void;
  /** y (rows) = share of positions at which the first largest of x is at the label; not where x has NaN, nor where it is `ignored` */
  correct(
    x: Pointer,
    labels: Pointer,
    y: Pointer,
    rows: number,
    positions: number,
    cols: number,
    ignored: number,
  ): void;
}
