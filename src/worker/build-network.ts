import type { LayerDescription } from '../engine/layers/layer.ts';
import type { ParameterGroup } from '../engine/optimizers/groups.ts';
import type { OptimizerDescription } from '../engine/optimizers/optimizer.ts';
import type { SearchDescription } from '../engine/optimizers/search/search.ts';
import type { PlateauDescription } from '../engine/plateau.ts';
import type { ScheduleDescription } from '../engine/schedules.ts';
import { matchesPattern } from '../spec/check-model.ts';
import { isSearch, type SearchOptimizer } from '../spec/check-search.ts';
import type { JobSpec } from '../spec/job.ts';
import type { OutputLayer } from '../spec/layers/dense.ts';
import { bothSides } from '../spec/layers/images.ts';
import type { Layer } from '../spec/model.ts';
import { MODEL_INPUT, shapeOfInputs } from '../spec/model-shapes.ts';
import type { Optimizer } from '../spec/optimizer.ts';
import type { Preparation } from '../spec/preparation.ts';

/** Says a resolved spec in the engine's words. */

/** All layers, the output layer last. Its width follows from the target. */
export function buildLayers(spec: JobSpec, preparation: Preparation): LayerDescription[] {
  const { layers, output } = spec.model;
  const inputs = buildInputs(spec, preparation);
  const rename = new Map(inputs.map((layer) => [MODEL_INPUT, layer.name]));
  const all = [...layers.map(buildLayer), ...(output === null ? [] : [buildOutput(output, preparation.outputWidth)])];
  return [
    ...inputs,
    ...all.map((layer) => ({ ...layer, inputs: layer.inputs!.map((name) => rename.get(name) ?? name) })),
  ];
}

/** Rows are kept as vectors; a layer over images needs them as images again. */
function buildInputs({ model }: JobSpec, { inputs, inputWidth }: Preparation): LayerDescription[] {
  const [only] = inputs;
  const image = inputs.length === 1 && only?.type === 'image' ? only.shape : null;
  const shape = shapeOfInputs(model.layers, image, inputWidth) as number[];
  return shape.length === 1 ? [] : [{ type: 'reshape', name: 'input.image', shape, inputs: [MODEL_INPUT] }];
}

function buildOutput({ bias_init: biasInit, tied_to: tiedTo, ...rest }: OutputLayer, units: number): LayerDescription {
  return { type: 'dense', name: 'output', units, activation: { type: 'linear' }, ...rest, biasInit, tiedTo };
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
    case 'conv2d':
    case 'conv2d_transpose': {
      const { bias_init: biasInit, kernel_size: kernel, stride, dilation, ...rest } = layer;
      return { ...rest, kernel: bothSides(kernel), stride: bothSides(stride), dilation: bothSides(dilation), biasInit };
    }
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

export function buildParameterGroups({ training }: JobSpec): ParameterGroup[] {
  return training.parameter_groups.map((group) => ({
    matches: (name) => matchesPattern(name, group.pattern),
    learningRateScale:
      group.learning_rate === null
        ? (group.learning_rate_scale ?? 1)
        : group.learning_rate / training.optimizer.learning_rate,
    weightDecay: group.weight_decay,
  }));
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

/** Null unless the schedule watches a metric. */
export function buildPlateau(spec: JobSpec): PlateauDescription | null {
  const { schedule, optimizer } = spec.training;
  if (schedule.type !== 'reduce_on_plateau') return null;
  const { metric, factor, patience, cooldown, threshold, min_learning_rate: lowest } = schedule;
  return {
    largerIsBetter: metric.endsWith('accuracy'),
    factor,
    patience,
    cooldown,
    threshold,
    lowestShare: Math.min(1, lowest / optimizer.learning_rate),
  };
}
