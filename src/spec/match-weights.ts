import type { Add } from './draft.ts';
import type { KnownWeights } from './fine-tune.ts';
import type { JobSpec } from './job-spec.ts';
import type { ParameterRule, Size } from './layers/rule.ts';
import { isAdapter, isReplaced } from './lora.ts';
import { matchesPattern, matchStars } from './matches-pattern.ts';
import { pointerTo } from './mistake.ts';
import { didYouMean, listWords } from './suggest.ts';
import { type ParameterForm, torchForm } from './torch-form.ts';
import type { Mapping, TensorEntry, Transfer } from './weights.ts';

/** Which of the tensors that were uploaded belong to which parameters of a model. */

/** Others, such as counters of batches, are no weights. */
const FLOATING = ['F32', 'F64', 'F16', 'BF16'];

export interface Match {
  parameter: string;
  form: ParameterForm;
  /** by their names in the file, in the order of the form's */
  tensors: string[];
}

/** Adapters, and a head that is made anew, take nothing. */
export function matchWeights(
  spec: JobSpec,
  parameters: readonly Pick<ParameterRule, 'name' | 'dims'>[],
  tensors: readonly TensorEntry[],
): { matches: Match[]; transfer: Transfer } {
  const mapping = spec.model.mapping!;
  const types = new Map<string, string>(spec.model.layers.map(({ name, type }) => [name, type]));
  const wanted = parameters
    .filter(({ name }) => !isAdapter(name) && !isReplaced(spec, name))
    .map(({ name, dims }) => ({ name, dims, form: formOf(name, dims, types, mapping) }));
  const found =
    mapping.by === 'order'
      ? findByOrder(
          wanted.map(({ form }) => form),
          tensors,
        )
      : nameTensors(tensors, mapping);
  const transfer: Transfer = { matched: [], misfits: [], missing: [], unused: [] };
  const matches: Match[] = [];
  const used = new Set<TensorEntry>();
  for (const { name, dims, form } of wanted) {
    const own = form.tensors.map((tensor) => found.get(tensor.name));
    const missing = own.some((tensor) => tensor === undefined);
    if (missing) {
      transfer.missing.push(name);
      continue;
    }
    const entries = own as TensorEntry[];
    for (const entry of entries) used.add(entry);
    const wrong = entries.findIndex((entry, i) => !fits(entry, form.tensors[i]!.shape));
    if (wrong >= 0) {
      const { name: tensor, shape } = entries[wrong]!;
      transfer.misfits.push({ parameter: name, tensor, expected: [...form.tensors[wrong]!.shape], shape });
      continue;
    }
    const names = entries.map((entry) => entry.name);
    matches.push({ parameter: name, form, tensors: names });
    transfer.matched.push({ parameter: name, tensors: names, shape: [...dims] });
  }
  transfer.unused = tensors.filter((tensor) => !used.has(tensor)).map(({ name }) => name);
  return { matches, transfer };
}

/** An adapter that was uploaded has, in its shapes, all that is trained, and nothing else. `weights`: null where there are none. */
export function checkAdapter(
  spec: JobSpec,
  parameters: readonly Pick<ParameterRule, 'name' | 'dims'>[],
  weights: KnownWeights | null,
  add: Add,
): void {
  const reference = spec.model.lora?.from ?? null;
  if (reference === null) return;
  const at = '/model/lora/from';
  if (weights === null) {
    add(at, `There are no weights ${reference}.`, 'the id of uploaded weights');
    return;
  }
  const trained = parameters.filter(({ name }) => isAdapter(name) || isReplaced(spec, name));
  const names = trained.map(({ name }) => name);
  const running = parameters.map(({ name }) => name).filter(isRunning);
  const found = new Map(weights.tensors.map((tensor) => [tensor.name, tensor]));
  for (const { name, dims } of trained) {
    const tensor = found.get(name);
    const expected = `(${dims.map((size) => size ?? '?').join(', ')})`;
    if (tensor === undefined) add(at, `${reference} has no ${name}`, expected, 'shape_mismatch');
    else if (!fits(tensor, dims))
      add(
        at,
        describeMisfit({ parameter: name, tensor: name, expected: [...dims], shape: tensor.shape }),
        expected,
        'shape_mismatch',
      );
  }
  const strange = [...found.keys()].filter((name) => !names.includes(name) && !running.includes(name));
  if (strange.length > 0)
    add(
      at,
      `${listWords(strange)}: not trained here`,
      `${listWords(names)}; as rank, targets and replace_head were`,
      'shape_mismatch',
    );
}

