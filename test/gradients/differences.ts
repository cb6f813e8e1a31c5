import { differentiate } from '../../src/engine/graph/differentiate.ts';
import { elementsOf, Graph, type Node } from '../../src/engine/graph/graph.ts';
import type { CompiledKernels } from '../../src/engine/kernels/load.ts';
import { gather, parameter, rowOrder, table } from '../../src/engine/ops/leaves.ts';
import { type LossDescription, meanRows, rowLoss, takesLabels } from '../../src/engine/ops/losses.ts';
import { compile, type ProgramSource } from '../../src/engine/plan/compile.ts';
import { Team } from '../../src/engine/team/team.ts';
import type { Case } from './case.ts';
import { targetsOf } from './losses.ts';

/** Loss and gradients of small networks, many of them in one plan, so that one team runs them all. */

export const ROWS = 5;
export const EPSILON = 1e-2;

/** Deterministic values away from zero, where relu and |x| have a kink. */
const spread = (count: number, phase: number) =>
  Array.from({ length: count }, (_, i) => {
    const u = Math.sin(12.9898 * (i + 1) + phase) * 43758.5453;
    const unit = u - Math.floor(u);
    return (unit < 0.5 ? -1 : 1) * (0.15 + Math.abs(unit - 0.5) * 1.7);
  });

/** Steps of 3ε in a scattered order. */
const ladder = (count: number) =>
  Array.from({ length: count }, (_, i) => (((i * 89) % count) - count / 2) * 3 * EPSILON);

/** What a gradient is taken to: the rows, and the parameter. */
export const TENSORS = ['features', 'w'] as const;
export type TensorName = (typeof TENSORS)[number];

interface Built {
  loss: Node;
  gradients: Record<TensorName, Node | null>;
  sizes: Record<TensorName, number>;
  fill(team: Team): void;
}

function buildCase(graph: Graph, order: Node, one: Case, i: number): Built {
  const { dims, weightDims, loss = { type: 'mse' } as LossDescription, classWeights, build, apart } = one;
  const named = (name: string) => `${name}${i}`;
  const x = gather(graph, table(graph, { name: named('features'), rows: ROWS, dims, element: 'f32' }), order);
  const w = parameter(graph, named('w'), weightDims);
  const y = build(graph, x, w);
  const labels = takesLabels(loss);
  const target = table(graph, {
    name: named('target'),
    rows: ROWS,
    dims: labels ? y.shape.dims.slice(0, -1) : y.shape.dims,
    element: labels ? 'i32' : 'f32',
  });
  const weights =
    classWeights && table(graph, { name: named('weights'), rows: classWeights.length, dims: [], element: 'f32' });
  const mean = meanRows(graph, rowLoss(graph, y, gather(graph, target, order), loss, weights));
  const [dx, dw] = differentiate(graph, mean, [x, w]);
  return {
    loss: mean,
    gradients: { features: dx!, w: dw! },
    sizes: { features: ROWS * elementsOf(x), w: elementsOf(w) },
    fill(team) {
      const count = ROWS * elementsOf(x);
      team.floats(named('features')).set(apart ? ladder(count) : spread(count, 0.1));
      team.floats(named('w')).set(spread(elementsOf(w), 0.7));
      if (classWeights !== undefined) team.floats(named('weights')).set(classWeights);
      if (labels) {
        const chosen = team.integers(named('target'));
        for (let n = 0; n < chosen.length; n++) chosen[n] = [0, 3, 5, 1, 3, 2, 2][n % 7]!;
      } else team.floats(named('target')).set(targetsOf(loss, spread(ROWS * elementsOf(y), 2.4), elementsOf(y)));
    },
  };
}

/** All cases side by side: gradients from a team of `threads`, losses from one thread, which has nobody to wait for. */
export class Differences {
  readonly #built: Built[];
  readonly #gradients: Team;
  readonly #losses: Team;

  constructor(compiled: CompiledKernels, cases: readonly Case[], threads: number) {
    const graph = new Graph();
    const order = rowOrder(graph, 'order', ROWS);
    this.#built = cases.map((one, i) => buildCase(graph, order, one, i));
    const team = (programs: (built: Built, i: number) => ProgramSource, count: number) => {
      const sources = Object.fromEntries(this.#built.map((built, i) => [`case${i}`, programs(built, i)]));
      const made = new Team(compile(graph, sources, { threads: count }), compiled);
      made.indices('order').set(Array.from({ length: ROWS }, (_, i) => i));
      for (const { fill } of this.#built) fill(made);
      return made;
    };
    this.#gradients = team(({ loss, gradients }) => {
      const known = Object.entries(gradients).filter((entry): entry is [string, Node] => entry[1] !== null);
      return { outputs: { loss, ...Object.fromEntries(known) }, maxRows: ROWS };
    }, threads);
    this.#losses = team(({ loss }) => ({ outputs: { loss }, maxRows: ROWS }), 1);
  }

  /** null where the loss does not depend on it. */
  gradients(i: number): Record<TensorName, Float32Array | null> {
    const { sizes, gradients } = this.#built[i]!;
    this.#run(this.#gradients, i);
    const read = (name: TensorName) =>
      gradients[name] === null ? null : this.#gradients.output(`case${i}`, name, sizes[name]).slice();
    return { features: read('features'), w: read('w') };
  }

  /** The values that a loss is taken of: they may be changed. */
  values(i: number, name: TensorName): Float32Array {
    return this.#losses.floats(`${name}${i}`);
  }

  loss(i: number): number {
    return this.#run(this.#losses, i);
  }

  #run(team: Team, i: number): number {
    team.run(`case${i}`, { rows: ROWS, first: 0, step: 11 });
    team.meet();
    return team.output(`case${i}`, 'loss', 1)[0]!;
  }

  async close(): Promise<void> {
    await Promise.all([this.#gradients.close(), this.#losses.close()]);
  }
}
