import { checkHeadLoss, checkLoss } from './check-loss.ts';
import { checkModel } from './check-model.ts';
import { checkSampleWeight } from './check-sample-weight.ts';
import { checkCausality } from './check-text-model.ts';
import type { Choice, Choose } from './choice.ts';
import { chooseLayers, refuseIndices, separateIndices } from './choose-model.ts';
import type { Column } from './dataset.ts';
import { checkTeaching, followTeacher } from './distillation.ts';
import type { Add, Draft } from './draft.ts';
import { expandPreset } from './expand-preset.ts';
import { fillDefaults } from './expand-request.ts';
import { checkKind, checkPreparation, inherit, type KnownCheckpoint, type KnownWeights } from './fine-tune.ts';
import type { Input } from './input.ts';
import { JobSpec } from './job-spec.ts';
import type { KnownDataset } from './known-dataset.ts';
import type { ParameterRule } from './layers/rule.ts';
import { ruleOf } from './layers/rules.ts';
import { type Loss, outputWidthOf } from './loss.ts';
import { checkAdapter, checkTransfer, matchWeights } from './match-weights.ts';
import { type Mistake, MOST_MISTAKES, pointerTo } from './mistake.ts';
import type { Layer } from './model.ts';
import { groupByInput, mainInput } from './model-shapes.ts';
import type { PreparedTarget } from './preparation.ts';
import type { ExpandedRequest } from './request.ts';
import { ColumnFinder, resolveInputs, resolveTarget } from './resolve-columns.ts';
import { resolveEvaluation } from './resolve-evaluation.ts';
import { beginForecast, countWindows, resolveForecast } from './resolve-forecast.ts';
import { checkEmbeddings, checkPadding, countIndices, listModelInputs } from './resolve-inputs.ts';
import { resolveMoreTargets } from './resolve-more-targets.ts';
import { checkSplit, chooseSplit, resolveSplit } from './resolve-split.ts';
import { findCorpus, resolveText } from './resolve-text.ts';
import { resolveTraining } from './resolve-training.ts';
import type { Target } from './target.ts';
import { resolveUnfreezing } from './unfreezing.ts';
import type { Transfer } from './weights.ts';

/** `transfer`: what will come of uploaded weights; null: the job begins from none */
export type Resolution =
  | { ok: true; spec: JobSpec; choices: Choice[]; transfer: Transfer | null }
  | { ok: false; mistakes: Mistake[] };

const LONGEST_NAME = 200;

/**
 * Checks a well-formed request against the dataset, fills in every default and everything that follows, and says all that makes no sense.
 * A resolved spec resolves to itself. Pointers refer to what the client sent.
 */
export function resolveJob(
  request: ExpandedRequest,
  dataset: KnownDataset,
  from: KnownCheckpoint | null,
  others: OtherSources = {},
): Resolution {
  const mistakes: Mistake[] = [];
  try {
    return resolve(request, dataset, from, others, mistakes);
  } catch (error) {
    if (error instanceof EnoughMistakes) return { ok: false, mistakes };
    throw error;
  }
}

/** Besides the checkpoint that is gone on from; null, or left out: there are none. */
interface OtherSources {
  teacher?: KnownCheckpoint | null;
  /** of `model.from` */
  weights?: KnownWeights | null;
  /** of `model.lora.from` */
  adapter?: KnownWeights | null;
}

/** No more are shown; and the nearest of many names takes time to find, for each of them. */
class EnoughMistakes extends Error {}

