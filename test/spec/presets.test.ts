import { describe, expect, it } from 'vitest';
import type { Column } from '../../src/spec/dataset.ts';
import type { KnownCheckpoint } from '../../src/spec/fine-tune.ts';
import type { KnownDataset } from '../../src/spec/known-dataset.ts';
import { PRESETS } from '../../src/spec/presets.ts';
import { validateJobRequest } from '../../src/spec/request.ts';
import { resolveJob } from '../../src/spec/resolve-job.ts';
import { BIRDS, column } from './birds.ts';

/** Networks by name: each is what it says it is, and comes back with its layers written out. */

const CORPUS: Column = {
  ...column('text', 'text'),
  text: {
    ...{ characters: 10_000, bytes: 10_000, lines: 10, distinct_characters: 2 },
    vocabulary: [
      { character: 'a', count: 5000, first: 0 },
      { character: 'b', count: 5000, first: 1 },
    ],
  },
};
const DATA: Record<string, { dataset: KnownDataset; body: object }> = {
  corpus: { dataset: { ...BIRDS, rows: 10, columns: [CORPUS] }, body: {} },
  image: {
    dataset: {
      ...BIRDS,
      columns: [{ ...column('pixels', 'image'), shape: [32, 32, 3] }, column('of', 'category', ['a', 'b'])],
    },
    body: { target: 'of', inputs: ['pixels'] },
  },
  rows: { dataset: BIRDS, body: { target: 'species', inputs: ['bill_length', 'body_mass'] } },
};

function resolve(from: string, model: object, parent: KnownCheckpoint | null = null) {
  const { dataset, body } = DATA[from]!;
  const kind = parent === null ? 'train' : 'fine_tune';
  const validation = validateJobRequest({ kind, dataset: BIRDS.id, ...body, model });
  if (!validation.ok) return { ok: false as const, mistakes: validation.mistakes };
  return resolveJob(validation.request, dataset, parent);
}

function specOf(...of: Parameters<typeof resolve>) {
  const resolution = resolve(...of);
  if (!resolution.ok) throw new Error(JSON.stringify(resolution.mistakes));
  return resolution;
}

describe('a preset', () => {
  it.each(Object.entries(PRESETS))('%s comes back written out, and says so', (preset, { from, layers }) => {
    const { spec, choices } = specOf(from, { preset });
    expect(spec.model).toMatchObject({ preset: null, layers });
    expect(choices.find(({ field }) => field === '/model/layers')!.reason).toContain(preset);
    expect(specOf(from, spec.model).spec).toEqual(spec);
  });

  it('of rows takes an image, too', () => {
    expect(specOf('image', { preset: 'mlp-small' }).spec.model.layers).toHaveLength(4);
  });

  it('for other data is refused, with those that fit', () => {
    for (const [from, preset, expected] of [
      ['rows', 'gpt-small', /^mlp-small, mlp-medium, mlp-large$/],
      ['corpus', 'resnet-8', /^gpt-tiny, /],
      ['image', 'lstm-small', /^lenet-5, .*mlp-large$/],
    ] as const) {
      const resolution = resolve(from, { preset });
      expect(resolution.ok).toBe(false);
      if (!resolution.ok) expect(resolution.mistakes[0]).toMatchObject({ pointer: '/model/preset' });
      if (!resolution.ok) expect(resolution.mistakes[0]!.expected).toMatch(expected);
    }
  });

  it('beside layers, or weights that have theirs, is refused', () => {
    expect(resolve('rows', { preset: 'mlp-small', layers: [] })).toMatchObject({
      mistakes: [{ pointer: '/model/preset', detail: 'the layers are known already' }],
    });
  });

  it('that there is not gets the nearest', () => {
    expect(resolve('rows', { preset: 'mlp-smal' })).toMatchObject({
      mistakes: [{ pointer: '/model/preset', detail: expect.stringContaining('Did you mean "mlp-small"') }],
    });
  });
});
