import { balanceRows } from '../data/balance-rows.ts';
import { checkShares } from '../data/check-shares.ts';
import { clipTargets, dropOutliers } from '../data/drop-outliers.ts';
import { findLeakage } from '../data/find-leakage.ts';
import { findUnknownClasses } from '../data/find-unknown-classes.ts';
import { fitPreparation, widthOf } from '../data/fit-preparation.ts';
import { dropDuplicates } from '../data/hash-rows.ts';
import { listAbsentSteps, listForms } from '../data/list-forms.ts';
import { loadTable } from '../data/load-table.ts';
import { planPrepared, writePrepared } from '../data/prepare-table.ts';
import { selectRows } from '../data/select-rows.ts';
import { sliceColumns } from '../data/slice-columns.ts';
import type { SplitRows } from '../data/split-by-column.ts';
import { openShuffle, splitRows } from '../data/split-rows.ts';
import { arraysOf, getForm, type Table, UnusableColumnError } from '../data/table.ts';
import { writeCrossFitted } from '../data/target-encoding.ts';
import { seedOf } from '../engine/random.ts';
import { furtherTargets } from '../spec/further-targets.ts';
import type { Input } from '../spec/input.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import { isOfPairs, targetOf } from '../spec/loss.ts';
import type { Note } from '../spec/note.ts';
import type { Preparation, PreparedInput } from '../spec/preparation.ts';
import { countOf } from '../spec/show-count.ts';
import type { Split } from '../spec/split.ts';
import type { Storage } from '../storage/storage.ts';
import { BatchAugmenter } from './augment-batch.ts';
import { chooseJudged, withoutColumns } from './judged-rows.ts';
import { letGo, sizeOf } from './let-go.ts';
import { loadForecast } from './load-forecast.ts';
import { loadWindows } from './load-windows.ts';
import { joinParts, type LoadedRows, MOST_TRAIN_SAMPLE, sampleRows } from './loaded-rows.ts';
import type { RowsRequest } from './messages.ts';

