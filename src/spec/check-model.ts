import { checkSearch } from './check-search.ts';
import { checkSequenceEnd } from './check-text-model.ts';
import type { Add } from './draft.ts';
import { furtherTargets, outputName } from './further-targets.ts';
import type { JobSpec } from './job-spec.ts';
import type { OutputLayer } from './layers/dense.ts';
import type { Initializer } from './layers/initializer.ts';
import { type ParameterRule, type Size, show, sizeOf } from './layers/rule.ts';
import { ruleOf } from './layers/rules.ts';
import { weightAndBias } from './layers/weights.ts';
import { resolveAdapters } from './lora.ts';
import { matchesPattern } from './matches-pattern.ts';
import { pointerTo } from './mistake.ts';
import { type LayerShapes, type ModelInput, shapeOfInput, shapesOf } from './model-shapes.ts';
import type { Optimizer } from './optimizer.ts';
import { showCount } from './show-count.ts';
import { didYouMean, listWords } from './suggest.ts';
import type { Training } from './training.ts';

/** All that one 32-bit memory can hold, with room for rows and activations. */
const MAX_MODEL_BYTES = 3.5 * 2 ** 30;
const MAX_JOB_BYTES = 4 * 2 ** 30;

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
    // vectors that are kept, and those of one step
    case 'lbfgs':
      return 2 * optimizer.history + 3;
    case 'hessian_free':
      return 5;
    case 'random_search':
      return 2;
  }
}

interface Sizes {
  inputs: readonly ModelInput[];
  /** of the target, and of each further one */
  outputWidths: readonly number[];
  /** of the dataset */
  rows: number;
  /** positions at each of which a target is told; absent: one for the row */
  context?: number;
}

interface Head {
  name: string;
  output: OutputLayer;
  width: number;
  pointer: string;
}

/** The output layers there are besides `layers`. */
function headsOf(spec: JobSpec, widths: readonly number[]): Head[] {
  const { output } = spec.model;
  const isNamed = spec.more_targets.length > 0;
  return [
    ...(output === null ? [] : [{ name: 'output', output, width: widths[0]!, pointer: '/model/output' }]),
    ...furtherTargets(spec).map(({ name, output: own }, i) => ({
      ...{ name: outputName(name), output: own, width: widths[i + 1]! },
      pointer: isNamed ? pointerTo('/more_targets', i, 'output') : '/model/output',
    })),
  ];
}

/** Whether a model whose layers are filled in fits its inputs, its target and a memory. Its parameters. */
export function checkModel(
  spec: JobSpec,
  { inputs: modelInputs, outputWidths, rows, context }: Sizes,
  add: Add,
): ParameterRule[] {
  const { model } = spec;
  const heads = headsOf(spec, outputWidths);
  checkGraph(
    model,
    modelInputs.map(({ name }) => name),
    heads,
    add,
  );
  const own: ParameterRule[] = [];
  const take = (owner: string, rules: readonly ParameterRule[], at: string) => {
    for (const { name, dims, init } of rules) {
      own.push({ name: `${owner}.${name}`, dims });
      if (init !== undefined) checkValues(init.value, sizeOf(dims), `${at}/${init.field}`, add);
    }
  };

  const ofInputs = new Map(modelInputs.map((input) => [input.name, shapeOfInput(model.layers, input)]));
  const shapes = shapesOf(model.layers, ofInputs);
  shapes.forEach(({ layer, inputs }, i) => {
    take(layer.name, ruleOf(layer).parameters?.(layer, inputs) ?? [], pointerTo('/model/layers', i));
  });
  // one mistake of this kind hides what follows from it
  const wrong = shapes.findIndex((s) => s.misfit !== null);
  if (wrong >= 0) {
    const { field, detail, expected } = shapes[wrong]!.misfit!;
    add(`${pointerTo('/model/layers', wrong)}/${field}`, detail, expected, 'shape_mismatch');
  }

  if (model.output === null) checkLastLayer(spec, outputWidths[0]!, add);
  const flat = new Set<string>();
  for (const { name, output, width, pointer } of heads) {
    const before = output.inputs[0] ?? '';
    const shape = ofInputs.get(before) ?? shapes.find((s) => s.layer.name === before)?.output ?? null;
    if (context !== undefined) {
      if (wrong < 0) checkSequenceEnd(model, shape, context, add);
    } else if (shape !== null && shape.length > 1 && wrong < 0 && !flat.has(before)) {
      flat.add(before);
      addNotAVector(shapes, before, show(shape), `${pointer}/inputs/0`, add);
    }
    const inner = shape?.at(-1) ?? null;
    const rules = weightAndBias(output, [inner, width], width);
    const isTied = output.tied_to !== null;
    if (isTied) checkTied(model, output.tied_to!, pointer, inner, width, add);
    take(name, isTied ? rules.filter((rule) => rule.name !== 'weight') : rules, pointer);
  }
  const adapters = resolveAdapters(spec, own, add);
  const all = [...own, ...adapters];
  const count = all.reduce((sum, { dims }) => sum + dims.reduce<number>((product, n) => product * (n ?? 1), 1), 0);
  const parameters = all.map(({ name }) => name);
  const kept = keptForGradients(shapes, new Set(modelInputs.map(({ name }) => name)));
  checkMemory(spec, { parameters: count, kept, rowBytes: rowBytes(modelInputs, context), rows }, add);
  checkFreeze(spec, parameters, add);
  checkGroups(spec.training, parameters, add);
  checkPenalties(spec.training, parameters, add);
  checkSearch(spec, add);
  return all;
}

