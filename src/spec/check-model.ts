import { checkSequenceEnd } from './check-text-model.ts';
import type { Add } from './draft.ts';
import type { JobSpec } from './job.ts';
import type { Initializer } from './layers/initializer.ts';
import { type ParameterRule, type Size, show, sizeOf } from './layers/rule.ts';
import { ruleOf } from './layers/rules.ts';
import { weightAndBias } from './layers/weights.ts';
import { pointerTo } from './mistake.ts';
import { MODEL_INPUT, shapeOfInputs, shapesOf } from './model-shapes.ts';
import type { Optimizer } from './optimizer.ts';
import { didYouMean, listWords } from './suggest.ts';
import type { Training } from './training.ts';

/** All that one 32-bit memory can hold, with room for rows and activations. */
const MAX_MODEL_BYTES = 3.5 * 2 ** 30;

/** Tensors of optimizer state, each as large as the parameters. */
function countSlots(optimizer: Optimizer): number {
  switch (optimizer.type) {
    case 'sgd':
      return 0;
    case 'momentum':
    case 'nesterov':
    case 'adagrad':
    case 'lion':
      return 1;
    case 'adadelta':
    case 'adamax':
    case 'nadam':
    case 'radam':
      return 2;
    // and the step that is scaled
    case 'lamb':
      return 3;
    case 'rmsprop':
      return 1 + (optimizer.centered ? 1 : 0) + (optimizer.momentum > 0 ? 1 : 0);
    case 'adam':
    case 'adamw':
      return optimizer.amsgrad ? 3 : 2;
  }
}

interface Widths {
  /** null where it depends on the training rows */
  inputWidth: number | null;
  /** height, width, channels, where the only input is an image */
  image: readonly number[] | null;
  outputWidth: number;
  /** positions at each of which a target is told; absent: one for the row */
  context?: number;
}

/** Whether a model whose layers are filled in fits its inputs, its target and a memory. */
export function checkModel(spec: JobSpec, { inputWidth, image, outputWidth, context }: Widths, add: Add): void {
  const { model } = spec;
  checkGraph(model, add);
  const parameters: string[] = [];
  let count = 0;
  const take = (owner: string, rules: readonly ParameterRule[], at: string) => {
    for (const { name, dims, init } of rules) {
      parameters.push(`${owner}.${name}`);
      if (init !== undefined) checkValues(init.value, sizeOf(dims), `${at}/${init.field}`, add);
      count += dims.reduce<number>((product, n) => product * (n ?? 1), 1);
    }
  };

  const shapes = shapesOf(model.layers, shapeOfInputs(model.layers, image, inputWidth));
  shapes.forEach(({ layer, inputs }, i) => {
    take(layer.name, ruleOf(layer).parameters?.(layer, inputs) ?? [], pointerTo('/model/layers', i));
  });
  // one mistake of this kind hides what follows from it
  const wrong = shapes.findIndex((s) => s.misfit !== null);
  if (wrong >= 0) {
    const { field, detail, expected } = shapes[wrong]!.misfit!;
    add(`${pointerTo('/model/layers', wrong)}/${field}`, detail, expected, 'shape_mismatch');
  }

  if (model.output === null) checkLastLayer(spec, outputWidth, add);
  else {
    const before = model.output.inputs[0];
    const shape = before === MODEL_INPUT ? [inputWidth] : (shapes.find((s) => s.layer.name === before)?.output ?? null);
    if (context !== undefined) {
      if (wrong < 0) checkSequenceEnd(model, shape, context, add);
    } else if (shape !== null && shape.length > 1 && wrong < 0) {
      const at = model.layers.findIndex((layer) => layer.name === before);
      add(
        `${pointerTo('/model/layers', at)}/type`,
        `the output layer takes a vector; the last layer gives ${show(shape)}`,
        'flatten or global_average_pool2d as the last layer',
        'shape_mismatch',
      );
    }
    const width = shape?.at(-1) ?? null;
    const own = weightAndBias(model.output, [width, outputWidth], outputWidth);
    const isTied = model.output.tied_to !== null;
    if (isTied) checkTied(model, width, outputWidth, add);
    take('output', isTied ? own.filter(({ name }) => name !== 'weight') : own, '/model/output');
  }
  // weights, a copy of the best, gradients (and their sum), an average, and the optimizer's slots
  const { optimizer, accumulate_steps: accumulateSteps, ema } = spec.training;
  const bytes = 4 * count * (3 + (accumulateSteps > 1 ? 1 : 0) + (ema === null ? 0 : 1) + countSlots(optimizer));
  if (bytes > MAX_MODEL_BYTES) {
    const gib = (value: number) => (value / 2 ** 30).toFixed(1);
    add(
      '/model/layers',
      `${count.toLocaleString('en-US')} parameters need ${gib(bytes)} GiB to train`,
      `at most ${gib(MAX_MODEL_BYTES)} GiB`,
      'model_too_large',
    );
  }
  checkFreeze(spec, parameters, add);
  checkGroups(spec.training, parameters, add);
}

