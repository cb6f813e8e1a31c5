import type { Choose } from './choice.ts';
import type { Add, Draft } from './draft.ts';
import { fillDefaults } from './expand-request.ts';
import { NAME } from './layers/fields.ts';
import { Loss } from './loss.ts';
import { pointerTo } from './mistake.ts';
import { type ColumnFinder, type ResolvedTarget, resolveTarget } from './resolve-columns.ts';

/** Names that stand for the first target, and for all together. */
const TAKEN = ['target', 'all'];

/** Fills in columns, name and loss of each further target; `rows`: of the dataset. null where a column is missing. */
export function resolveMoreTargets(
  spec: Draft,
  rows: number,
  finder: ColumnFinder,
  add: Add,
  choose: Choose,
): ResolvedTarget[] | null {
  const given = spec.more_targets as Draft[];
  const columns = new Set<string>(spec.target.columns);
  const reserved = [...TAKEN, ...spec.target.columns];
  const names = new Set<string>([...reserved, ...given.flatMap(({ name }) => name ?? [])]);
  const seen = new Set<string>(reserved);
  const all = given.map((target, i) => {
    const at = pointerTo('/more_targets', i);
    for (const [c, column] of (target.columns as string[]).entries()) {
      if (columns.has(column)) add(`${at}/columns/${c}`, `"${column}" is a target already`, 'each column once');
      columns.add(column);
    }
    const found = resolveTarget(target, { loss: target.loss?.type, rows, isSeries: false, at }, finder, add, choose);
    target.name ??= nameOf(target.columns, i, names);
    names.add(target.name);
    if (seen.has(target.name)) add(`${at}/name`, `"${target.name}" is taken`, 'a name that no other target has');
    seen.add(target.name);
    if (found === null) return null;
    Object.assign(target, found.resolved);
    target.loss ??= fillDefaults(Loss, { type: found.classes === null ? 'mse' : 'cross_entropy' });
    return found;
  });
  return all.every((one) => one !== null) ? all : null;
}

function nameOf([column, ...others]: readonly string[], i: number, taken: ReadonlySet<string>): string {
  const fits = others.length === 0 && column!.length <= 64 && new RegExp(NAME).test(column!) && !taken.has(column!);
  if (fits) return column!;
  let number = i + 2;
  while (taken.has(`target_${number}`)) number += 1;
  return `target_${number}`;
}
