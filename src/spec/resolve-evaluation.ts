import { isDeepStrictEqual } from 'node:util';
import { findArrays, isBehindEnd } from './array-columns.ts';
import { countSplit } from './count-split.ts';
import type { Add, Draft } from './draft.ts';
import { fillDefaults } from './expand-request.ts';
import {
  checkPreparation,
  checkSame,
  describeMissing,
  isUpload,
  type KnownCheckpoint,
  REFERENCE,
} from './fine-tune.ts';
import { isPadded } from './input.ts';
import { isObject } from './is-object.ts';
import { JobSpec } from './job-spec.ts';
import type { KnownDataset } from './known-dataset.ts';
import { ColumnFinder } from './resolve-columns.ts';
import { resolveInput } from './resolve-input.ts';
import { findCorpus } from './resolve-text.ts';
import type { Split } from './split.ts';
import { listWords } from './suggest.ts';

/** Jobs that judge a checkpoint on a dataset: nothing is trained. */

/** What such a job says for itself; everything else is the checkpoint's. */
const OWN = ['kind', 'name', 'dataset', 'split', 'evaluate_on', 'resources', 'start_at', 'metadata'];

/**
 * Takes over what the checkpoint was trained with, and holds the dataset against it: it must have the columns, of the same types, and no class that the network does not
 * know. null where there is no checkpoint.
 */
export function resolveEvaluation(
  given: Draft,
  dataset: KnownDataset,
  from: KnownCheckpoint | null,
  add: Add,
): JobSpec | null {
  if (given.model?.from == null) {
    add('/model/from', 'an evaluation is of a checkpoint', REFERENCE);
    return null;
  }
  if (from === null) {
    if (isUpload(given.model.from))
      add(
        '/model/from',
        'uploaded weights do not say what they tell',
        `${REFERENCE}; a fine-tuning of max_steps 0 makes one of them`,
      );
    else add('/model/from', describeMissing(given.model.from), REFERENCE);
    return null;
  }
  checkForeign(given, from, add);
  const parent = from.spec;
  const filled = fillDefaults(JobSpec, given) as Draft;
  const isSame = parent.dataset === dataset.id;
  const isCorpus = findCorpus(dataset.columns) !== null;
  const split = given.split === undefined ? parent.split : resolveSplit(filled.split, parent);
  const spec: JobSpec = {
    ...structuredClone(parent),
    kind: 'evaluate',
    name: filled.name ?? `${[...dataset.name].slice(0, 100).join('')}: evaluation of ${from.id}`,
    dataset: dataset.id,
    split,
    model: { ...structuredClone(parent.model), from: from.id },
    training: { ...structuredClone(parent.training), sample_weight: null },
    evaluate_on: filled.evaluate_on ?? (isSame ? defaultPart(isCorpus ? MANY : dataset.rows, split) : 'all'),
    resources: filled.resources,
    start_at: filled.start_at,
    metadata: filled.metadata,
  };
  if (isSame && spec.evaluate_on !== 'all' && !isDeepStrictEqual(split, parent.split))
    add('/split', `must be as ${from.id} has it, or rows that it was trained on would be held for others`, null);
  if (dataset.rows === 0) add('/dataset', 'the dataset has no rows');
  const counts = countSplit(dataset.rows, split);
  if (spec.evaluate_on !== 'all' && !isCorpus && counts[spec.evaluate_on!] === 0)
    add('/evaluate_on', `the ${spec.evaluate_on} split has no rows`, 'all, or another split');
  checkColumns(spec, dataset, from, add);
  return spec;
}

/** A corpus is split by tokens, of which there are enough for every share. */
const MANY = 1e6;

/** The held-out rows, if there are any. */
function defaultPart(rows: number, split: Split): 'test' | 'validation' | 'all' {
  const { validation, test } = countSplit(rows, split);
  return test > 0 ? 'test' : validation > 0 ? 'validation' : 'all';
}