/** The output's weights may be an embedding's table: (width of the output, width of what comes in). */
function checkTied({ layers, output }: JobSpec['model'], width: Size, outputWidth: number, add: Add): void {
  const name = output!.tied_to!;
  const embeddings = layers.filter((layer) => layer.type === 'embedding');
  const found = embeddings.find((layer) => layer.name === name);
  const pointer = '/model/output/tied_to';
  if (found === undefined) {
    const names = embeddings.map((layer) => layer.name);
    add(pointer, `there is no embedding layer "${name}"`, names.length === 0 ? 'null' : `one of: ${listWords(names)}`);
  } else if (found.vocabulary !== outputWidth || (width !== null && found.units !== width)) {
    add(
      pointer,
      `the table of "${name}" is (${found.vocabulary}, ${found.units}); the output takes ${width ?? '?'} values and gives ${outputWidth}`,
      `an embedding of vocabulary ${outputWidth} and units ${width ?? '?'}`,
      'shape_mismatch',
    );
  }
}

/** Names and edges: every layer takes the outputs of earlier ones, and every output is taken. */
function checkGraph({ layers, output }: JobSpec['model'], add: Add): void {
  const earlier = new Set<string>([MODEL_INPUT]);
  const all = layers.map((layer) => layer.name);
  const used = new Set<string>();
  const checkInputs = (inputs: readonly string[], pointer: string) => {
    inputs.forEach((name, i) => {
      used.add(name);
      if (earlier.has(name)) return;
      add(
        pointerTo(pointer, i),
        all.includes(name)
          ? `"${name}" does not come before this layer`
          : `there is no layer "${name}".${didYouMean(name, [...earlier])}`,
        `one of: ${listWords([...earlier])}`,
      );
    });
  };
  layers.forEach((layer, i) => {
    const at = pointerTo('/model/layers', i);
    if (earlier.has(layer.name) || layer.name === 'output')
      add(`${at}/name`, `"${layer.name}" is taken`, 'a name that no other layer has');
    const { minimum, maximum } = ruleOf(layer).arity ?? { minimum: 1, maximum: 1 };
    const given = layer.inputs.length;
    if (given < minimum || given > maximum)
      add(
        `${at}/inputs`,
        `${layer.type} takes ${minimum === maximum ? minimum : `at least ${minimum}`} layer${maximum === 1 ? '' : 's'}, not ${given}`,
        'names of earlier layers',
      );
    checkInputs(layer.inputs, `${at}/inputs`);
    earlier.add(layer.name);
  });
  if (output !== null) {
    if (output.inputs.length !== 1)
      add('/model/output/inputs', `the output layer takes 1 layer, not ${output.inputs.length}`, 'the name of a layer');
    checkInputs(output.inputs, '/model/output/inputs');
  }
  layers.forEach((layer, i) => {
    const isLast = output === null && i === layers.length - 1;
    if (!isLast && !used.has(layer.name))
      add(
        pointerTo('/model/layers', i, 'name'),
        `nothing takes the output of "${layer.name}"`,
        'a layer or the output with it among its inputs',
      );
  });
}

