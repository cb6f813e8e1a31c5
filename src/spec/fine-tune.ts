import { isDeepStrictEqual } from 'node:util';
import type { Column } from './dataset.ts';
import type { Add, Draft } from './draft.ts';
import { fillDefaults } from './expand-request.ts';
import { isObject } from './is-object.ts';
import type { JobSpec } from './job-spec.ts';
import { pointerTo } from './mistake.ts';
import type { Preparation } from './preparation.ts';
import { listWords } from './suggest.ts';
import { Mapping, type TensorEntry } from './weights.ts';

/** Training that goes on from a checkpoint of another job. */

/** The checkpoint, or the version of a model, that a fine-tuning starts from. */
export interface KnownCheckpoint {
  /** `ckpt_…` or `models/digits@3` */
  id: string;
  spec: JobSpec;
  /** what its weights were trained with: the fine-tuning goes on with the same */
  preparation: Preparation;
}

/** Weights that a client uploaded: nothing is known of them but their tensors. */
export interface KnownWeights {
  id: string;
  tensors: readonly TensorEntry[];
}

/** What stands for weights whose spec is known. */
export const REFERENCE = 'the id of a checkpoint, or models/<name>@<version or alias>';

export const isUpload = (reference: unknown): reference is string =>
  typeof reference === 'string' && reference.startsWith('wts_');

export function checkKind(spec: Draft, from: KnownCheckpoint | null, weights: KnownWeights | null, add: Add): void {
  const { model } = spec;
  if (!isUpload(model.from)) {
    if (model.mapping != null)
      add('/model/mapping', 'names and shapes are known of all but uploaded weights', 'null, or model.from wts_…');
    model.mapping = null;
  } else {
    model.mapping ??= fillDefaults(Mapping, {});
    if (weights === null) add('/model/from', `There are no weights ${model.from}.`, 'the id of uploaded weights');
    if (model.refit_inputs) add('/model/refit_inputs', 'uploaded weights come with no preparation of inputs', 'false');
  }
  if (spec.kind === 'fine_tune' && spec.model.from === null) {
    add('/model/from', 'fine-tuning starts from a checkpoint', `${REFERENCE}, or of uploaded weights`);
  } else if (spec.kind === 'train' && spec.model.from !== null) {
    add('/kind', 'a job that starts from a checkpoint is a fine-tuning', 'fine_tune');
  }
  for (const field of ['replace_head', 'refit_inputs'])
    if (spec.model.from === null && spec.model[field])
      add(`/model/${field}`, 'only a fine-tuning has something to keep or to replace', 'false, or model.from');
  if (from === null && model.from !== null && !isUpload(model.from))
    add('/model/from', describeMissing(model.from), REFERENCE);
}

export function describeMissing(reference: string): string {
  return `There is no ${reference.startsWith('models/') ? 'version of a model' : 'checkpoint'} ${reference}.`;
}

/**
 * Fine-tuning keeps what the weights were trained with: columns, target, layers, loss. What is given as well must be the same. With a head made anew,
 * target, loss and output are the job's own, the checkpoint's target where it says none.
 */
export function inherit(spec: Draft, { id, spec: parent }: KnownCheckpoint, add: Add): void {
  // of a model, the version that its name meant when the job was posted
  spec.model.from = id;
  const take = (holder: Draft, key: string, value: unknown, pointer: string) =>
    takeOver(holder, key, value, pointer, id, add);
  take(spec, 'inputs', parent.inputs, '/inputs');
  // specs from before there were forecasts have no such field
  const { forecast = null } = parent;
  if (spec.forecast !== null) checkSame(spec.forecast, forecast, '/forecast', id, add);
  spec.forecast = structuredClone(forecast);
  if (forecast !== null)
    for (const field of ['replace_head', 'refit_inputs'])
      if (spec.model[field]) add(`/model/${field}`, 'a forecast goes on with what it was fitted to', 'false');
  if (spec.model.replace_head) {
    const both = spec.target?.columns.find((name: string) => parent.inputs.some(({ column }) => column === name));
    if (both !== undefined) add('/target', `"${both}" is an input of ${id}`, 'a column that it does not take');
    if (spec.target === undefined || both !== undefined) spec.target = { columns: [...parent.target.columns] };
    const { output, layers } = parent.model;
    // where the last layer is the output itself, an output layer takes its place
    take(spec.model, 'layers', output === null ? layers.slice(0, -1) : layers, '/model/layers');
    const inputs = (output ?? layers.at(-1)!).inputs;
    if (spec.model.output === null)
      add('/model/output', 'a head made anew is an output layer', 'an object, or nothing');
    else spec.model.output = { inputs, ...spec.model.output };
    return;
  }
  take(spec, 'target', parent.target, '/target');
  take(spec.model, 'layers', parent.model.layers, '/model/layers');
  take(spec.model, 'output', parent.model.output, '/model/output');
  take(spec.training, 'loss', parent.training.loss, '/training/loss');
}

/** What a checkpoint has is taken over; what is given as well must be the same. */
export function takeOver(holder: Draft, key: string, value: unknown, pointer: string, id: string, add: Add): void {
  const own = holder[key];
  if (own !== undefined) checkSame(own, value, pointer, id, add);
  holder[key] = structuredClone(value);
}

/** Whether everything `own` says is said by `other` too; the first that is not is a mistake, which shows what a number, a word or a flag must be. */
export function checkSame(own: unknown, other: unknown, pointer: string, id: string, add: Add): boolean {
  const areLists = Array.isArray(own) && Array.isArray(other);
  if (areLists ? own.length === other.length : isObject(own) && isObject(other))
    return Object.entries(own as object).every(
      ([key, value]) =>
        value === undefined ||
        checkSame(value, (other as Record<string, unknown>)[key], pointerTo(pointer, key), id, add),
    );
  if (isDeepStrictEqual(own, other)) return true;
  const isShort = other !== undefined && (typeof other !== 'object' || other === null);
  add(pointer, `must be as ${id} has it, or be left out`, isShort ? JSON.stringify(other) : null, 'shape_mismatch');
  return false;
}

/** Whether the dataset has what the checkpoint's preparation was fitted to: images of the same shape, and no class that it does not know. */
export function checkPreparation(
  { id, preparation }: KnownCheckpoint,
  columns: readonly Column[],
  keepsHead: boolean,
  add: Add,
): void {
  const byName = new Map(columns.map((column) => [column.name, column]));
  for (const input of preparation.inputs) {
    const shape = byName.get(input.column)?.shape;
    if (input.type === 'image' && shape != null && !isDeepStrictEqual(shape, input.shape)) {
      const detail = `the images of "${input.column}" are ${shape.join(' × ')}, and ${id} takes ${input.shape.join(' × ')}`;
      add('/dataset', detail, `images of ${input.shape.join(' × ')}`, 'shape_mismatch');
    }
  }
  const { target } = preparation;
  if (target.type !== 'category' || !keepsHead) return;
  const known = new Set(target.classes);
  const strange = byName.get(target.column)?.classes?.find(({ value }) => !known.has(value));
  if (strange !== undefined) {
    const detail = `"${target.column}" has the class ${JSON.stringify(strange.value)}, which ${id} does not know`;
    const expected = `classes among: ${listWords(target.classes)}; a dataset derived by a filter leaves out others, and a fine-tuning with model.replace_head learns them`;
    add('/dataset', detail, expected);
  }
}
