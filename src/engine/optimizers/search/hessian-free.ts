import type { Objective, Search, SearchNeeds, SearchTools } from './objective.ts';
import type { Vector, VectorSpace } from './vectors.ts';

/**
 * Hessian-free optimisation (Martens 2010, "Deep learning via Hessian-free optimization"): each step minimises a quadratic model of the loss,
 * q(x) = gᵀx + ½xᵀ(G + λI)x with the Gauss-Newton matrix G, by conjugate gradients that begin at the last step's solution; then it goes along the
 * solution as far as the loss allows. λ follows how well the model foretold the loss (Levenberg & Marquardt).
 */
export interface HessianFreeDescription {
  type: 'hessian_free';
  /** λ to begin with */
  damping: number;
  /** of conjugate gradients, in one step */
  maxIterations: number;
  /** what is kept of the last solution to begin with */
  warmStart: number;
}

/** Conjugate gradients end when the last k iterations lowered the model by less than k times this share of what it is. */
const LEAST_PROGRESS = 5e-4;
const ENOUGH_DESCENT = 1e-2;
const SHORTENING = 0.8;
const MOST_SHORTENINGS = 60;

export const HESSIAN_FREE_NEEDS: SearchNeeds = {
  passes: ['loss', 'gradient', 'curvature'],
  kept: ['solution'],
  temporary: ['gradient', 'direction', 'product', 'residual', 'start'],
};

/** Scalars: `damping`. */
export class HessianFree implements Search {
  readonly #description: HessianFreeDescription;
  readonly #space: VectorSpace;
  readonly #tools: SearchTools;
  readonly #gradient: Vector;
  readonly #solution: Vector;
  readonly #direction: Vector;
  readonly #product: Vector;
  readonly #residual: Vector;
  readonly #start: Vector;

  constructor(description: HessianFreeDescription, space: VectorSpace, tools: SearchTools) {
    this.#description = description;
    this.#space = space;
    this.#tools = tools;
    this.#gradient = tools.vector('gradient');
    this.#solution = tools.vector('solution');
    this.#direction = tools.vector('direction');
    this.#product = tools.vector('product');
    this.#residual = tools.vector('residual');
    this.#start = tools.vector('start');
  }

  step(objective: Objective, learningRate: number): number {
    const { scalars } = this.#tools;
    scalars.damping ??= this.#description.damping;
    const before = objective.lossAndGradient();
    if (Number.isNaN(before)) return before;
    const foretold = this.#minimizeModel(objective, scalars.damping);
    if (!(foretold < 0)) {
      // the solution it began with was none for these rows: the next step begins at nothing
      this.#space.scale(0, this.#gradient, this.#solution);
      scalars.damping *= 1.5;
      return before;
    }
    this.#space.copy(objective.weights, this.#start);
    const whole = this.#lossAt(objective, 1);
    const ratio = (whole - before) / foretold;
    if (!(ratio >= 0.25)) scalars.damping *= 1.5;
    else if (ratio > 0.75) scalars.damping *= 2 / 3;
    this.#backtrack(objective, before, learningRate, whole);
    return before;
  }

  /** Leaves the best x found in `solution`, and returns q(x). */
  #minimizeModel(objective: Objective, damping: number): number {
    const space = this.#space;
    const [x, g, r, p] = [this.#solution, this.#gradient, this.#residual, this.#direction];
    const multiply = () => {
      objective.multiplyByCurvature();
      space.addScaled(damping, p, this.#product);
    };
    // r = −g − A·x
    space.scale(this.#description.warmStart, x, x);
    space.copy(x, p);
    multiply();
    space.scale(-1, g, r);
    space.addScaled(-1, this.#product, r);
    space.copy(r, p);

    const values: number[] = [];
    let square = space.dot(r, r);
    for (let i = 1; i <= this.#description.maxIterations && square > 0; i++) {
      multiply();
      const curvature = space.dot(p, this.#product);
      if (!(curvature > 0)) break;
      const length = square / curvature;
      space.addScaled(length, p, x);
      space.addScaled(-length, this.#product, r);
      // with A·x = −g − r, q(x) = gᵀx + ½xᵀAx = ½(gᵀx − rᵀx)
      const value = 0.5 * (space.dot(g, x) - space.dot(r, x));
      values.push(value);
      const k = Math.max(10, Math.ceil(0.1 * i));
      if (i > k && value < 0 && (value - values[i - 1 - k]!) / value < k * LEAST_PROGRESS) break;
      const next = space.dot(r, r);
      space.scale(next / square, p, p);
      space.addScaled(1, r, p);
      square = next;
    }
    return values.at(-1) ?? 0;
  }

  #lossAt(objective: Objective, at: number): number {
    this.#space.copy(this.#start, objective.weights);
    this.#space.addScaled(at, this.#solution, objective.weights);
    return objective.loss();
  }

  /** Goes along the solution by `rate`, or as much less as it takes for the loss to fall (Armijo); `whole` is the loss at 1. */
  #backtrack(objective: Objective, before: number, rate: number, whole: number): void {
    const slope = this.#space.dot(this.#gradient, this.#solution);
    let loss = rate === 1 ? whole : this.#lossAt(objective, rate);
    for (let n = 0; n < MOST_SHORTENINGS; n++) {
      if (loss <= before + ENOUGH_DESCENT * rate * slope) return;
      rate *= SHORTENING;
      loss = this.#lossAt(objective, rate);
    }
    this.#space.copy(this.#start, objective.weights);
  }
}
