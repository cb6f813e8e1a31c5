import { type DistillationDescription, distill } from './distillation.ts';
import { differentiate } from './graph/differentiate.ts';
import { elementsOf, Graph, type Node } from './graph/graph.ts';
import { substitute } from './graph/substitute.ts';
import { guardGradients } from './guard.ts';
import type { AdaptersDescription } from './layers/context.ts';
import type { LayerDescription } from './layers/description.ts';
import { ModelBuilder } from './layers/layer.ts';
import { clipByNorm, clipByValue } from './ops/clipping.ts';
import { add } from './ops/elementwise.ts';
import { gather, parameter, rowOrder, table } from './ops/leaves.ts';
import { type LossDescription, meanRows } from './ops/losses.ts';
import { accumulate, addAccumulated } from './optimizers/accumulation.ts';
import { type AveragingDescription, averageWeights, createTrainedWeights } from './optimizers/averaging.ts';
import { hyperBlockOf, type ParameterGroup, splitByBeginning } from './optimizers/groups.ts';
import { type OptimizerDescription, type Slot, update } from './optimizers/optimizer.ts';
import { type Penalty, penaltySlope } from './optimizers/penalties.ts';
import { buildSearch, isSearch, type SearchDescription } from './optimizers/search/search.ts';
import type { ProgramSource } from './plan/compile.ts';
import { type Seed, seedOf } from './random.ts';
import { type HeadDescription, type TargetDescription, Targets } from './targets.ts';

/** What rows look like: they are written once into the tables, and batches are gathered from there. */
export interface RowsDescription {
  count: number;
  features:
    | { dims: readonly number[]; element: 'f32' }
    | { dims: readonly number[]; element: 'u8'; scale: number; shift: number };
  /**
   * Elements of features, and of labels at positions, from the beginning of one row to that of the next; left out: rows follow each other. 1: rows are
   * windows over a sequence, one from each of its elements on.
   */
  stride?: number;
  target: TargetDescription;
  /** whether each row has a weight of its own, its factor in the loss */
  weighted?: boolean;
  /** length of the order in which training takes rows, and of the one evaluation does */
  trainOrder: number;
  evaluationOrder: number;
}

export interface TrainerDescription {
  rows: RowsDescription;
  /** all layers, the output layer last */
  layers: readonly LayerDescription[];
  loss: LossDescription;
  /** targets besides the first; a row's loss is the weighted sum */
  heads?: readonly HeadDescription[];
  optimizer: OptimizerDescription | SearchDescription;
  /** the first that matches a parameter has it */
  parameterGroups?: readonly ParameterGroup[];
  /** on the values of a parameter, whose name is given */
  penaltyFor?: (parameterName: string) => Penalty | null;
  clipNorm: number | null;
  clipValue: number | null;
  /** absent or null: what is trained is what is evaluated */
  averaging?: AveragingDescription | null;
  /** absent or null: nothing but the targets says what is right */
  distillation?: DistillationDescription | null;
  /** absent or null: none */
  adapters?: AdaptersDescription | null;
  /** parameters that stay as they are */
  isFrozen?: (parameterName: string) => boolean;
  /** the update, counted from 0, from which on a parameter is trained; some are from the first */
  beginsAt?: (parameterName: string) => number;
  /** most rows that are gone through at once */
  batchRows: number;
  /** most times `batchRows` that one update is made of; 1 unless said */
  accumulateSteps?: number;
  seed: number;
}

/** Rows evaluated at a time; more only costs memory. */
const EVALUATION_ROWS = 512;

/** Names of the programs that train what is trained from the update `first` on. */
export interface Stage {
  first: number;
  train: string;
  /** null: an update is made of one part */
  accumulate: string | null;
}
/** Values of the parameters, without a plan or any memory. */
export function countParameters(description: TrainerDescription): number {
  const { parameters } = buildTraining(new Graph(), description, seedOf(description.seed));
  return parameters.reduce((sum, p) => sum + elementsOf(p.node), 0);
}

/** A sequence is as large as many rows. */
function rowsToEvaluate({ target }: RowsDescription, batchRows: number): number {
  return target.kind === 'labels' && target.positions !== undefined ? batchRows : EVALUATION_ROWS;
}