/** Reads the columns the job needs, splits the rows, and fits the preparation to the training split unless one was fitted before. */
export async function loadRows(data: RowsRequest, storage: Storage): Promise<LoadedRows> {
  const { spec, dataset } = data;
  const { inputs, target } = spec;
  if (target.type === 'next_token') return loadWindows(data, storage);
  // specs from before there were forecasts have no such field
  if ((spec.forecast ?? null) !== null) return loadForecast(data, storage);
  const more = furtherTargets(spec);
  const sampleWeight = spec.training.sample_weight ?? null;
  const judgedAs = spec.kind === 'evaluate' ? (spec.evaluate_on ?? 'all') : undefined;
  const forms = listForms(inputs, judgedAs === 'all' ? withoutColumns(spec.split) : spec.split, dataset.columns);
  const columns = [...dataset.columns, ...listAbsentSteps(inputs, dataset.columns)];
  const table = await loadTable({ ...dataset, columns, storage, inputs: forms, target, more, sampleWeight });
  const { usable, labels } = selectRows(table, target, more);
  const used = [...inputs.map(({ column }) => column), ...[target, ...more].flatMap(({ columns }) => columns)];
  const rows = spec.split.duplicates === 'drop' ? dropDuplicates(table, used, usable) : usable;
  const none = new Uint32Array(0);
  const split =
    judgedAs === 'all'
      ? { train: none, validation: none, test: rows }
      : splitRows({ rows, ...(labels !== undefined && { labels }), split: spec.split, table });
  const { validation, test } = judgedAs === undefined ? split : chooseJudged(judgedAs, split);
  const targets = [target, ...more];
  const fitted = dropOutliers(table, inputs, targets, split.train);
  const clipped = judgedAs === undefined ? clipTargets(table, targets, split.train) : 0;
  const { balance = 'none', seed } = spec.split;
  const train =
    labels === undefined || judgedAs !== undefined ? fitted : balanceRows(fitted, labels, balance, openShuffle(seed));
  const inParts = split.train.length + split.validation.length + split.test.length;
  const notes: Note[] = [
    ...countLeftOut('dropped_rows', table.rows - usable.length, 'without a target'),
    ...countLeftOut('dropped_duplicates', usable.length - rows.length, 'like an earlier one'),
    ...countLeftOut('dropped_parts', rows.length - inParts, 'that the split gives no part'),
    ...(judgedAs === undefined
      ? [
          ...countLeftOut(
            'dropped_outliers',
            split.train.length - fitted.length,
            'of the training split with outliers',
          ),
          ...noteSmallParts(spec.split, split),
        ]
      : []),
    ...(clipped === 0
      ? []
      : [
          {
            code: 'clipped_targets',
            message: `Clipped: ${countOf(clipped, 'target')} of the training split.`,
            data: { clipped },
          },
        ]),
    ...(judgedAs === undefined
      ? findLeakage(table, inputs, target, split, { split: spec.split, columns: dataset.columns })
      : []),
  ];
  const weights = sampleWeight === null ? null : readWeights(table, sampleWeight, { train, validation, test });
  const { loss } = spec.training;
  for (const one of [{ ...target, loss }, ...more])
    if (targetOf(one.loss.type) === 'shares') checkShares(table, one, usable);
  const fitAnew = () =>
    fitPreparation(table, inputs, target, fitted, dataset.columns, {
      loss: loss.type,
      more,
      ...(isOfPairs(loss) && { dimensions: loss.dimensions }),
    });
  const preparation = data.preparation ?? inherit(fitAnew, data);
  if (judgedAs !== undefined)
    notes.push(...findUnknownClasses(table, preparation.inputs, test.length > 0 ? test : validation));
  const plan = planPrepared(preparation);
  const trainSample = judgedAs === undefined ? sampleRows(train, MOST_TRAIN_SAMPLE) : new Uint32Array(0);
  const judged = joinParts({ validation, test, trainSample });

  const augmentation = judgedAs === undefined ? openAugmentation(table, inputs, preparation, train, spec) : null;

  return {
    preparation,
    readBytes: sizeOf(arraysOf(table)),
    ...(augmentation !== null && { augmentation }),
    train,
    validation,
    test,
    trainSample,
    ...(judgedAs !== undefined && { judgedAs }),
    slices: sliceColumns(table, inputs, judged),
    classCounts: countClasses(table, preparation, train),
    notes,
    description: {
      count: table.rows,
      features:
        plan.features.kind === 'u8'
          ? { element: 'u8', dims: [plan.features.width], scale: plan.features.scale, shift: plan.features.shift }
          : { element: 'f32', dims: [plan.features.width] },
      target: plan.target,
      weighted: weights !== null,
      // of a judged checkpoint nothing is trained
      trainOrder: judgedAs === undefined ? train.length : 1,
      evaluationOrder: judged.length,
    },
    write(trainer) {
      const { features } = trainer;
      writePrepared(table, preparation, {
        features,
        ...(plan.target.kind === 'labels' ? { labels: trainer.labels } : { values: trainer.values }),
        more: plan.more.map(({ kind }, i) =>
          kind === 'labels' ? { labels: trainer.headLabels(i) } : { values: trainer.headValues(i) },
        ),
      });
      // a fine-tuning's means are those of other rows
      if (spec.model.from === null) {
        const place = { values: features, width: preparation.inputWidth };
        placeInputs(inputs, preparation).forEach(({ input, offset }) => {
          if (input.encoding === 'target')
            writeCrossFitted(table, input, preparation, fitted, seed, { ...place, offset });
        });
      }
      if (weights !== null) trainer.weights.set(weights);
      trainer.evaluationOrder.set(judged);
      const kept = augmentation?.attach(trainer, plan.target);
      letGo(arraysOf(table).filter((array) => array !== kept));
    },
  };
}