/** `output: null`: the last layer must give what the loss takes. */
function checkLastLayer({ model }: JobSpec, outputWidth: number, add: Add): void {
  const last = model.layers.at(-1);
  const at = pointerTo('/model/layers', Math.max(0, model.layers.length - 1));
  if (last?.type !== 'dense') {
    add(
      model.layers.length === 0 ? '/model/layers' : `${at}/type`,
      'with `output: null` the last layer is the output',
      `dense with ${outputWidth} units`,
    );
    return;
  }
  if (last.units !== outputWidth)
    add(
      `${at}/units`,
      `the target needs ${outputWidth} outputs, not ${last.units}`,
      String(outputWidth),
      'shape_mismatch',
    );
  if (last.activation.type !== 'linear')
    add(
      `${at}/activation`,
      `the loss takes values as they are (logits for a category), not ${last.activation.type}`,
      'linear',
    );
}

function checkValues(init: Initializer, places: number | null, pointer: string, add: Add): void {
  if (init.type === 'values' && places !== null && init.values.length !== places) {
    add(
      `${pointer}/values`,
      `${init.values.length} initial values for ${places} places`,
      `${places} numbers`,
      'shape_mismatch',
    );
  }
  if (init.type === 'uniform' && init.low >= init.high)
    add(`${pointer}/low`, `low (${init.low}) is not below high (${init.high})`, 'low < high');
}

function checkFreeze({ model, training }: JobSpec, parameters: readonly string[], add: Add): void {
  const frozen = new Set<string>();
  model.freeze.forEach((pattern, i) => {
    const matching = parameters.filter((name) => matchesPattern(name, pattern));
    for (const name of matching) frozen.add(name);
    if (matching.length === 0) addMisfit(pattern, parameters, pointerTo('/model/freeze', i), add);
  });
  if (parameters.length > 0 && frozen.size === parameters.length) {
    add(
      '/model/freeze',
      `every parameter is frozen: ${training.optimizer.type} has nothing to change`,
      'at least one parameter that is not frozen',
    );
  }
}

/** The first group that fits a parameter has it, so a later one may be left with nothing. */
function checkGroups({ parameter_groups: groups }: Training, parameters: readonly string[], add: Add): void {
  const left = new Set(parameters);
  groups.forEach(({ pattern, learning_rate: rate, learning_rate_scale: scale }, i) => {
    const at = pointerTo('/training/parameter_groups', i);
    const matching = parameters.filter((name) => matchesPattern(name, pattern));
    if (matching.length === 0) addMisfit(pattern, parameters, `${at}/pattern`, add);
    else if (!matching.some((name) => left.has(name))) {
      add(
        `${at}/pattern`,
        `every parameter that "${pattern}" fits is in a group before it`,
        'groups for particular parameters before those for many',
      );
    }
    for (const name of matching) left.delete(name);
    if (rate !== null && scale !== null)
      add(`${at}/learning_rate_scale`, 'a group has a learning rate or a scale, not both', 'one of the two');
  });
}

function addMisfit(pattern: string, parameters: readonly string[], pointer: string, add: Add): void {
  add(
    pointer,
    `"${pattern}" fits no parameter.${didYouMean(pattern, parameters)}`,
    `one of: ${listWords(parameters)}, with * for any characters`,
  );
}

/** Whether a parameter's name fits a pattern: `*` stands for any characters. */
export function matchesPattern(name: string, pattern: string): boolean {
  const [first, ...parts] = pattern.split('*') as [string, ...string[]];
  if (parts.length === 0) return name === first;
  if (!name.startsWith(first)) return false;
  const last = parts.pop()!;
  let at = first.length;
  for (const part of parts) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}
