import { expect } from 'vitest';
import type { Column } from '../../src/spec/dataset.ts';
import type { KnownCheckpoint } from '../../src/spec/fine-tune.ts';
import type { JobSpec } from '../../src/spec/job-spec.ts';
import type { KnownDataset } from '../../src/spec/known-dataset.ts';
import type { Mistake } from '../../src/spec/mistake.ts';
import { validateJobRequest } from '../../src/spec/request.ts';
import { resolveJob } from '../../src/spec/resolve-job.ts';

/** A dataset with a column of each kind, as the profile describes them. */

export function column(name: string, type: Column['type'], classes: string[] | null = null): Column {
  return {
    name,
    type,
    missing: 0,
    distinct: classes?.length ?? null,
    minimum: null,
    maximum: null,
    mean: null,
    standard_deviation: null,
    integer: false,
    classes: classes?.map((value) => ({ value, rows: 10 })) ?? null,
    shape: type === 'image' ? [2, 2, 1] : null,
  };
}

export const BIRDS: KnownDataset = {
  id: 'ds_01h455vb4pex5vsknk084sn02q',
  name: 'birds',
  rows: 300,
  columns: [
    column('bill_length', 'number'),
    column('body_mass', 'number'),
    column('species', 'category', ['Adelie', 'Chinstrap', 'Gentoo']),
    column('sex', 'category', ['female', 'male']),
    column('ringed', 'boolean', ['false', 'true']),
    column('planet', 'category', ['Earth']),
    { ...column('year', 'number', ['2007', '2008', '2009']), minimum: 2007, maximum: 2009 },
    column('note', 'text'),
    { ...column('nothing', 'text'), missing: 300, distinct: 0 },
    // few values, each but once: text that can be a target
    column(
      'grade',
      'text',
      Array.from({ length: 26 }, (_, i) => String.fromCharCode(97 + i)),
    ),
  ],
};
export const CHECKPOINT = 'ckpt_01h455vb4pex5vsknk084sn02q';

export interface Resolved {
  spec?: JobSpec;
  mistakes: Mistake[];
}

/** A request as the API takes it: the form first, then the sense. */
export function resolve(
  body: object,
  {
    dataset = BIRDS,
    from = null,
    ...others
  }: { dataset?: KnownDataset; from?: KnownCheckpoint | null } & NonNullable<Parameters<typeof resolveJob>[3]> = {},
): Resolved {
  const validation = validateJobRequest({ dataset: BIRDS.id, ...body });
  if (!validation.ok) return { mistakes: validation.mistakes };
  const resolution = resolveJob(validation.request, dataset, from, others);
  return resolution.ok ? { spec: resolution.spec, mistakes: [] } : { mistakes: resolution.mistakes };
}

export function specOf(body: object, options: Parameters<typeof resolve>[1] = {}): JobSpec {
  const { spec, mistakes } = resolve(body, options);
  expect(mistakes).toEqual([]);
  return spec!;
}

/** What is wrong → pointer, code, and what the detail says. */
export type MistakeCase = [name: string, body: object, pointer: string, code: Mistake['code'], detail: RegExp];

/** One mistake, and no other. */
export function expectMistake(body: object, pointer: string, code: Mistake['code'], detail: RegExp): void {
  const { mistakes } = resolve(body);
  expect(mistakes.map((mistake) => [mistake.pointer, mistake.code])).toEqual([[pointer, code]]);
  expect(mistakes[0]!.detail).toMatch(detail);
}

export const dense = (more: object = {}) => ({ type: 'dense', units: 4, ...more });