/** Numbers of a row that stay until the gradients of weights are made of them: what layers with weights take, the rows' own apart. */
function keptForGradients(shapes: readonly LayerShapes[], modelInputs: ReadonlySet<string>): number {
  const kept = new Map<string, number>();
  for (const { layer, inputs } of shapes) {
    if ((ruleOf(layer).parameters?.(layer, inputs) ?? []).length === 0) continue;
    layer.inputs.forEach((name, i) => {
      if (!modelInputs.has(name)) kept.set(name, sizeOf(inputs[i] ?? []) ?? 0);
    });
  }
  return [...kept.values()].reduce((sum, size) => sum + size, 0);
}

/** Bytes of a prepared row as far as they are known: images alone stay bytes, and the windows of a series or a corpus overlap. */
function rowBytes(inputs: readonly ModelInput[], context: number | undefined): number {
  if (context !== undefined) return 0;
  const width = inputs.reduce((sum, input) => sum + (input.width ?? 0), 0);
  const dims = inputs.length === 1 ? inputs[0]!.dims : null;
  if (dims?.length === 2) return 4 * (dims[1] ?? 0);
  return dims === null ? 4 * width : width;
}

interface Needs {
  parameters: number;
  kept: number;
  rowBytes: number;
  rows: number;
}

/** What is needed at least: a job may still be found too large when its rows are known, and then ends so. */
function checkMemory({ training }: JobSpec, needs: Needs, add: Add): void {
  const { optimizer, accumulate_steps: accumulateSteps, ema, batch_size: batchSize } = training;
  // weights, a copy of the best, gradients (and their sum), an average, and the optimizer's slots
  const each = 3 + (accumulateSteps > 1 ? 1 : 0) + (ema === null ? 0 : 1) + countSlots(optimizer);
  const weights = 4 * needs.parameters * each;
  const rows = needs.rowBytes * needs.rows;
  const activations = 4 * needs.kept * Math.min(batchSize, needs.rows);
  const gib = (value: number) => (value / 2 ** 30).toFixed(1);
  const parameters = showCount(needs.parameters);
  if (weights > MAX_MODEL_BYTES) {
    const detail = `${parameters} parameters need ${gib(weights)} GiB to train`;
    add('/model/layers', detail, `at most ${gib(MAX_MODEL_BYTES)} GiB`, 'model_too_large');
  } else if (weights + rows + activations > MAX_JOB_BYTES) {
    const detail = `the job needs at least ${gib(weights + rows + activations)} GiB: ${parameters} parameters ${gib(weights)}, rows ${gib(rows)}, what layers give for ${batchSize} of them ${gib(activations)}`;
    const pointer = rows > activations ? '/dataset' : '/training/batch_size';
    add(pointer, detail, `at most ${gib(MAX_JOB_BYTES)} GiB`, 'model_too_large');
  }
}

