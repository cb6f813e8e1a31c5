import { fitPreparation } from '../data/fit-preparation.ts';
import { loadTable } from '../data/load-table.ts';
import { planPrepared, writePrepared } from '../data/prepare-table.ts';
import { selectRows } from '../data/select-rows.ts';
import { splitRows } from '../data/split-rows.ts';
import type { RowsDescription, Trainer } from '../engine/trainer.ts';
import type { Preparation } from '../spec/preparation.ts';
import type { Storage } from '../storage/storage.ts';
import type { TrainerData } from './messages.ts';

/** The dataset's rows, split and prepared, ready to be written into a trainer's memory. */
export interface LoadedRows {
  preparation: Preparation;
  description: RowsDescription;
  train: Uint32Array;
  validation: Uint32Array;
  test: Uint32Array;
  /** rows left out because their target is missing */
  dropped: number;
  write(trainer: Trainer): void;
}

/** Reads the columns the job needs, splits the rows, and fits the preparation to the training split unless one was fitted before. */
export async function loadRows(data: TrainerData, storage: Storage): Promise<LoadedRows> {
  const { spec, dataset } = data;
  const table = await loadTable({
    format: dataset.format,
    files: dataset.files,
    columns: dataset.columns,
    storage,
    inputs: spec.inputs,
    target: spec.target,
  });
  const { usable, labels } = selectRows(table, spec.target);
  const { train, validation, test } = splitRows({ rows: usable, labels, split: spec.split });
  const preparation = data.preparation ?? fitPreparation(table, spec.inputs, spec.target, train, dataset.columns);
  const plan = planPrepared(preparation);
  const asValues = spec.training.loss.type === 'binary_cross_entropy';

  return {
    preparation,
    train,
    validation,
    test,
    dropped: table.rows - usable.length,
    description: {
      count: table.rows,
      features: {
        ...plan.features,
        dims: [plan.features.width],
        element: plan.features.kind,
      } as RowsDescription['features'],
      target:
        plan.target.kind === 'values'
          ? { kind: 'values', width: plan.target.width }
          : asValues
            ? { kind: 'values', width: 1 }
            : { kind: 'labels' },
      trainOrder: train.length,
      evaluationOrder: validation.length + test.length,
    },
    write(trainer) {
      if (plan.target.kind === 'values') {
        writePrepared(table, preparation, { features: trainer.features, values: trainer.values });
      } else if (asValues) {
        const classes = new Int32Array(table.rows);
        writePrepared(table, preparation, { features: trainer.features, labels: classes });
        trainer.values.set(classes);
      } else {
        writePrepared(table, preparation, { features: trainer.features, labels: trainer.labels });
      }
      trainer.evaluationOrder.set(validation);
      trainer.evaluationOrder.set(test, validation.length);
    },
  };
}
