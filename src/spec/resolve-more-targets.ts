import type { Add, Draft } from './draft.ts';
import type { Target } from './job.ts';
import { NAME } from './layers/fields.ts';
import { pointerTo } from './mistake.ts';
import { type ColumnFinder, resolveTarget } from './resolve-columns.ts';

/** Names that stand for the first target, and for all together. */
const TAKEN = ['target', 'all'];

/** Fills in columns, name and loss of each further target. null where a column is missing. */
export function resolveMoreTargets(
  spec: Draft,
  finder: ColumnFinder,
  add: Add,
): { resolved: Target; classes: string[] | null }[] | null {
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
    const found = resolveTarget(target, at, finder, add);
    target.name ??= nameOf(target.columns, i, names);
    names.add(target.name);
    if (seen.has(target.name)) add(`${at}/name`, `"${target.name}" is taken`, 'a name that no other target has');
    seen.add(target.name);
    if (found === null) return null;
    Object.assign(target, found.resolved);
    target.loss ??= found.classes === null ? { type: 'mse' } : { type: 'cross_entropy' };
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
