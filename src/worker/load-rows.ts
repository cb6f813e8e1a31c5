import { fitPreparation } from '../data/fit-preparation.ts';
import { loadTable } from '../data/load-table.ts';
import { planPrepared, writePrepared } from '../data/prepare-table.ts';
import { selectRows } from '../data/select-rows.ts';
import { splitRows } from '../data/split-rows.ts';
import type { Storage } from '../storage/storage.ts';
import { moreTargetsOf } from './build-network.ts';
import { loadWindows } from './load-windows.ts';
import type { LoadedRows } from './loaded-rows.ts';
import type { TrainerData } from './messages.ts';

/** Reads the columns the job needs, splits the rows, and fits the preparation to the training split unless one was fitted before. */
export async function loadRows(data: TrainerData, storage: Storage): Promise<LoadedRows> {
  const { spec, dataset } = data;
  const { inputs, target } = spec;
  if (target.type === 'next_token') return loadWindows(data, storage);
  const more = moreTargetsOf(spec);
  const table = await loadTable({ ...dataset, storage, inputs, target, more });
  const { usable, labels } = selectRows(table, target, more);
  const { train, validation, test } = splitRows({
    rows: usable,
    ...(labels !== undefined && { labels }),
    split: spec.split,
  });
  const loss = spec.training.loss.type;
  const fitted = () => fitPreparation(table, inputs, target, train, dataset.columns, { loss, more });
  const preparation = data.preparation ?? fitted();
  const plan = planPrepared(preparation);

  return {
    preparation,
    train,
    validation,
    test,
    dropped: table.rows - usable.length,
    description: {
      count: table.rows,
      features:
        plan.features.kind === 'u8'
          ? { element: 'u8', dims: [plan.features.width], scale: plan.features.scale, shift: plan.features.shift }
          : { element: 'f32', dims: [plan.features.width] },
      target: plan.target,
      trainOrder: train.length,
      evaluationOrder: validation.length + test.length,
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
      trainer.evaluationOrder.set(validation);
      trainer.evaluationOrder.set(test, validation.length);
    },
  };
}