function addNotAVector(shapes: readonly LayerShapes[], name: string, shape: string, pointer: string, add: Add): void {
  const at = shapes.findIndex(({ layer }) => layer.name === name);
  add(
    at < 0 ? pointer : `${pointerTo('/model/layers', at)}/type`,
    `the output layer takes a vector; the last layer gives ${shape}`,
    'flatten or global_average_pool2d as the last layer',
    'shape_mismatch',
  );
}

/** An output's weights may be an embedding's table: (width of the output, width of what comes in). */
function checkTied(
  { layers }: JobSpec['model'],
  name: string,
  at: string,
  width: Size,
  outputWidth: number,
  add: Add,
): void {
  const embeddings = layers.filter((layer) => layer.type === 'embedding');
  const found = embeddings.find((layer) => layer.name === name);
  const pointer = `${at}/tied_to`;
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
function checkGraph(
  { layers, output }: JobSpec['model'],
  modelInputs: readonly string[],
  heads: readonly Head[],
  add: Add,
): void {
  const earlier = new Set<string>(modelInputs);
  const outputs = new Set(['output', ...heads.map(({ name }) => name)]);
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
    if (earlier.has(layer.name) || outputs.has(layer.name))
      add(`${at}/name`, `"${layer.name}" is taken`, 'a name that no other layer has');
    const { minimum, maximum } = ruleOf(layer).arity ?? { minimum: 1, maximum: 1 };
    const given = layer.inputs.length;
    if (given < minimum || given > maximum)
      add(
        `${at}/inputs`,
        `${layer.type} takes ${sayCount(minimum, maximum, given)}, not ${given}`,
        'names of earlier layers',
      );
    checkInputs(layer.inputs, `${at}/inputs`);
    earlier.add(layer.name);
  });
  for (const { output: head, pointer } of heads) {
    const given = head.inputs.length;
    if (given !== 1) add(`${pointer}/inputs`, `the output layer takes 1 layer, not ${given}`, 'the name of a layer');
    checkInputs(head.inputs, `${pointer}/inputs`);
  }
  for (const name of modelInputs) {
    if (layers.length > 0 && !used.has(name))
      add('/model/layers', `nothing takes the model input "${name}"`, 'a layer with it among its inputs');
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

function sayCount(minimum: number, maximum: number, given: number): string {
  const limit = given < minimum ? minimum : maximum;
  const how = minimum === maximum ? '' : given < minimum ? 'at least ' : 'at most ';
  return `${how}${limit} layer${limit === 1 ? '' : 's'}`;
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

function checkPenalties({ regularization }: Training, parameters: readonly string[], add: Add): void {
  const left = new Set(parameters);
  regularization.forEach(({ pattern, l1, l2 }, i) => {
    const at = pointerTo('/training/regularization', i);
    const matching = parameters.filter((name) => matchesPattern(name, pattern));
    if (matching.length === 0) addMisfit(pattern, parameters, `${at}/pattern`, add);
    else if (!matching.some((name) => left.has(name)))
      add(`${at}/pattern`, `every parameter that "${pattern}" fits has a penalty before it`, 'another pattern');
    for (const name of matching) left.delete(name);
    if (l1 === 0 && l2 === 0) add(`${at}/l2`, 'without l1 or l2 there is no penalty', 'a number above 0');
  });
}

function addMisfit(pattern: string, parameters: readonly string[], pointer: string, add: Add): void {
  // a layer's name, with nothing for its parameters
  const whole = `${pattern}.*`;
  const isLayer = parameters.some((name) => matchesPattern(name, whole));
  add(
    pointer,
    `"${pattern}" fits no parameter.${isLayer ? ` Did you mean "${whole}"?` : didYouMean(pattern, parameters)}`,
    `one of: ${listWords(parameters)}, with * for any characters`,
  );
}
