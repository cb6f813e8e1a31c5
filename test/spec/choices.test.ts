import { describe, expect, it } from 'vitest';
import type { Choice } from '../../src/spec/choice.ts';
import type { Column } from '../../src/spec/dataset.ts';
import type { JobSpec } from '../../src/spec/job-spec.ts';
import type { KnownDataset } from '../../src/spec/known-dataset.ts';
import { validateJobRequest } from '../../src/spec/request.ts';
import { resolveJob } from '../../src/spec/resolve-job.ts';
import { BIRDS, column } from './birds.ts';

/** What is chosen where the request leaves it open, for each kind of data. */

function choose(body: object, dataset: Partial<KnownDataset> = {}): { spec: JobSpec; choices: Choice[] } {
  const validation = validateJobRequest({ dataset: BIRDS.id, ...body });
  if (!validation.ok) throw new Error(JSON.stringify(validation.mistakes));
  const resolution = resolveJob(validation.request, { ...BIRDS, ...dataset }, null);
  if (!resolution.ok) throw new Error(JSON.stringify(resolution.mistakes));
  return resolution;
}

function refuse(body: object) {
  const validation = validateJobRequest({ dataset: BIRDS.id, ...body });
  if (!validation.ok) return validation.mistakes;
  const resolution = resolveJob(validation.request, BIRDS, null);
  return resolution.ok ? [] : resolution.mistakes;
}

const typesOf = ({ model }: JobSpec) => model.layers.map(({ type }) => type);
const numbers = (name: string, change: Partial<Column> = {}) => ({ ...column(name, 'number'), ...change });

