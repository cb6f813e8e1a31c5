import { type Seed, STREAM } from '../../random.ts';
import type { Objective, Search, SearchNeeds, SearchTools } from './objective.ts';
import type { Vector, VectorSpace } from './vectors.ts';

/**
 * Random search (Matyas 1965, "Random optimization"): normal noise is added to all weights, its deviation the learning rate, and kept if the loss of the
 * rows becomes smaller. It needs no gradient.
 */
export interface RandomSearchDescription {
  type: 'random_search';
}

export const RANDOM_SEARCH_NEEDS: SearchNeeds = { passes: ['loss'], kept: [], temporary: ['start', 'noise'] };

export class RandomSearch implements Search {
  readonly #space: VectorSpace;
  readonly #start: Vector;
  readonly #noise: Vector;
  readonly #seed: Seed;

  constructor(space: VectorSpace, tools: SearchTools, seed: Seed) {
    this.#space = space;
    this.#start = tools.vector('start');
    this.#noise = tools.vector('noise');
    this.#seed = seed;
  }

  step(objective: Objective, learningRate: number, step: number): number {
    const space = this.#space;
    const before = objective.loss();
    if (Number.isNaN(before)) return before;
    space.copy(objective.weights, this.#start);
    space.drawNormal(this.#noise, this.#seed, STREAM.search, step);
    space.addScaled(learningRate, this.#noise, objective.weights);
    const after = objective.loss();
    // a loss that is not a number is not smaller either
    if (!(after < before)) space.copy(this.#start, objective.weights);
    return before;
  }
}
