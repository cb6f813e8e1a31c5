import type { Add } from './draft.ts';
import type { JobSpec } from './job.ts';
import { pointerTo } from './mistake.ts';
import type { Initializer } from './model.ts';
import { type RowShape, shapeAfter, shapeOfInputs } from './model-shapes.ts';
import type { Optimizer } from './optimizer.ts';
import { listWords, suggest } from './suggest.ts';

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
}

/** Whether a model whose layers are filled in fits its inputs, its target and a memory. */
export function checkModel(spec: JobSpec, { inputWidth, image, outputWidth }: Widths, add: Add): void {
  const { model } = spec;
  const names = new Set<string>();
  const parameters: string[] = [];
  let shape: RowShape = shapeOfInputs(model.layers, image, inputWidth);
  let count = 0;
  let isBroken = false;
  model.layers.forEach((layer, i) => {
    const at = pointerTo('/model/layers', i);
    if (names.has(layer.name) || layer.name === 'output')
      add(`${at}/name`, `"${layer.name}" is taken`, 'a name that no other layer has');
    names.add(layer.name);
    const before = shape;
    const after = shapeAfter(layer, before);
    if ('misfit' in after) {
      const { field, detail, expected } = after.misfit;
      // one mistake of this kind hides what follows from it
      if (!isBroken) add(`${at}/${field}`, detail, expected, 'shape_mismatch');
      isBroken = true;
      shape = null;
    } else shape = after.shape;
    if (layer.type !== 'dense' && layer.type !== 'conv2d') return;
    parameters.push(`${layer.name}.weight`, ...(layer.bias ? [`${layer.name}.bias`] : []));
    const units = layer.type === 'dense' ? layer.units : layer.filters;
    const taps = layer.type === 'dense' ? 1 : layer.kernel_size ** 2;
    const inputs = before === null ? null : taps * before.at(-1)!;
    checkValues(layer.init, inputs === null ? null : inputs * units, `${at}/init`, add);
    checkValues(layer.bias_init, units, `${at}/bias_init`, add);
    count += (inputs ?? 1) * units + units;
  });
  const width = (shape as RowShape)?.at(-1) ?? null;
  if (shape !== null && shape.length > 1 && model.output !== null && !isBroken) {
    add(
      model.layers.length === 0 ? '/model/layers' : `${pointerTo('/model/layers', model.layers.length - 1)}/type`,
      `the output layer takes a vector; the last layer gives (${shape.join(', ')})`,
      'flatten or global_average_pool2d as the last layer',
      'shape_mismatch',
    );
  }

  if (model.output === null) checkLastLayer(spec, outputWidth, add);
  else {
    parameters.push('output.weight', ...(model.output.bias ? ['output.bias'] : []));
    checkValues(model.output.init, width === null ? null : width * outputWidth, '/model/output/init', add);
    checkValues(model.output.bias_init, outputWidth, '/model/output/bias_init', add);
    count += (width ?? 1) * outputWidth + outputWidth;
  }
  // weights, a copy of the best, gradients, and the optimizer's slots
  const bytes = 4 * count * (3 + countSlots(spec.training.optimizer));
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
    if (matching.length > 0) return;
    const near = suggest(pattern, parameters);
    add(
      pointerTo('/model/freeze', i),
      `"${pattern}" fits no parameter.${near === null ? '' : ` Did you mean "${near}"?`}`,
      `one of: ${listWords(parameters)}, with * for any characters`,
    );
  });
  if (parameters.length > 0 && frozen.size === parameters.length) {
    add(
      '/model/freeze',
      `every parameter is frozen: ${training.optimizer.type} has nothing to change`,
      'at least one parameter that is not frozen',
    );
  }
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