/** The graph of a network in training, with a program for each stage and one that evaluates. */
export function buildTraining(graph: Graph, description: TrainerDescription, seed: Seed) {
  const { rows, layers, loss, optimizer, parameterGroups = [], accumulateSteps = 1, clipNorm, clipValue } = description;
  const { averaging = null } = description;
  const { dims, ...encoding } = rows.features;
  const { count, target, weighted = false, stride } = rows;
  const overlap = stride === undefined ? {} : { stride };
  const features = table(graph, { name: 'features', rows: count, dims, ...encoding, ...overlap });
  const { heads = [] } = description;
  const targets = new Targets(graph, { rows: count, target, loss, heads, weighted, stride });
  const trainOrder = rowOrder(graph, 'trainOrder', rows.trainOrder);
  const evaluationOrder = rowOrder(graph, 'evaluationOrder', Math.max(1, rows.evaluationOrder));
  const builder = new ModelBuilder(graph, seed, description.adapters);

  const x = gather(graph, features, trainOrder);
  const built = builder.build(x, layers, true);
  const changing = builder.parameters.filter((p) => p.trainable && !(description.isFrozen?.(p.name) ?? false));
  const trainedWeights = averaging === null ? [] : changing.map((p) => createTrainedWeights(graph, p.name, p.node));
  const trained = changing.map((p, i) => ({ name: p.name, node: trainedWeights[i]?.node ?? p.node, average: p.node }));
  const [predicted, ...statistics] = substitute(
    graph,
    [built, ...builder.effects],
    new Map(trained.map((p) => [p.average, p.node])),
  ) as [Node, ...Node[]];
  const byTargets = targets.losses(predicted, trainOrder).sum;
  const { distillation = null } = description;
  const distilled =
    distillation === null ? null : distill(graph, distillation, x, predicted, byTargets, targets.weigh(trainOrder));
  const losses = distilled?.losses ?? byTargets;
  const mean = meanRows(graph, losses);
  const gradientsOf = (some: typeof trained) =>
    differentiate(
      graph,
      mean,
      some.map((p) => p.node),
    ).map((gradient, i) => {
      if (gradient === null) throw new Error(`${some[i]!.name} does not influence the loss`);
      return gradient;
    });
  const { batchRows: maxRows } = description;
  const outputs = builder.build(gather(graph, features, evaluationOrder), layers, false);
  const scored = targets.losses(outputs, evaluationOrder);
  const evaluated: Record<string, Node> = { rowLosses: scored.sum, outputs };
  if (scored.correct !== null) evaluated.correct = scored.correct;
  scored.each.forEach((one, i) => {
    evaluated[`losses${i}`] = one.losses;
    if (one.correct !== null) evaluated[`correct${i}`] = one.correct;
  });
  const evaluate: ProgramSource = {
    outputs: evaluated,
    maxRows: Math.max(1, Math.min(rowsToEvaluate(rows, maxRows), rows.evaluationOrder)),
  };
  const common = {
    evaluate,
    parameters: builder.parameters,
    constants: [...builder.constants, ...(distilled?.constants ?? [])],
    teacher: distilled?.parameters ?? [],
    trained: trained.map((p) => p.name),
    trainedNames: trained.map((p) => ({ name: p.name, tensor: p.node.attributes.name as string })),
    outputWidth: elementsOf(outputs),
    targets: scored.each.length,
  };

  if (isSearch(optimizer)) {
    if (clipValue !== null || clipNorm !== null || averaging !== null || parameterGroups.length > 0)
      throw new Error(`${optimizer.type} takes gradients and weights as they are`);
    if (statistics.length > 0) throw new Error(`${optimizer.type} cannot gather running statistics`);
    const gradients = gradientsOf(trained);
    const withGradients = trained.map((p, i) => ({ name: p.name, node: p.node, gradient: gradients[i]! }));
    const search = buildSearch(graph, optimizer, {
      losses,
      guard: guardGradients(graph, losses, mean, gradients),
      mean,
      outputs: [predicted],
      trained: withGradients,
      maxRows,
    });
    const none = { stages: [], groups: [], trainedWeights: [], hyperBlocks: [] };
    return { ...common, ...none, programs: search.programs, slots: search.kept, search };
  }

  const { beginsAt = () => 0, penaltyFor } = description;
  const groups = splitByBeginning(
    parameterGroups,
    trained.map((p) => p.name),
    beginsAt,
  );
  const programs: Record<string, ProgramSource> = {};
  const slots = new Map<Node, Slot>();
  // what is not trained yet has no gradient, and what only leads to it has none either
  const stages = [...new Set([0, ...trained.map((p) => beginsAt(p.name))])]
    .sort((a, b) => a - b)
    .map((first): Stage => {
      const suffix = first === 0 ? '' : `@${first}`;
      const some = trained.filter((p) => beginsAt(p.name) <= first);
      let gradients = gradientsOf(some);
      const guard = guardGradients(graph, losses, mean, gradients);
      if (accumulateSteps > 1) {
        const sums = some.map((p) => parameter(graph, `accumulated/${p.name}`, p.node.shape.dims));
        const effects = [...gradients.map((g, i) => accumulate(graph, g, sums[i]!)), ...statistics];
        programs[`accumulate${suffix}`] = { outputs: { loss: mean }, guard, effects, maxRows };
        gradients = gradients.map((g, i) => addAccumulated(graph, g, sums[i]!));
      }
      gradients = gradients.map((g, i) => {
        const { name, node } = some[i]!;
        const penalty = penaltyFor?.(name) ?? null;
        const slope = penalty === null ? null : penaltySlope(graph, node, penalty);
        return slope === null ? g : add(graph, g, slope);
      });
      if (clipValue !== null) gradients = gradients.map((g) => clipByValue(graph, g, clipValue));
      if (clipNorm !== null && gradients.length > 0) gradients = clipByNorm(graph, gradients, clipNorm);
      const updates = some.map((p, i) => update(graph, optimizer, p.node, gradients[i]!, groups, p.name));
      for (const slot of updates.flatMap((u) => u.slots)) slots.set(slot.node, slot);
      const averages =
        averaging === null
          ? []
          : some.map((p, i) => averageWeights(graph, updates[i]!, p.node, p.average, averaging.decay));
      programs[`train${suffix}`] = {
        outputs: { loss: mean },
        guard,
        effects: [...updates.map((u) => u.node), ...averages, ...statistics],
        maxRows,
      };
      return { first, train: `train${suffix}`, accumulate: accumulateSteps > 1 ? `accumulate${suffix}` : null };
    });
  return {
    ...common,
    programs,
    stages,
    groups,
    slots: [...slots.values(), ...trainedWeights],
    trainedWeights,
    hyperBlocks: [...new Set(trained.map((p) => hyperBlockOf(groups, p.name, p.node)))],
    search: null,
  };
}
