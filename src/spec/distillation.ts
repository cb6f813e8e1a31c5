import { isDeepStrictEqual } from 'node:util';
import { isSearch } from './check-search.ts';
import type { Column } from './dataset.ts';
import type { Add, Draft } from './draft.ts';
import { checkPreparation, describeMissing, type KnownCheckpoint, REFERENCE, takeOver } from './fine-tune.ts';

/** Training that also learns what another network tells. */

/** Losses of numbers as they are, for which a teacher's answers are targets like any others. */
const OF_NUMBERS = ['mse', 'mae', 'huber', 'log_cosh', 'quantile'];

/** The job takes inputs and target as its teacher does; says what does not go with one. */
export function followTeacher(
  spec: Draft,
  teacher: KnownCheckpoint | null,
  from: KnownCheckpoint | null,
  columns: readonly Column[],
  add: Add,
): void {
  const { distillation } = spec.training;
  if (distillation === null) return;
  const at = '/training/distillation';
  if (teacher === null) {
    add(`${at}/teacher`, describeMissing(distillation.teacher), REFERENCE);
    return;
  }
  distillation.teacher = teacher.id;
  const { spec: parent, preparation } = teacher;
  // specs from before there were forecasts have no such field
  if (parent.target.type === 'next_token' || (parent.forecast ?? null) !== null) {
    add(
      `${at}/teacher`,
      'a teacher of texts or forecasts is not followed here',
      'a checkpoint for a category or for numbers that each row tells',
    );
    return;
  }
  takeOver(spec, 'inputs', parent.inputs, '/inputs', teacher.id, add);
  takeOver(spec, 'target', parent.target, '/target', teacher.id, add);
  checkPreparation(teacher, columns, true, add);
  if (spec.more_targets.length > 0 || (preparation.more ?? []).length > 0)
    add('/more_targets', 'a teacher tells one target', 'none, for the job and for its teacher');
  for (const field of ['replace_head', 'refit_inputs'])
    if (spec.model[field]) add(`/model/${field}`, 'inputs and target are taken as the teacher takes them', 'false');
  if (from !== null && !spec.model.replace_head && !spec.model.refit_inputs && !isPreparedAlike(from, teacher))
    add(`${at}/teacher`, `takes its inputs in another way than ${from.id}`, 'a teacher with the same preparation');
}

function isPreparedAlike(a: KnownCheckpoint, b: KnownCheckpoint): boolean {
  return isDeepStrictEqual(a.preparation, b.preparation);
}

/** Once the job's loss and optimizer are known. */
export function checkTeaching({ training }: Draft, teacher: KnownCheckpoint | null, add: Add): void {
  if (training.distillation === null || teacher === null) return;
  const { loss } = training;
  const told = teacher.spec.training.loss.type;
  const isOfClasses = loss.type === 'cross_entropy' && told === 'cross_entropy';
  if (!isOfClasses && !(OF_NUMBERS.includes(loss.type) && OF_NUMBERS.includes(told)))
    add(
      '/training/loss',
      `${loss.type} cannot follow a teacher that was trained with ${told}`,
      `cross_entropy for both, or for both one of: ${OF_NUMBERS.join(', ')}`,
    );
  if (isSearch(training.optimizer))
    add('/training/distillation', `${training.optimizer.type} looks at the targets’ loss alone`, 'another optimizer');
  for (const field of ['class_weights', 'ignore_class'])
    if (loss[field] != null)
      add(`/training/loss/${field}`, 'what the teacher tells counts for every row alike', 'null, or no distillation');
}