/** What a fine-tuning takes over of the preparation that the weights were trained with; the rest is fitted. */
function inherit(fitAnew: () => Preparation, { spec, inherited }: RowsRequest): Preparation {
  const { replace_head: replaceHead = false, refit_inputs: refitInputs = false } = spec.model;
  if (inherited === null) return fitAnew();
  // what is judged is judged with what it was trained with
  if (spec.kind === 'evaluate' || (!replaceHead && !refitInputs)) return inherited;
  const fitted = fitAnew();
  const { inputs, inputWidth } = inherited;
  const refit = (known: PreparedInput, own: PreparedInput) => {
    // of all others, each class or word has its place in what the weights take
    const isScaled = own.type === known.type && (known.type === 'number' || known.type === 'image');
    return isScaled && widthOf(own) === widthOf(known) ? own : known;
  };
  return {
    ...(replaceHead ? fitted : inherited),
    inputs: refitInputs ? inputs.map((known, i) => refit(known, fitted.inputs[i]!)) : inputs,
    inputWidth,
  };
}

function openAugmentation(
  table: Table,
  inputs: readonly Input[],
  preparation: Preparation,
  train: Uint32Array,
  { training }: JobSpec,
): BatchAugmenter | null {
  const found = placeInputs(inputs, preparation).find(({ input }) => input.augment !== undefined);
  if (found === undefined) return null;
  const prepared = preparation.inputs.find(({ column }) => column === found.input.column);
  if (prepared?.type !== 'image') throw new Error('what is augmented is an image');
  const place = { offset: found.offset, width: preparation.inputWidth };
  const { bytes } = getForm(table, prepared.column, 'image');
  return new BatchAugmenter(found.input.augment!, bytes, prepared, place, train, seedOf(training.seed));
}

/** Where each input's numbers begin in a row. */
function placeInputs(inputs: readonly Input[], preparation: Preparation): { input: Input; offset: number }[] {
  let offset = 0;
  return inputs.map((input, i) => {
    const placed = { input, offset };
    offset += widthOf(preparation.inputs[i]!);
    return placed;
  });
}

/** Figures of fewer rows say little. */
const FEW_ROWS = 10;

/** Whole groups may leave a part none, and so may few rows. */
function noteSmallParts(asked: Split, split: SplitRows): Note[] {
  return (['validation', 'test'] as const)
    .filter((part) => asked[part] > 0 && split[part].length < FEW_ROWS)
    .map((part) => {
      const { length: rows } = split[part];
      if (rows > 0) {
        const message = `The ${part} split has ${countOf(rows, 'row')}: its figures say next to nothing. More rows, or a cross-validation, say more.`;
        return { code: `few_${part}`, message, data: { part, rows } };
      }
      const held = asked.group_by === undefined ? 'rows' : `groups of "${asked.group_by}"`;
      const message = `There are too few ${held} for a ${part} split of ${asked[part]}: nothing is held out for it. A larger split.${part} takes some.`;
      return { code: `empty_${part}`, message, data: { part } };
    });
}

function countLeftOut(code: string, rows: number, which: string): Note[] {
  return rows === 0 ? [] : [{ code, message: `Left out: ${countOf(rows, 'row')} ${which}.`, data: { rows } }];
}

function countClasses(table: Table, { target }: Preparation, rows: Uint32Array): number[] | null {
  if (target.type !== 'category') return null;
  const { codes, classes } = getForm(table, target.column, 'category');
  const counts = new Uint32Array(classes.length);
  for (let i = 0; i < rows.length; i++) counts[codes[rows[i]!]!]!++;
  const byName = new Map(classes.map((name, code) => [name, counts[code]!]));
  return target.classes.map((name) => byName.get(name) ?? 0);
}

/** What each row counts for; rows of no split may have no number. Throws UnusableColumnError where a split counts for nothing. */
function readWeights(table: Table, column: string, splits: Record<string, Uint32Array>): Float64Array {
  const weights = getForm(table, column, 'numbers');
  for (const [name, rows] of Object.entries(splits)) {
    const sum = rows.reduce((total, row) => total + weights[row]!, 0);
    if (rows.length > 0 && !(sum > 0))
      throw new UnusableColumnError(column, `gives no row of the ${name} split a weight above 0`);
  }
  return weights;
}
