import { checkShares } from '../data/check-shares.ts';
import { fitPreparation } from '../data/fit-preparation.ts';
import { loadTable } from '../data/load-table.ts';
import { planPrepared, writePrepared } from '../data/prepare-table.ts';
import { selectRows } from '../data/select-rows.ts';
import { sliceColumns } from '../data/slice-columns.ts';
import { splitRows } from '../data/split-rows.ts';
import { getForm, type Table, UnusableColumnError } from '../data/table.ts';
import { isOfPairs, targetOf } from '../spec/loss.ts';
import type { Preparation } from '../spec/preparation.ts';
import type { Storage } from '../storage/storage.ts';
import { moreTargetsOf } from './build-network.ts';
import { letGo } from './let-go.ts';
import { loadWindows } from './load-windows.ts';
import { joinParts, type LoadedRows, MOST_TRAIN_SAMPLE, sampleRows } from './loaded-rows.ts';
import type { RowsRequest } from './messages.ts';

/** Reads the columns the job needs, splits the rows, and fits the preparation to the training split unless one was fitted before. */
export async function loadRows(data: RowsRequest, storage: Storage): Promise<LoadedRows> {
  const { spec, dataset } = data;
  const { inputs, target } = spec;
  if (target.type === 'next_token') return loadWindows(data, storage);
  const more = moreTargetsOf(spec);
  const sampleWeight = spec.training.sample_weight ?? null;
  const table = await loadTable({ ...dataset, storage, inputs, target, more, sampleWeight });
  const { usable, labels } = selectRows(table, target, more);
  const { train, validation, test } = splitRows({
    rows: usable,
    ...(labels !== undefined && { labels }),
    split: spec.split,
  });
  const weights = sampleWeight === null ? null : readWeights(table, sampleWeight, { train, validation, test });
  const { loss } = spec.training;
  for (const one of [{ ...target, loss }, ...more])
    if (targetOf(one.loss.type) === 'shares') checkShares(table, one, usable);
  const fitted = () =>
    fitPreparation(table, inputs, target, train, dataset.columns, {
      loss: loss.type,
      more,
      ...(isOfPairs(loss) && { dimensions: loss.dimensions }),
    });
  const preparation = data.preparation ?? inherit(fitted, data);
  const plan = planPrepared(preparation);
  const trainSample = sampleRows(train, MOST_TRAIN_SAMPLE);
  const judged = joinParts({ validation, test, trainSample });

  return {
    preparation,
    train,
    validation,
    test,
    trainSample,
    slices: sliceColumns(
      table,
      inputs.map(({ column }) => column),
      judged,
    ),
    classCounts: countClasses(table, preparation, train),
    dropped: table.rows - usable.length,
    description: {
      count: table.rows,
      features:
        plan.features.kind === 'u8'
          ? { element: 'u8', dims: [plan.features.width], scale: plan.features.scale, shift: plan.features.shift }
          : { element: 'f32', dims: [plan.features.width] },
      target: plan.target,
      weighted: weights !== null,
      trainOrder: train.length,
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
      if (weights !== null) trainer.weights.set(weights);
      trainer.evaluationOrder.set(judged);
      letGo(arraysOf(table));
    },
  };
}

/** What a fine-tuning takes over of the preparation that the weights were trained with; the rest is fitted. */
function inherit(fitAnew: () => Preparation, { spec, inherited }: RowsRequest): Preparation {
  const { replace_head: replaceHead = false, refit_inputs: refitInputs = false } = spec.model;
  if (inherited === null) return fitAnew();
  if (!replaceHead && !refitInputs) return inherited;
  const fitted = fitAnew();
  const { inputs, inputWidth } = inherited;
  return {
    ...(replaceHead ? fitted : inherited),
    // of a category each class has its place in what the weights take
    inputs: refitInputs ? inputs.map((known, i) => (known.type === 'category' ? known : fitted.inputs[i]!)) : inputs,
    inputWidth,
  };
}

function* arraysOf({ columns }: Table): Iterable<ArrayBufferView | undefined> {
  for (const { numbers, category, booleans, image } of columns.values())
    yield* [numbers, category?.codes, booleans, image?.bytes];
}

function countClasses(table: Table, { target }: Preparation, rows: Uint32Array): number[] | null {
  if (target.type !== 'category') return null;
  const { codes, classes } = getForm(table, target.column, 'category');
  const counts = new Map<string, number>();
  for (const row of rows) counts.set(classes[codes[row]!]!, (counts.get(classes[codes[row]!]!) ?? 0) + 1);
  return target.classes.map((name) => counts.get(name) ?? 0);
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
