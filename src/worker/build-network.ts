import type { LoadedCheckpoint } from '../checkpoints/checkpoint-file.ts';
import { widthOf } from '../data/fit-preparation.ts';
import { planPrepared } from '../data/prepare-table.ts';
import type { DistillationDescription } from '../engine/distillation.ts';
import type { AdaptersDescription } from '../engine/layers/context.ts';
import type { LayerDescription } from '../engine/layers/description.ts';
import type { ParameterGroup } from '../engine/optimizers/groups.ts';
import type { OptimizerDescription } from '../engine/optimizers/optimizer.ts';
import type { Penalty } from '../engine/optimizers/penalties.ts';
import type { SearchDescription } from '../engine/optimizers/search/search.ts';
import type { PlateauDescription } from '../engine/plateau.ts';
import type { ScheduleDescription } from '../engine/schedules.ts';
import type { HeadDescription } from '../engine/targets.ts';
import { isSearch, type SearchOptimizer } from '../spec/check-search.ts';
import { furtherTargets, outputName } from '../spec/further-targets.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import type { OutputLayer } from '../spec/layers/dense.ts';
import { bothSides } from '../spec/layers/images.ts';
import { isAdapted, isAdapter, isReplaced } from '../spec/lora.ts';
import { matchesPattern } from '../spec/matches-pattern.ts';
import type { Layer } from '../spec/model.ts';
import { groupByInput, MODEL_INPUT, shapeOfInput } from '../spec/model-shapes.ts';
import type { Optimizer } from '../spec/optimizer.ts';
import { PADDING, type Preparation } from '../spec/preparation.ts';
import { layerOf, listFromHead } from '../spec/unfreezing.ts';
import { buildHeadLoss } from './build-loss.ts';

/** Says a resolved spec in the engine's words. */

/** All layers, the output layer last: its width follows from the target. Outputs of several targets are put side by side. */
export function buildLayers(spec: JobSpec, preparation: Preparation): LayerDescription[] {
  const { layers, output } = spec.model;
  const inputs = buildInputs(spec, preparation);
  const all = [
    ...layers.map(buildLayer),
    ...(output === null ? [] : [buildOutput('output', output, preparation.outputWidth)]),
  ];
  const heads = furtherTargets(spec).map(({ name, output }, i) =>
    buildOutput(outputName(name), output, preparation.more![i]!.outputWidth),
  );
  const ends = [all.at(-1)!, ...heads].map(({ name }) => name);
  return [
    ...inputs.layers,
    ...[...all, ...heads].map((layer) => ({
      ...layer,
      inputs: layer.inputs!.map((name) => inputs.names.get(name) ?? name),
    })),
    ...(heads.length === 0 ? [] : [{ type: 'concatenate' as const, name: 'outputs.all', inputs: ends }]),
  ];
}

/** Rows are kept as vectors: model inputs are parts of them, and a layer over images or sequences needs them as such again. `names`: who gives a model input. */
function buildInputs(
  { model, inputs: columns }: JobSpec,
  preparation: Preparation,
): { layers: LayerDescription[]; names: Map<string, string> } {
  const layers: LayerDescription[] = [];
  const names = new Map<string, string>();
  const prepared = preparation.inputs.map((input, i) => ({ input, into: columns?.[i]?.into ?? MODEL_INPUT }));
  const groups = groupByInput(prepared);
  let first = 0;
  for (const [name, members] of groups) {
    const [only] = members;
    const image = members.length === 1 && only?.input.type === 'image' ? only.input.shape : null;
    const { forecast } = preparation;
    const dims = forecast === undefined ? image : [forecast.window, forecast.rowWidth];
    const width = groups.size === 1 ? preparation.inputWidth : members.reduce((sum, m) => sum + widthOf(m.input), 0);
    const shape = shapeOfInput(model.layers, { name, width, dims }) as number[];
    let last = MODEL_INPUT;
    if (groups.size > 1) {
      layers.push({ type: 'columns', name: `input.columns.${name}`, first, count: width, inputs: [last] });
      last = layers.at(-1)!.name;
    }
    if (shape.length > 1) {
      layers.push({ type: 'reshape', name: `input.shape.${name}`, shape, inputs: [last] });
      last = layers.at(-1)!.name;
    }
    names.set(name, last);
    first += width;
  }
  return { layers, names };
}

function buildOutput(
  name: string,
  { bias_init: biasInit, tied_to: tiedTo, ...rest }: OutputLayer,
  units: number,
): LayerDescription {
  return { type: 'dense', name, units, activation: { type: 'linear' }, ...rest, biasInit, tiedTo };
}