/** Notes `mistakes`. Throws EnoughMistakes. */
function resolve(
  { spec: given, toSent }: ExpandedRequest,
  dataset: KnownDataset,
  from: KnownCheckpoint | null,
  { teacher = null, weights = null, adapter = null }: OtherSources,
  mistakes: Mistake[],
): Resolution {
  const said = new Set<string>();
  const add: Add = (pointer, detail, expected = null, code = 'invalid_spec') => {
    // output layers of several steps are told once, and so is what is wrong with them
    const mistake = `${pointer} ${detail}`;
    if (said.has(mistake)) return;
    said.add(mistake);
    mistakes.push({ pointer: toSent(pointer), code, detail, expected });
    if (mistakes.length >= MOST_MISTAKES) throw new EnoughMistakes();
  };
  const choices: Choice[] = [];
  const choose: Choose = (field, value, reason) => {
    choices.push({ field, value, reason });
  };
  const refused = (): Resolution => ({ ok: false, mistakes });
  if (given.kind === 'evaluate') {
    const evaluation = resolveEvaluation(given, dataset, from, add);
    if (evaluation !== null) checkStart(evaluation, add);
    return evaluation === null || mistakes.length > 0
      ? refused()
      : { ok: true, spec: evaluation, choices, transfer: null };
  }
  const spec = fillDefaults(JobSpec, given) as Draft;
  const finish = (parameters: ParameterRule[]): Resolution => {
    const transfer = weights === null ? null : matchWeights(spec, parameters, weights.tensors).transfer;
    if (transfer !== null) checkTransfer(spec, transfer, parameters, weights!.tensors, add);
    checkAdapter(spec as JobSpec, parameters, adapter, add);
    return mistakes.length > 0 ? refused() : { ok: true, spec: spec as JobSpec, choices, transfer };
  };
  if (spec.evaluate_on !== undefined)
    add('/evaluate_on', 'is only for jobs that judge a checkpoint', 'kind "evaluate", or nothing here');

  checkKind(spec, from, weights, add);
  if (from !== null) inherit(spec, from, add);
  followTeacher(spec, teacher, from, dataset.columns, add);
  checkStart(spec, add);
  if (dataset.rows === 0) add('/dataset', 'the dataset has no rows');
  const corpus = findCorpus(dataset.columns);
  if (corpus !== null && spec.forecast !== null)
    add('/forecast', 'a corpus has no rows of numbers to go on with', 'null');
  else beginForecast(spec, given, add);
  if (corpus === null && spec.forecast === null) chooseSplit(spec, given, dataset.columns, choose);
  checkSplit(spec, given, corpus !== null, add);
  if (corpus !== null) {
    const text = resolveText(spec, given, corpus, from, add, choose);
    if (text === null) return refused();
    spec.name ??= cutName(`${dataset.name}: next token`);
    resolveTraining(spec, true, text.windows, text.windows.train, add, choose);
    resolveModel(spec, dataset.columns, add);
    resolveUnfreezing(spec, add);
    checkCausality(spec.model, add);
    const { context, vocabulary } = text;
    const inputs = [{ name: spec.inputs[0].into, width: context, dims: null }];
    return finish(
      checkModel(spec as JobSpec, { inputs, outputWidths: [vocabulary], rows: text.windows.train, context }, add),
    );
  }
  if (spec.target === undefined) {
    // a checkpoint or a teacher that is not there, or not named, would have told it; uploaded weights tell none
    if ((spec.kind === 'train' && spec.training.distillation === null) || weights !== null)
      add('/target', '"target" is missing', 'the name of the column to predict', 'invalid_field');
    return refused();
  }
  const basis = from ?? teacher;
  // what the client left to a checkpoint is not what is wrong: it is the dataset
  const isInherited = (field: string) => basis !== null && given[field] === undefined;
  const addOf: Add = (pointer, ...rest) => add(isInherited(pointer.split('/')[1]!) ? '/dataset' : pointer, ...rest);
  const finder = new ColumnFinder(dataset.columns, addOf);
  const { rows: all } = dataset;
  const of = { loss: spec.training.loss?.type, rows: all, isSeries: spec.forecast !== null, at: '/target' };
  const target = resolveTarget(spec.target, of, finder, addOf, choose);
  resolveForecast(spec, target, finder, add);
  const more = resolveMoreTargets(spec, all, finder, add, choose);
  const inputs = resolveInputs(spec, finder, dataset.rows, addOf, choose);
  checkSampleWeight(spec, dataset.rows, finder, add);
  if (target === null || inputs === null || more === null) return refused();
  const keepsHead = !spec.model.replace_head;
  if (from !== null) checkPreparation(from, dataset.columns, keepsHead, add);
  const kept = keepsHead ? basis?.preparation : undefined;

  const isCategory = target.resolved.type === 'category';
  spec.target = target.resolved;
  spec.inputs = inputs;
  const rows = resolveSplit(spec, countUsable(spec as JobSpec, dataset), isCategory, finder, add);
  const counts = countWindows(spec, rows, finder, add);
  spec.name ??= cutName(`${dataset.name}: ${spec.target.columns.join(', ')}`);
  const isImage = inputs.length === 1 && inputs[0]!.type === 'image';
  if (spec.model.layers === undefined) {
    if (spec.model.preset !== null) refuseIndices(inputs, spec.model.preset, add);
    else if (spec.forecast !== null) refuseIndices(inputs, 'the network that is chosen for a forecast', add);
    else separateIndices(inputs, choose);
  }
  expandPreset(spec, isImage ? 'image' : 'rows', add, choose);
  spec.model.layers ??= chooseLayers(
    { isForecast: spec.forecast !== null, inputs, columns: dataset.columns, trainRows: counts.train },
    choose,
  );
  resolveTraining(spec, isCategory, counts, dataset.rows, add, choose);
  resolveModel(spec, dataset.columns, add);
  resolveUnfreezing(spec, add);

  const { model, more_targets: others } = spec as JobSpec;
  const known = { ...target, classes: knownClasses(target.classes, kept?.target) };
  checkTeaching(spec, teacher, add);
  checkLoss(spec.training.loss, known, spec.training.batch_size, add);
  others.forEach(({ loss }, i) => {
    checkHeadLoss(loss, more[i]!, pointerTo('/more_targets', i, 'loss'), add);
  });
  const width = widthOfOutput(spec.target, target.classes, spec.training.loss, kept?.target);
  const horizon: number = spec.forecast?.horizon ?? 1;
  const outputWidths = [
    // numbers of all steps are told by one layer, and each step of a category by its own
    ...(isCategory ? Array.from({ length: horizon }, () => width) : [width * horizon]),
    ...others.map((other, i) => widthOfOutput(other, more[i]!.classes, other.loss, kept?.more?.[i]?.target)),
  ];
  const modelInputs = listModelInputs(inputs, dataset.columns, basis?.preparation, spec.forecast);
  checkEmbeddings(model.layers, inputs, dataset.columns, add);
  checkPadding(model.layers, inputs, add);
  return finish(checkModel(spec as JobSpec, { inputs: modelInputs, outputWidths, rows: dataset.rows }, add));
}