function resolveSplit(split: Draft, { target, forecast = null }: JobSpec): Split {
  if (forecast !== null) {
    const { order_by } = forecast;
    return { ...split, shuffle: false, stratify: false, ...(order_by !== undefined && { order_by }) } as Split;
  }
  const isText = target.type === 'next_token';
  const shuffle = isText ? false : split.shuffle;
  return { ...split, shuffle, stratify: split.stratify ?? (target.type === 'category' && shuffle) } as Split;
}

/** What is the checkpoint's may be said again, and not otherwise. */
function checkForeign(given: Draft, { id, spec }: KnownCheckpoint, add: Add): void {
  const parent = spec as unknown as Record<string, unknown>;
  for (const [field, value] of Object.entries(given)) {
    if (OWN.includes(field)) continue;
    // the checkpoint is told apart from the one that it began from, and no weights count in an evaluation
    const { from: _, sample_weight: __, ...said } = isObject(value) ? value : {};
    checkSame(isObject(value) ? said : value, parent[field], `/${field}`, id, add);
  }
}

function checkColumns(spec: JobSpec, dataset: KnownDataset, from: KnownCheckpoint, add: Add): void {
  const isCorpus = findCorpus(dataset.columns) !== null;
  const isText = spec.target.type === 'next_token';
  if (isCorpus || isText) {
    if (isCorpus !== isText)
      add(
        '/dataset',
        `${from.id} ${isText ? 'reads a corpus, and this is none' : 'takes columns, and this is a corpus'}`,
      );
    return;
  }
  const addHere: Add = (_pointer, detail, expected) => add('/dataset', detail, expected, 'shape_mismatch');
  const finder = new ColumnFinder(dataset.columns, addHere);
  const names = new Set(dataset.columns.map(({ name }) => name));
  for (const input of spec.inputs) {
    // rows may all end earlier here
    if (isPadded(input) && isBehindEnd(input.column, names)) continue;
    const found = finder.find(input.column, '');
    if (found !== null) resolveInput(input, found, '', addHere);
  }
  checkEnds(spec, names, from, addHere);
  const { group_by: groupBy, order_by: orderBy, given_by: givenBy } = spec.split;
  if (spec.evaluate_on !== 'all')
    for (const column of [groupBy, orderBy, givenBy]) if (column !== undefined) finder.find(column, '');
  for (const column of [spec.forecast?.order_by, spec.forecast?.group_by])
    if (column !== undefined) finder.find(column, '');
  for (const { columns, type } of [spec.target, ...spec.more_targets])
    for (const name of columns) {
      const found = finder.find(name, '');
      if (found === null) continue;
      if (type === 'number' ? found.type !== 'number' : found.classes === null)
        addHere('', `"${name}" is ${found.type}, and ${from.id} tells a ${type}`, `a ${type} column`);
    }
  checkPreparation(from, dataset.columns, true, add);
  for (const output of from.preparation.more ?? [])
    checkPreparation({ ...from, preparation: { ...output, inputs: [], inputWidth: 0 } }, dataset.columns, true, add);
}

/** A network has no place for what is behind the longest row that it was trained with. */
function checkEnds(
  { inputs, target, more_targets: more }: JobSpec,
  names: ReadonlySet<string>,
  { id, preparation }: KnownCheckpoint,
  add: Add,
): void {
  const padded = new Set(inputs.filter(isPadded).map(({ column }) => column));
  if (padded.size === 0) return;
  const trained = new Set([...inputs.map(({ column }) => column), ...(preparation.unused ?? [])]);
  for (const { columns } of [target, ...more]) for (const column of columns) trained.add(column);
  const behind = new Set<string>();
  for (const places of findArrays(names).values())
    if (places.some((place) => padded.has(place)))
      for (const place of places) if (!trained.has(place)) behind.add(place);
  if (behind.size > 0)
    add(
      '',
      `${listWords([...behind], 4)}: behind the end of the longest row that ${id} was trained with`,
      'shorter arrays, or a dataset derived without these columns',
    );
}