function buildLayer(layer: Layer): LayerDescription {
  switch (layer.type) {
    case 'dense': {
      const { bias_init: biasInit, ...rest } = layer;
      return { ...rest, biasInit };
    }
    case 'conv1d': {
      const { bias_init: biasInit, kernel_size: kernel, ...rest } = layer;
      return { ...rest, kernel, biasInit };
    }
    case 'conv2d': {
      const { bias_init: biasInit, kernel_size: kernel, stride, dilation, ...rest } = layer;
      return { ...rest, kernel: bothSides(kernel), stride: bothSides(stride), dilation: bothSides(dilation), biasInit };
    }
    case 'conv2d_transpose': {
      const { bias_init: biasInit, kernel_size: kernel, stride, dilation, output_padding: more, ...rest } = layer;
      const window = { kernel: bothSides(kernel), stride: bothSides(stride), dilation: bothSides(dilation) };
      return { ...rest, ...window, outputPadding: bothSides(more), biasInit };
    }
    case 'masking':
      return { ...layer, value: layer.value ?? PADDING, stepsInPart: layer.value === null };
    case 'max_pool2d':
    case 'average_pool2d':
      return { ...layer, size: bothSides(layer.size), stride: bothSides(layer.stride) };
    case 'rnn':
    case 'lstm':
    case 'gru': {
      const { bias_init: biasInit, recurrent_init: recurrentInit, ...rest } = layer;
      return { ...rest, biasInit, recurrentInit };
    }
    case 'attention': {
      const { key_heads: keyHeads, ...rest } = layer;
      return { ...rest, keyHeads };
    }
    case 'transformer_encoder':
    case 'transformer_decoder': {
      const { key_heads: keyHeads, norm_position: normPosition, ...rest } = layer;
      return { ...rest, keyHeads, normPosition };
    }
    default:
      return layer;
  }
}

export function buildHeads(spec: JobSpec, preparation: Preparation): HeadDescription[] {
  const { more } = planPrepared(preparation);
  return furtherTargets(spec).map(({ loss, weight }, i) => ({
    ...{ target: more[i]!, width: preparation.more![i]!.outputWidth, loss: buildHeadLoss(loss), weight },
  }));
}

export function buildOptimizer({ training }: JobSpec): OptimizerDescription | SearchDescription {
  const { optimizer } = training;
  return isSearch(optimizer) ? buildSearch(optimizer) : buildUpdate(optimizer);
}

function buildSearch(optimizer: SearchOptimizer): SearchDescription {
  switch (optimizer.type) {
    case 'lbfgs':
      return { type: 'lbfgs', history: optimizer.history, maxIterations: optimizer.max_iterations };
    case 'hessian_free': {
      const { damping, max_iterations: maxIterations, warm_start: warmStart } = optimizer;
      return { type: 'hessian_free', damping, maxIterations, warmStart };
    }
    case 'random_search':
      return { type: 'random_search' };
  }
}

function buildUpdate(optimizer: Exclude<Optimizer, SearchOptimizer>): OptimizerDescription {
  const weightDecay = optimizer.weight_decay;
  switch (optimizer.type) {
    case 'sgd':
      return { type: 'sgd', weightDecay };
    case 'momentum':
    case 'nesterov':
      return { type: optimizer.type, momentum: optimizer.momentum, weightDecay };
    case 'adagrad':
      return {
        type: 'adagrad',
        learningRateDecay: optimizer.learning_rate_decay,
        initialAccumulator: optimizer.initial_accumulator,
        epsilon: optimizer.epsilon,
        weightDecay,
      };
    case 'adadelta':
      return { type: 'adadelta', rho: optimizer.rho, epsilon: optimizer.epsilon, weightDecay };
    case 'rmsprop': {
      const { alpha, epsilon, momentum, centered } = optimizer;
      return { type: 'rmsprop', alpha, epsilon, momentum, centered, weightDecay };
    }
    case 'adam':
    case 'adamw':
      return {
        type: optimizer.type,
        beta1: optimizer.beta1,
        beta2: optimizer.beta2,
        epsilon: optimizer.epsilon,
        weightDecay,
        amsgrad: optimizer.amsgrad,
      };
    case 'adamax':
    case 'radam':
    case 'lamb': {
      const { type, beta1, beta2, epsilon } = optimizer;
      return { type, beta1, beta2, epsilon, weightDecay };
    }
    case 'lion':
      return { type: 'lion', beta1: optimizer.beta1, beta2: optimizer.beta2, weightDecay };
    case 'nadam': {
      const { beta1, beta2, epsilon, momentum_decay: momentumDecay } = optimizer;
      return { type: 'nadam', beta1, beta2, epsilon, momentumDecay, weightDecay };
    }
  }
}

