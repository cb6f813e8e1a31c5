import type { Column } from './dataset.ts';
import type { Add } from './draft.ts';
import type { Forecast } from './forecast.ts';
import { type Input, isPadded } from './input.ts';
import { sizeOf } from './layers/rule.ts';
import { pointerTo } from './mistake.ts';
import type { Layer } from './model.ts';
import { groupByInput, type ModelInput } from './model-shapes.ts';
import type { Preparation } from './preparation.ts';
import { widthOf } from './resolve-columns.ts';

/** What layers find under the names of the model's inputs. */

/** `known`: what a checkpoint was trained with; it goes on with the same widths. */
export function listModelInputs(
  inputs: readonly Input[],
  columns: readonly Column[],
  known: Preparation | undefined,
  forecast: Forecast | null,
): ModelInput[] {
  const groups = groupByInput(inputs);
  if (forecast !== null) {
    const rowWidth = known?.forecast?.rowWidth ?? widthOf(inputs, columns);
    const dims = [forecast.window, rowWidth];
    return [{ name: inputs[0]!.into, width: sizeOf(dims), dims }];
  }
  return [...groups].map(([name, members]) => {
    const width = known !== undefined && groups.size === 1 ? known.inputWidth : widthOf(members, columns);
    const image = members.length === 1 ? columns.find((c) => c.name === members[0]!.column)?.shape : null;
    return { name, width, dims: image ?? null };
  });
}

/** Different indices in columns that are taken by index, counting 0 for what is missing; null where others are among them. */
export function countIndices(members: readonly Input[], columns: readonly Column[]): number | null {
  if (members.length === 0 || members.some(({ encoding }) => encoding !== 'index' && encoding !== 'hash_index'))
    return null;
  const counts = members.map(({ column, type, encoding, buckets = 0, vocabulary = 0, min_count, max_classes }) => {
    // a text has a padding and an unknown token, too
    if (type === 'text') return 2 + vocabulary;
    if (encoding === 'hash_index') return 1 + buckets;
    const others = min_count === undefined && max_classes === undefined ? 0 : 1;
    return 1 + others + (columns.find((c) => c.name === column)?.classes?.length ?? 0);
  });
  return Math.max(...counts);
}

/** Encodings that may be whole numbers. */
const WHOLE: readonly Input['encoding'][] = ['index', 'hash_index', 'values'];

/** An embedding takes whole numbers: scaled or one-hot ones would all look up the same rows, and nothing would be learnt. */
export function checkEmbeddings(
  layers: readonly Layer[],
  inputs: readonly Input[],
  columns: readonly Column[],
  add: Add,
): void {
  const groups = groupByInput(inputs);
  layers.forEach((layer, i) => {
    const members = layer.type === 'embedding' ? groups.get(layer.inputs[0] ?? '') : undefined;
    if (layer.type !== 'embedding' || members === undefined) return;
    const at = pointerTo('/model/layers', i);
    const other = members.find(({ encoding, normalize }) => !WHOLE.includes(encoding) || normalize !== 'none');
    if (other !== undefined) {
      const isScaled = WHOLE.includes(other.encoding);
      const how = isScaled ? `scaled (${other.normalize})` : other.encoding.replaceAll('_', '-');
      add(
        `${at}/inputs`,
        `an embedding takes indices; "${other.column}" is ${how}`,
        isScaled ? 'normalize "none" for that column' : 'encoding "index" for that column',
      );
    }
    const needed = countIndices(members, columns);
    if (needed !== null && layer.vocabulary < needed)
      add(
        `${at}/vocabulary`,
        `the column has ${needed - 1} classes, and index 0 is what is missing: ${layer.vocabulary} rows are too few`,
        `at least ${needed}`,
      );
  });
}

/** What is missing as padding is a number that only a masking layer knows: any other would take it for a value. */
export function checkPadding(layers: readonly Layer[], inputs: readonly Input[], add: Add): void {
  for (const [name, members] of groupByInput(inputs)) {
    const first = members.find(isPadded);
    const other = members.find((member) => !isPadded(member));
    if (first === undefined) continue;
    if (other !== undefined)
      add(
        `${pointerTo('/inputs', inputs.indexOf(other))}/impute`,
        `a step is padding where all of it is; beside "${other.column}" stands "${first.column}", whose missing values are padding`,
        'padding, or another model input (`into`)',
      );
    const unmasked = new Set([name]);
    layers.forEach((layer, i) => {
      if (layer.type === 'masking' || !layer.inputs.some((input) => unmasked.has(input))) return;
      if (layer.type === 'reshape') unmasked.add(layer.name);
      else
        add(
          `${pointerTo('/model/layers', i)}/inputs`,
          `${layer.type} would take padding of "${first.column}" for a number`,
          'reshape to [steps, width], then masking without a value, before it',
        );
    });
  }
}
