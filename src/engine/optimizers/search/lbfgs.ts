import type { Objective, Search, SearchNeeds, SearchTools } from './objective.ts';
import { CHANGE_TOLERANCE, type LinePoint, searchLine } from './strong-wolfe.ts';
import { largestOf, sumOfMagnitudes, type Vector, type VectorSpace } from './vectors.ts';

/**
 * L-BFGS (Liu & Nocedal 1989) with a line search for the strong Wolfe conditions, as PyTorch's: the curvature seen in the last `history`
 * iterations turns the gradient into a direction.
 */
export interface LbfgsDescription {
  type: 'lbfgs';
  /** iterations that are remembered */
  history: number;
  /** in one step */
  maxIterations: number;
}

const GRADIENT_TOLERANCE = 1e-7;
/** Pairs with less curvature are not remembered: yᵀs must be positive. */
const LEAST_CURVATURE = 1e-10;

export function lbfgsNeeds({ history }: LbfgsDescription): SearchNeeds {
  const slots = Array.from({ length: history }, (_, i) => [`step_${i}`, `change_${i}`]);
  return {
    passes: ['gradient'],
    kept: ['direction', 'gradient_before', ...slots.flat()],
    temporary: ['gradient', 'start'],
  };
}

/**
 * Scalars: `iterations` so far; `at`, how far along `direction` the last one went; `scale` of the first guess at the inverse Hessian;
 * `remembered` pairs so far, of which number n lies in slot n mod history; `inverse_<slot>`, 1/yᵀs of the pair there.
 */
export class Lbfgs implements Search {
  readonly #description: LbfgsDescription;
  readonly #space: VectorSpace;
  readonly #tools: SearchTools;
  readonly #gradient: Vector;
  readonly #before: Vector;
  readonly #direction: Vector;
  readonly #start: Vector;

  constructor(description: LbfgsDescription, space: VectorSpace, tools: SearchTools) {
    this.#description = description;
    this.#space = space;
    this.#tools = tools;
    this.#gradient = tools.vector('gradient');
    this.#before = tools.vector('gradient_before');
    this.#direction = tools.vector('direction');
    this.#start = tools.vector('start');
  }

  step(objective: Objective, learningRate: number): number {
    const { maxIterations } = this.#description;
    const { scalars } = this.#tools;
    const space = this.#space;
    const lossBefore = objective.lossAndGradient();
    if (Number.isNaN(lossBefore)) return lossBefore;
    if (largestOf(this.#gradient) <= GRADIENT_TOLERANCE) return lossBefore;
    const mostEvaluations = Math.floor(maxIterations * 1.25);
    let evaluations = 1;
    let loss = lossBefore;
    for (let n = 1; n <= maxIterations; n++) {
      this.#remember();
      this.#findDirection();
      const isFirst = scalars.iterations === 1;
      space.copy(this.#gradient, this.#before);
      scalars.at = isFirst ? Math.min(1, 1 / sumOfMagnitudes(this.#gradient)) * learningRate : learningRate;
      const slope = space.dot(this.#gradient, this.#direction);
      if (!(slope <= -CHANGE_TOLERANCE)) break;

      const found = this.#searchLine(objective, { at: 0, loss, slope }, scalars.at);
      scalars.at = found.point.at;
      evaluations += found.evaluations;
      const gained = loss - found.point.loss;
      loss = found.point.loss;
      if (evaluations >= mostEvaluations) break;
      if (largestOf(this.#gradient) <= GRADIENT_TOLERANCE) break;
      if (largestOf(this.#direction) * scalars.at <= CHANGE_TOLERANCE) break;
      if (Math.abs(gained) < CHANGE_TOLERANCE) break;
    }
    return lossBefore;
  }

  /** Leaves the weights, and the gradient, at the best point along the direction. */
  #searchLine(objective: Objective, start: LinePoint, first: number) {
    const space = this.#space;
    space.copy(objective.weights, this.#start);
    let last = 0;
    const evaluate = (at: number): LinePoint => {
      last = at;
      space.copy(this.#start, objective.weights);
      space.addScaled(at, this.#direction, objective.weights);
      const loss = objective.lossAndGradient();
      if (Number.isNaN(loss)) return { at, loss: Number.POSITIVE_INFINITY, slope: Number.NaN };
      return { at, loss, slope: space.dot(this.#gradient, this.#direction) };
    };
    const found = searchLine(evaluate, start, first, largestOf(this.#direction));
    if (found.point.at !== last) evaluate(found.point.at);
    return found;
  }

  /** Takes in what the last iteration has shown: how far it went, and how the gradient changed. */
  #remember(): void {
    const { scalars, vector } = this.#tools;
    const space = this.#space;
    scalars.iterations = (scalars.iterations ?? 0) + 1;
    if (scalars.iterations === 1) {
      scalars.scale = 1;
      scalars.remembered = 0;
      return;
    }
    const slot = scalars.remembered! % this.#description.history;
    // y = g − g before, s = at·direction, made where nothing needs what is there: the start of the last line search
    const change = this.#start;
    space.copy(this.#gradient, change);
    space.addScaled(-1, this.#before, change);
    const curvature = scalars.at! * space.dot(change, this.#direction);
    if (!(curvature > LEAST_CURVATURE)) return;
    space.copy(change, vector(`change_${slot}`));
    space.scale(scalars.at!, this.#direction, vector(`step_${slot}`));
    scalars[`inverse_${slot}`] = 1 / curvature;
    scalars.scale = curvature / space.dot(change, change);
    scalars.remembered = scalars.remembered! + 1;
  }

  /** direction = −H·gradient, H the inverse Hessian as the remembered pairs say (the two-loop recursion). */
  #findDirection(): void {
    const { scalars, vector } = this.#tools;
    const space = this.#space;
    const { history } = this.#description;
    const newest = scalars.remembered! - 1;
    const oldest = Math.max(0, scalars.remembered! - history);
    const factors: number[] = [];
    space.scale(-1, this.#gradient, this.#direction);
    for (let n = newest; n >= oldest; n--) {
      const slot = n % history;
      const factor = scalars[`inverse_${slot}`]! * space.dot(vector(`step_${slot}`), this.#direction);
      factors[n] = factor;
      space.addScaled(-factor, vector(`change_${slot}`), this.#direction);
    }
    space.scale(scalars.scale!, this.#direction, this.#direction);
    for (let n = oldest; n <= newest; n++) {
      const slot = n % history;
      const factor = scalars[`inverse_${slot}`]! * space.dot(vector(`change_${slot}`), this.#direction);
      space.addScaled(factors[n]! - factor, vector(`step_${slot}`), this.#direction);
    }
  }
}