/** Means and variances of batches move with adapters, and are no parameters. */
export function isRunning(name: string): boolean {
  return /\.running_(mean|variance)$/.test(name);
}

/** Whether every size that is known is the tensor's. */
function fits({ dtype, shape }: TensorEntry, expected: readonly Size[]): boolean {
  return (
    FLOATING.includes(dtype) &&
    shape.length === expected.length &&
    expected.every((size, i) => size === null || size === shape[i])
  );
}

function formOf(
  name: string,
  dims: readonly Size[],
  types: ReadonlyMap<string, string>,
  { layout }: Mapping,
): ParameterForm {
  if (layout === 'torch') return torchForm(name, types.get(name.slice(0, name.indexOf('.'))) ?? 'dense', dims);
  return { tensors: [{ name, shape: dims, order: dims.map((_, i) => i) }], first: 0, added: null };
}

function nameTensors(tensors: readonly TensorEntry[], { rename }: Mapping): Map<string, TensorEntry> {
  const named = new Map<string, TensorEntry>();
  for (const tensor of tensors) {
    const name = renameTensor(tensor.name, rename);
    // a name of its own goes before one that was given
    if (!named.has(name) || name === tensor.name) named.set(name, tensor);
  }
  return named;
}

/** Each tensor that is wanted gets the next in the file that fits. */
function findByOrder(forms: readonly ParameterForm[], tensors: readonly TensorEntry[]): Map<string, TensorEntry> {
  const named = new Map<string, TensorEntry>();
  let next = 0;
  for (const { name, shape } of forms.flatMap((form) => form.tensors)) {
    if (named.has(name)) continue;
    let at = next;
    while (at < tensors.length && !fits(tensors[at]!, shape)) at++;
    if (at === tensors.length) continue;
    named.set(name, tensors[at]!);
    next = at + 1;
  }
  return named;
}

/** The first pattern that fits has the name. */
export function renameTensor(name: string, rename: Mapping['rename']): string {
  for (const { from, to } of rename) {
    const stood = matchStars(name, from);
    if (stood === null) continue;
    let star = 0;
    return to.replaceAll('*', () => stood[star++] ?? '');
  }
  return name;
}

function checkRename({ by, rename }: Mapping, tensors: readonly string[], add: Add): void {
  if (by === 'order' && rename.length > 0)
    add('/model/mapping/rename', 'names mean nothing where tensors are taken in their order', '[], or by "name"');
  rename.forEach(({ from, to }, i) => {
    const at = pointerTo('/model/mapping/rename', i);
    if (!tensors.some((name) => matchesPattern(name, from)))
      add(
        `${at}/from`,
        `"${from}" fits no tensor.${didYouMean(from, tensors)}`,
        `one of: ${listWords(tensors)}, with * for any characters`,
      );
    if (to.split('*').length > from.split('*').length)
      add(`${at}/to`, 'has more * than what it is made from', 'at most as many as in `from`');
  });
}

const SHOWN = 5;

/** Says where nothing, or with `strict` not all, comes of what was uploaded. */
export function checkTransfer(
  { model }: JobSpec,
  { matched, misfits, missing, unused }: Transfer,
  parameters: readonly Pick<ParameterRule, 'name'>[],
  tensors: readonly TensorEntry[],
  add: Add,
): void {
  const mapping = model.mapping!;
  const names = parameters.map(({ name }) => name);
  checkRename(
    mapping,
    tensors.map(({ name }) => name),
    add,
  );
  if (matched.length === 0)
    add(
      '/model/mapping',
      `none of the tensors fits a parameter: ${listWords(unused.slice(0, SHOWN))}${misfits.length > 0 ? `; ${describeMisfit(misfits[0]!)}` : ''}`,
      `names and shapes of parameters: ${listWords(names)}; or mapping.rename, mapping.by, mapping.layout`,
      'shape_mismatch',
    );
  else if (mapping.strict && misfits.length + missing.length + unused.length > 0) {
    const problems = [
      ...misfits.slice(0, SHOWN).map(describeMisfit),
      ...(missing.length > 0 ? [`no tensor for ${listWords(missing.slice(0, SHOWN))}`] : []),
      ...(unused.length > 0 ? [`no parameter for ${listWords(unused.slice(0, SHOWN))}`] : []),
    ];
    add('/model/mapping/strict', problems.join('; '), 'false, or names and shapes that fit', 'shape_mismatch');
  }
}

function describeMisfit({ parameter, tensor, expected, shape }: Transfer['misfits'][number]): string {
  return `${tensor} is (${shape.join(', ')}) and ${parameter} takes (${expected.map((n) => n ?? '?').join(', ')}) in floating point`;
}