/** Rows that have their targets, as far as the profile tells; a series goes on where one is missing. */
function countUsable({ target, more_targets: more, forecast }: JobSpec, { rows, columns }: KnownDataset): number {
  if (forecast !== null) return rows;
  const names = new Set([target, ...more].flatMap((one) => one.columns));
  const missing = columns.filter(({ name }) => names.has(name)).map((column) => column.missing);
  return rows - Math.max(0, ...missing);
}

/** A checkpoint goes on with the classes it was trained with (`known`), of which the dataset may lack some. */
function knownClasses(classes: string[] | null, known?: PreparedTarget): string[] | null {
  return classes !== null && known?.type === 'category' ? known.classes : classes;
}

function widthOfOutput({ columns }: Target, classes: string[] | null, loss: Loss, known?: PreparedTarget): number {
  const all = knownClasses(classes, known);
  return outputWidthOf(loss, all === null ? { columns: columns.length } : { classes: all });
}

/** By characters, as the limit counts: half of one could not be stored. */
export function cutName(name: string): string {
  return [...name].slice(0, LONGEST_NAME).join('');
}

const FARTHEST_START_MS = 366 * 86_400_000;

/** JavaScript takes 2030-02-31 for the third of March. */
function isDay(date: string): boolean {
  const read = new Date(`${date}T00:00:00Z`);
  return !Number.isNaN(read.getTime()) && read.toISOString().startsWith(date);
}

/** In UTC, as JavaScript writes it, so that a resolved spec resolves to itself. */
function checkStart(spec: Draft, add: Add): void {
  if (spec.start_at === null) return;
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i.test(spec.start_at);
  const at = isTime && isDay(spec.start_at.slice(0, 10)) ? Date.parse(spec.start_at) : Number.NaN;
  if (Number.isNaN(at)) add('/start_at', 'is not a time', 'RFC 3339, like 2030-01-31T06:00:00Z');
  else if (at > Date.now() + FARTHEST_START_MS) add('/start_at', 'is more than a year ahead', 'a time within a year');
  else spec.start_at = new Date(Math.max(at, 0)).toISOString();
}

/** The names and edges of layers, and what follows from their other fields. */
function resolveModel(
  { model, inputs: columns, more_targets: more }: Draft,
  datasetColumns: readonly Column[],
  add: Add,
): void {
  const layers = model.layers as (Layer & { name?: string; inputs?: string[] })[];
  const modelInputs = groupByInput(columns as Input[]);
  const taken = new Set([...modelInputs.keys(), ...layers.flatMap((layer) => layer.name ?? [])]);
  const counts = new Map<string, number>();
  let before: string = mainInput([...modelInputs.keys()]);
  for (const layer of layers) {
    let number = (counts.get(layer.type) ?? 0) + 1;
    // a name that another layer or an input was given is passed over
    while (layer.name === undefined && taken.has(`${layer.type}_${number}`)) number += 1;
    counts.set(layer.type, number);
    layer.name ??= `${layer.type}_${number}`;
    layer.inputs ??= [before];
    before = layer.name;
    ruleOf(layer).complete?.(layer);
    if (layer.type === 'embedding' && layer.vocabulary === undefined) {
      const indices = countIndices(modelInputs.get(layer.inputs[0] ?? '') ?? [], datasetColumns);
      if (indices !== null) {
        layer.vocabulary = indices;
        continue;
      }
      add(
        pointerTo('/model/layers', layers.indexOf(layer), 'vocabulary'),
        'the inputs do not tell how many different indices there are',
        'the number of rows of the table',
      );
      layer.vocabulary = 1;
    }
  }
  if (model.output === undefined) model.output = {};
  if (model.output !== null) fillOutput(model.output, [before]);
  // where the last layer is the target's own, its inputs tell the others
  const shared = model.output?.inputs ?? layers.at(-1)?.inputs ?? [before];
  for (const other of more) {
    other.output ??= {};
    fillOutput(other.output, shared);
  }
}

function fillOutput(output: Draft, inputs: readonly string[]): void {
  output.inputs ??= [...inputs];
  output.tied_to ??= null;
  output.init ??= { type: 'xavier_uniform', gain: 1 };
  output.bias ??= true;
  output.bias_init ??= { type: 'zeros' };
}