export function buildParameterGroups(spec: JobSpec): ParameterGroup[] {
  const { parameter_groups: given, optimizer, layer_decay: decay = null } = spec.training;
  const groups = given.map((group) => ({
    matches: (name: string) => matchesPattern(name, group.pattern),
    learningRateScale:
      group.learning_rate === null ? (group.learning_rate_scale ?? 1) : group.learning_rate / rateOf(optimizer),
    weightDecay: group.weight_decay,
  }));
  if (decay === null) return groups;
  const rest: ParameterGroup = { matches: () => true, learningRateScale: 1, weightDecay: null };
  return listFromHead(spec).flatMap((layers, depth) =>
    [...groups, rest].map((group) => ({
      ...group,
      matches: (name: string) => layers.includes(layerOf(name)) && group.matches(name),
      learningRateScale: group.learningRateScale * decay ** depth,
    })),
  );
}

export type Teacher = Pick<LoadedCheckpoint, 'weights' | 'spec' | 'preparation'>;

export function buildDistillation({ training }: JobSpec, teacher: Teacher): DistillationDescription {
  const { temperature, alpha } = training.distillation!;
  const kind = teacher.preparation.target.type === 'category' ? 'classes' : 'values';
  return { layers: buildLayers(teacher.spec, teacher.preparation), kind, temperature, alpha };
}

/** Null where there are none, as in specs from before there were. */
export function buildAdapters(spec: JobSpec): AdaptersDescription | null {
  const { lora = null } = spec.model;
  if (lora === null) return null;
  const { rank, alpha, dropout } = lora;
  return { rank, scale: alpha / rank, dropout, isAdapted: (product) => isAdapted(spec, product) };
}

/** With adapters, all stays as it is but they and a head that is made anew. */
export function isFrozen(spec: JobSpec, parameterName: string): boolean {
  const { freeze, lora = null } = spec.model;
  const isBase = lora !== null && !isAdapter(parameterName) && !isReplaced(spec, parameterName);
  return isBase || freeze.some((pattern) => matchesPattern(parameterName, pattern));
}

/** A group with a rate of its own needs one that is given to be measured by; the spec was checked for it. */
function rateOf({ learning_rate: rate }: Optimizer): number {
  if (rate === 'auto') throw new Error('a parameter group has a learning rate, and the optimizer’s is to be found');
  return rate;
}

/** The first whose pattern fits a parameter has it. Specs from before there were penalties have no such field. */
export function buildPenalties({ training }: JobSpec): (name: string) => Penalty | null {
  const given = training.regularization ?? [];
  return (name) => given.find(({ pattern }) => matchesPattern(name, pattern)) ?? null;
}

export function buildSchedule(spec: JobSpec): ScheduleDescription {
  const { schedule } = spec.training;
  const warmupSteps = schedule.warmup_steps;
  switch (schedule.type) {
    case 'constant':
      return { type: 'constant', warmupSteps };
    case 'step':
      return { type: 'step', warmupSteps, everySteps: schedule.every_steps, gamma: schedule.gamma };
    case 'multi_step':
      return { type: 'multi_step', warmupSteps, milestones: schedule.milestones, gamma: schedule.gamma };
    case 'exponential':
      return { type: 'exponential', warmupSteps, gamma: schedule.gamma };
    case 'polynomial':
      return { type: 'polynomial', warmupSteps, power: schedule.power, finalShare: schedule.final_share };
    case 'cosine':
      return { type: 'cosine', warmupSteps, finalShare: schedule.final_share };
    case 'cosine_restarts': {
      const { first_steps: firstSteps, growth, final_share: finalShare } = schedule;
      return { type: 'cosine_restarts', warmupSteps, firstSteps, growth, finalShare };
    }
    case 'one_cycle': {
      const { rise_share: riseShare, initial_divisor: initialDivisor, final_divisor: finalDivisor } = schedule;
      return { type: 'one_cycle', warmupSteps, riseShare, initialDivisor, finalDivisor };
    }
    case 'inverse_sqrt':
    case 'reduce_on_plateau':
      return { type: schedule.type, warmupSteps };
  }
}

/** Null unless the schedule watches a metric. `learningRate`: what the schedule acts on. */
export function buildPlateau(spec: JobSpec, learningRate: number): PlateauDescription | null {
  const { schedule } = spec.training;
  if (schedule.type !== 'reduce_on_plateau') return null;
  const { metric, factor, patience, cooldown, threshold, min_learning_rate: lowest } = schedule;
  return {
    largerIsBetter: metric.endsWith('accuracy'),
    factor,
    patience,
    cooldown,
    threshold,
    lowestShare: Math.min(1, lowest / learningRate),
  };
}
