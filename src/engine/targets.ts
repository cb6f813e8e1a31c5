import { elementsOf, type Graph, type Node } from './graph/graph.ts';
import { columns } from './ops/concatenate.ts';
import { add, affine, multiply } from './ops/elementwise.ts';
import { gather, table } from './ops/leaves.ts';
import { classWeightsOf, correct, ignoredLabel, type LossDescription, rowLoss, scoresClasses } from './ops/losses.ts';

/** What a network is trained to tell: one target, or several, whose values stand side by side in its output. */

/** labels: one class index a row, or one for each of its `positions` (i32); values: `width` numbers a row (f32) */
export type TargetDescription = { kind: 'labels'; positions?: number } | { kind: 'values'; width: number };

/** A target besides the first: `width` values of the output, a vector, behind those of the targets before. */
export interface HeadDescription {
  target: { kind: 'labels' } | { kind: 'values'; width: number };
  width: number;
  /** without class weights, and no label is ignored */
  loss: LossDescription;
  /** factor of its loss in the sum; the first target's is 1 */
  weight: number;
}

/** The table that holds a target, the first of which has no number. */
export function targetName(i: number): string {
  return i === 0 ? 'target' : `target${i}`;
}

/** Whether a table has a row for each of the dataset's. */
export function isRowTable(name: string): boolean {
  return name === 'features' || name === 'weight' || /^target[0-9]*$/.test(name);
}

export interface TargetsDescription {
  rows: number;
  target: TargetDescription;
  loss: LossDescription;
  heads: readonly HeadDescription[];
  /** whether each row has a factor of its own in the loss */
  weighted: boolean;
  /** elements from one row's labels to the next's, where each row has several, which overlap */
  stride?: number | undefined;
}

export interface Losses {
  /** of each row, of all targets together */
  sum: Node;
  /** by target, and the share of right answers where a target has labels; empty where there is but one target */
  each: { losses: Node; correct: Node | null }[];
  correct: Node | null;
}

/** The tables of all targets, and what follows from them for outputs on rows in an order. */
export class Targets {
  readonly #graph: Graph;
  readonly #description: TargetsDescription;
  readonly #tables: Node[];
  readonly #classWeights: Node | undefined;
  readonly #sampleWeights: Node | null;

  constructor(graph: Graph, description: TargetsDescription) {
    const { rows, target, loss, heads, weighted, stride } = description;
    this.#graph = graph;
    this.#description = description;
    const vector = (name: string, count: number) => table(graph, { name, rows: count, dims: [], element: 'f32' });
    this.#tables = [target, ...heads.map((head) => head.target)].map((one: TargetDescription, i) => {
      const dims = one.kind === 'values' ? [one.width] : one.positions === undefined ? [] : [one.positions];
      if (one.kind === 'values') return table(graph, { name: targetName(i), rows, dims, element: 'f32' });
      const overlap = i > 0 || stride === undefined || one.positions === undefined ? {} : { stride };
      return table(graph, { name: targetName(i), rows, dims, element: 'i32', ...overlap });
    });
    for (const head of heads) {
      if (classWeightsOf(head.loss) !== null || ignoredLabel(head.loss) !== ignoredLabel({ type: 'mse' }))
        throw new Error('only the first target has class weights or ignored labels');
    }
    const classes = classWeightsOf(loss)?.length;
    this.#classWeights = classes === undefined ? undefined : vector('classWeights', classes);
    this.#sampleWeights = weighted ? vector('weight', rows) : null;
  }

  /** What rows in an order count for, as a factor of their losses. */
  weigh(order: Node): (losses: Node) => Node {
    const weights = this.#sampleWeights === null ? null : gather(this.#graph, this.#sampleWeights, order);
    return (losses) => (weights === null ? losses : multiply(this.#graph, losses, weights));
  }

  /** `outputs` (rows, …, width of all targets) of rows in `order` */
  losses(outputs: Node, order: Node): Losses {
    const graph = this.#graph;
    const { loss, heads } = this.#description;
    const weighted = this.weigh(order);
    const ofHeads = heads.reduce((sum, { width }) => sum + width, 0);
    let first = elementsOf(outputs) - ofHeads;
    const own = ofHeads === 0 ? outputs : columns(graph, outputs, 0, first);
    const expected = gather(graph, this.#tables[0]!, order);
    const main = {
      losses: weighted(rowLoss(graph, own, expected, loss, this.#classWeights)),
      correct: scoresClasses(loss) ? correct(graph, own, expected, ignoredLabel(loss)) : null,
    };
    const each = heads.map((head, i) => {
      const part = columns(graph, outputs, first, head.width);
      first += head.width;
      const labels = gather(graph, this.#tables[i + 1]!, order);
      return {
        losses: weighted(rowLoss(graph, part, labels, head.loss)),
        correct: scoresClasses(head.loss) ? correct(graph, part, labels) : null,
      };
    });
    const sum = each.reduce((all, one, i) => {
      const { weight } = heads[i]!;
      return add(graph, all, weight === 1 ? one.losses : affine(graph, one.losses, weight));
    }, main.losses);
    return { sum, each: each.length === 0 ? [] : [main, ...each], correct: main.correct };
  }
}
