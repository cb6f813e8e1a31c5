import { gaussNewtonProduct } from '../../graph/gauss-newton.ts';
import type { Graph, Node } from '../../graph/graph.ts';
import type { ProgramSource } from '../../plan/compile.ts';
import type { Seed } from '../../random.ts';
import { accumulate } from '../accumulation.ts';
import type { OptimizerDescription } from '../optimizer.ts';
import { type Slot, slotOf } from '../slots.ts';
import { HESSIAN_FREE_NEEDS, HessianFree, type HessianFreeDescription } from './hessian-free.ts';
import { Lbfgs, type LbfgsDescription, lbfgsNeeds } from './lbfgs.ts';
import type { Search, SearchNeeds, SearchTools } from './objective.ts';
import { RANDOM_SEARCH_NEEDS, RandomSearch, type RandomSearchDescription } from './random-search.ts';
import type { VectorSpace } from './vectors.ts';

/**
 * Optimizers that look at the same rows several times before they have made a step. They do not update weights within a program: programs give
 * them the loss, its gradient or its curvature at the present weights, and the leader moves the weights between two programs.
 */
export type SearchDescription = LbfgsDescription | HessianFreeDescription | RandomSearchDescription;

const TYPES: readonly string[] = ['lbfgs', 'hessian_free', 'random_search'] satisfies SearchDescription['type'][];

export function isSearch(optimizer: OptimizerDescription | SearchDescription): optimizer is SearchDescription {
  return TYPES.includes(optimizer.type);
}

function needsOf(optimizer: SearchDescription): SearchNeeds {
  switch (optimizer.type) {
    case 'lbfgs':
      return lbfgsNeeds(optimizer);
    case 'hessian_free':
      return HESSIAN_FREE_NEEDS;
    case 'random_search':
      return RANDOM_SEARCH_NEEDS;
  }
}

export function createSearch(optimizer: SearchDescription, space: VectorSpace, tools: SearchTools, seed: Seed): Search {
  switch (optimizer.type) {
    case 'lbfgs':
      return new Lbfgs(optimizer, space, tools);
    case 'hessian_free':
      return new HessianFree(optimizer, space, tools);
    case 'random_search':
      return new RandomSearch(space, tools, seed);
  }
}

/** The loss as the graph has it: one value a row, their mean, and the outputs they follow from. */
export interface SearchedLoss {
  losses: Node;
  /** the losses, not finite where a gradient is not */
  guard: Node;
  mean: Node;
  outputs: readonly Node[];
  /** what is searched, and its gradient */
  trained: readonly { name: string; node: Node; gradient: Node }[];
  maxRows: number;
}

export interface SearchPrograms {
  programs: Record<string, ProgramSource>;
  /** vectors that checkpoints hold */
  kept: Slot[];
  /** tensors of all vectors */
  tensors: Slot[];
}

/** Programs by the names of the passes. What they give is added up over the parts of a step's rows. */
export function buildSearch(graph: Graph, optimizer: SearchDescription, loss: SearchedLoss): SearchPrograms {
  const { passes, kept, temporary } = needsOf(optimizer);
  const { losses, guard, mean, outputs, trained, maxRows } = loss;
  const slots = new Map(
    [...kept, ...temporary].map((name) => [
      name,
      trained.map((p) => slotOf(graph, optimizer.type, name, p.name, p.node)),
    ]),
  );
  const nodesOf = (name: string) => slots.get(name)!.map((slot) => slot.node);
  const addTo = (name: string, values: readonly Node[]) => {
    const sums = nodesOf(name);
    return values.map((value, i) => accumulate(graph, value, sums[i]!));
  };
  const build = {
    loss: (): ProgramSource => ({ outputs: { rowLosses: losses }, maxRows }),
    gradient: (): ProgramSource => {
      const effects = addTo(
        'gradient',
        trained.map((p) => p.gradient),
      );
      return { outputs: { rowLosses: losses }, guard, effects, maxRows };
    },
    curvature: (): ProgramSource => {
      const parameters = trained.map((p) => p.node);
      const products = gaussNewtonProduct(graph, mean, outputs, parameters, nodesOf('direction'));
      return { outputs: {}, effects: addTo('product', products), maxRows };
    },
  };
  return {
    programs: Object.fromEntries(passes.map((pass) => [pass, build[pass]()])),
    kept: kept.flatMap((name) => slots.get(name)!),
    tensors: [...slots.values()].flat(),
  };
}