describe('what a request leaves open is chosen, and said with a reason', () => {
  it('of columns, a network and its training', () => {
    const { spec, choices } = choose({ target: 'species' });
    const byField = new Map(choices.map((choice) => [choice.field, choice]));
    expect([...byField.keys()].filter((field) => !/^\/inputs\/\d/.test(field)).sort()).toEqual([
      '/inputs',
      '/model/layers',
      '/training/batch_size',
      '/training/early_stopping/patience',
      '/training/ema/decay',
      '/training/epochs',
      '/training/optimizer/learning_rate',
      '/training/optimizer/type',
    ]);
    expect(byField.get('/training/epochs')!.value).toBe(spec.training.epochs);
    expect(byField.get('/inputs')!.reason).toMatch(/planet has one value; nothing has no values/);
    for (const { reason } of choices) expect(reason.length).toBeGreaterThan(10);
  });

  it('and nothing else: what was given is no choice, and a resolved spec leaves nothing open', () => {
    const given = choose({
      ...{ target: 'species', inputs: ['body_mass'], model: { layers: [] } },
      training: { epochs: 3, batch_size: 8, optimizer: 'sgd' },
    });
    expect(given.choices).toEqual([]);
    const again = choose(choose({ target: 'species' }).spec);
    expect(again.choices).toEqual([]);
    expect(again.spec).toEqual(choose({ target: 'species' }).spec);
  });

  it.each<[string, number[], object, string, string | null]>([
    ['0 and 1', [0, 1], {}, 'category', 'category'],
    ['two values', [-1, 4], {}, 'category', 'category'],
    ['from 0 on', [0, 1, 2], {}, 'category', 'category'],
    ['from 1 on', [1, 2, 3, 4], { target: { column: 'y' } }, 'category', 'category'],
    ['with gaps', [3, 4, 6, 8], {}, 'number', 'number'],
    ['a type', [0, 1, 2], { target: { column: 'y', type: 'number' } }, 'number', null],
    ['a loss of numbers', [0, 1, 2], { training: { loss: 'mse' } }, 'number', null],
    ['a loss of counts', [0, 1, 2], { training: { loss: 'poisson' } }, 'number', null],
    ['a loss of classes', [3, 4, 6, 8], { training: { loss: 'cross_entropy' } }, 'category', null],
    ['a transform', [1, 2], { target: { column: 'y', transform: 'log' } }, 'number', null],
    ['more', Array.from({ length: 11 }, (_, i) => i), {}, 'number', 'number'],
    ['many', Array.from({ length: 21 }, (_, i) => i), {}, 'number', null],
    ['one in nearly every row', [0, 1], { rows: 3 }, 'number', null],
  ])('whole numbers as classes: %s', (_, values, { rows = 300, ...body }: { rows?: number }, type, chosen) => {
    const y = { ...column('y', 'number', values.map(String)), integer: true };
    const of = { rows, columns: [numbers('x'), y] };
    const { spec, choices } = choose({ target: 'y', ...body }, of);
    expect(spec.target.type).toBe(type);
    const told = choices.find(({ field }) => field === '/target/type');
    expect(told?.value ?? null).toBe(chosen);
    if (told !== undefined) expect(told.reason).toMatch(`"type": "${chosen === 'number' ? 'category' : 'number'}"`);
    // beside another target
    if (Object.keys(body).length > 0 || rows < 300) return;
    const both = choose({ target: 'x', more_targets: ['y'] }, { rows, columns: [...of.columns, numbers('z')] });
    expect(both.spec.more_targets[0]!.type).toBe(type);
    expect(both.choices.some(({ field }) => field === '/more_targets/0/type')).toBe(chosen !== null);
  });

  it('for arrays whose rows end early: what is behind the end is padding, which a recurrent layer passes over', () => {
    const place = (name: string, missing: number) =>
      numbers(name, { missing, minimum: 0, maximum: 9, mean: 4, ends_early: true });
    const y = column('y', 'category', ['a', 'b']);
    const x = [place('x_0', 0), place('x_2', 60), y, place('x_1', 20), place('x_3', 299)];
    const { spec, choices } = choose({ target: 'y' }, { columns: x });
    expect(spec.inputs!.map(({ column: name, impute, into }) => [name, impute!.type, into])).toEqual(
      ['x_0', 'x_1', 'x_2', 'x_3'].map((name) => [name, 'padding', 'input']),
    );
    expect(typesOf(spec).slice(0, 3)).toEqual(['reshape', 'masking', 'gru']);
    expect(spec.model.layers[0]).toMatchObject({ shape: [4, 1], inputs: ['input'] });
    expect(choices.find(({ field }) => field === '/inputs/0/impute')!.reason).toMatch(/^Rows of x differ in length/);
    // by its name, and beside other columns
    expect(choose({ target: 'y', inputs: ['x'] }, { columns: x }).spec.inputs).toEqual(spec.inputs);
    const pairs = ['w_0_0', 'w_0_1', 'w_1_0', 'w_1_1'].map((name, i) => place(name, i < 2 ? 0 : 50));
    const both = choose({ target: 'y' }, { columns: [...pairs, column('size', 'number'), ...x] }).spec;
    expect(both.inputs!.map(({ into }) => into)).toEqual(['input', ...Array(4).fill('w'), ...Array(4).fill('x')]);
    const shapes = both.model.layers.filter(({ type }) => type === 'reshape');
    expect(shapes).toMatchObject([
      { shape: [2, 2], inputs: ['w'] },
      { shape: [4, 1], inputs: ['x'] },
    ]);
    expect(both.model.layers.find(({ type }) => type === 'concatenate')!.inputs).toEqual([
      ...['input', 'w_state', 'x_state'],
    ]);
    // of one length, or where the layers are given, they are columns like any others
    for (const [change, columns] of [
      [{}, x.map((one) => ({ ...one, missing: 0 }))],
      [{ model: { layers: [{ type: 'dense', units: 3 }] } }, x],
    ] as const) {
      const plain = choose({ target: 'y', inputs: ['x'], ...change }, { columns }).spec;
      expect(plain.inputs!.map(({ column: name, impute }) => [name, impute!.type])).toEqual(
        ['x_0', 'x_1', 'x_2', 'x_3'].map((name) => [name, 'mean']),
      );
      expect(typesOf(plain)).not.toContain('masking');
    }
  });

  it('by the rows that have a target', () => {
    const columns = BIRDS.columns.map((one) => (one.name === 'species' ? { ...one, missing: 144 } : one));
    const { choices } = choose({ target: 'species' }, { columns });
    const reason = choices.find(({ field }) => field === '/training/batch_size')!.reason;
    expect(reason).toBe('For 124 training rows.');
  });

  it('an embedding for each column that is taken by index, beside the others', () => {
    const given = { target: 'species', inputs: [{ column: 'sex', encoding: 'index' }, 'body_mass'] };
    const { spec, choices } = choose(given);
    expect(typesOf(spec).slice(0, 3)).toEqual(['embedding', 'flatten', 'concatenate']);
    expect(spec.inputs.map(({ into }) => into)).toEqual(['sex', 'input']);
    expect(spec.model.layers[2]!.inputs).toEqual(['sex_flat', 'input']);
    expect(choices.find(({ field }) => field === '/inputs/0/into')!.value).toBe('sex');
    expect(choose(spec).spec).toEqual(spec);
    const mistakes = refuse({ ...given, model: { preset: 'mlp-small' } });
    expect(mistakes).toContainEqual(expect.objectContaining({ pointer: '/inputs/0/encoding' }));
  });

  it('convolutions over the tokens of texts that are taken by index; what comes back can be posted again', () => {
    const { spec } = choose({ target: 'species', inputs: [{ column: 'note', encoding: 'index' }, 'body_mass'] });
    expect(typesOf(spec).slice(0, 4)).toEqual(['embedding', 'conv1d', 'global_max_pool1d', 'concatenate']);
    expect(choose(spec).spec).toEqual(spec);
  });

  it('names of layers that no column has', () => {
    const names = ['columns', 'dense_1', 'columns_vectors'];
    const columns = [...BIRDS.columns, ...names.map((name) => column(name, 'category', ['a', 'b']))];
    const inputs = names.map((name) => ({ column: name, encoding: 'index' }));
    const { spec } = choose({ target: 'species', inputs }, { columns });
    const all = [...spec.inputs.map(({ into }) => into), ...spec.model.layers.map(({ name }) => name)];
    expect(new Set(all).size).toBe(all.length);
    expect(choose(spec, { columns }).spec).toEqual(spec);
  });

  it('the split that a column tells, unless another is asked for', () => {
    const columns = [...BIRDS.columns, column('part', 'category', ['test', 'train', 'val'])];
    const { spec, choices } = choose({ target: 'species' }, { columns });
    expect(spec.split).toMatchObject({ given_by: 'part', shuffle: false, validation: 1 / 3 });
    expect(spec.inputs.map((input) => input.column)).not.toContain('part');
    expect(choices).toContainEqual(expect.objectContaining({ field: '/split/given_by', value: 'part' }));
    expect(choose({ target: 'species', split: { test: 0.2 } }, { columns }).spec.split.given_by).toBeUndefined();
    expect(choose({ target: 'part' }, { columns }).spec.split.given_by).toBeUndefined();
  });

  it('more units for more rows, and fewer epochs', () => {
    const of = (rows: number) => {
      const { spec } = choose({ target: 'species' }, { rows });
      const [first] = spec.model.layers;
      return { units: first!.type === 'dense' ? first!.units : null, epochs: spec.training.epochs };
    };
    expect(of(300).units).toBeLessThan(of(10_000).units!);
    expect(of(10_000).units).toBeLessThan(of(1e6).units!);
    expect([300, 10_000, 1e6].map((rows) => of(rows).epochs)).toEqual([300, 20, 20]);
  });

  it('convolutions for images, as many as halve them to some pixels; none where they are tiny', () => {
    const images = (side: number) => ({
      columns: [{ ...column('pixels', 'image'), shape: [side, side, 1] }, column('label', 'category', ['a', 'b'])],
    });
    const convolutions = (side: number) =>
      typesOf(choose({ target: 'label' }, images(side)).spec).filter((type) => type === 'conv2d').length;
    expect([4, 8, 28, 64].map(convolutions)).toEqual([0, 2, 3, 5]);
  });

  it('of how columns are taken: long tails, missing values, rare classes and terms', () => {
    const rows = 1000;
    const classes = Array.from({ length: 40 }, (_, i) => `c${i}`);
    const columns = [
      numbers('price', { minimum: 0, maximum: 1000, mean: 10, standard_deviation: 20 }),
      numbers('height', { minimum: 0, maximum: 10, mean: 5, standard_deviation: 2, missing: 30 }),
      column('maker', 'category', classes),
      column('title', 'text'),
      column('good', 'boolean', ['false', 'true']),
    ];
    const { spec, choices } = choose({ target: 'good' }, { rows, columns });
    expect(spec.inputs).toMatchObject([
      { column: 'price', normalize: 'quantile_normal' },
      { column: 'height', normalize: 'standard', missing_indicator: true },
      { column: 'maker', encoding: 'one_hot', min_count: 10 },
      { column: 'title', encoding: 'tfidf', min_count: 10 },
    ]);
    expect(choices.filter(({ field }) => field.startsWith('/inputs/')).map(({ field }) => field)).toEqual([
      ...['/inputs/0/normalize', '/inputs/1/missing_indicator', '/inputs/2/min_count', '/inputs/3/min_count'],
    ]);
    // texts alone are what there is to learn from
    const alone = choose({ target: 'good' }, { rows, columns: columns.slice(3) }).spec.inputs;
    expect(alone).toMatchObject([{ column: 'title', encoding: 'tfidf' }]);
    expect(alone[0]).not.toHaveProperty('min_count');
  });

  it('leaves out numbers that only tell rows apart, by name and values', () => {
    const rows = 300;
    const ids = ['id', 'customer_id', 'customerId', 'Row Number', 'column_1'];
    const columns = [
      ...ids.map((name) => numbers(name, { integer: true, distinct: rows })),
      // an id that is repeated may tell something, and so may values that are all different
      numbers('shop_id', { integer: true, distinct: 12 }),
      numbers('humid', { distinct: rows }),
      numbers('weight', { distinct: rows }),
      numbers('price', { distinct: 100 }),
    ];
    const { spec } = choose({ target: 'price' }, { rows, columns });
    expect(spec.inputs.map(({ column }) => column)).toEqual(['shop_id', 'humid', 'weight']);
    // of nothing else, it is better than nothing
    const alone = choose({ target: 'price' }, { rows, columns: [columns[0]!, columns.at(-1)!] });
    expect(alone.spec.inputs.map(({ column }) => column)).toEqual(['id']);
  });
});

describe('a learning rate that is to be found', () => {
  const refusals = (body: object) => {
    const validation = validateJobRequest({ dataset: BIRDS.id, target: 'species', ...body });
    const resolution = validation.ok ? resolveJob(validation.request, BIRDS, null) : null;
    return resolution?.ok === false ? resolution.mistakes.map(({ pointer }) => pointer) : [];
  };

  it('may be asked for of any optimizer that follows gradients', () => {
    const { spec } = choose({ target: 'species', training: { optimizer: { type: 'sgd', learning_rate: 'auto' } } });
    expect(spec.training.optimizer.learning_rate).toBe('auto');
  });

  it('is none that a group’s own rate could be measured by', () => {
    const optimizer = { type: 'sgd', learning_rate: 'auto' };
    const parameter_groups = [{ pattern: 'dense_1.*', learning_rate: 0.1 }];
    expect(refusals({ training: { optimizer, parameter_groups } })).toEqual([
      '/training/parameter_groups/0/learning_rate',
    ]);
    const plain = choose({ target: 'species', training: { parameter_groups } });
    expect(plain.spec.training.optimizer).toMatchObject({ type: 'adam', learning_rate: 0.001 });
  });
});
