import { describe, expect, it } from 'vitest';
import { dense, expectMistake, type MistakeCase, resolve, specOf } from './birds.ts';

const place = (more: object = {}) => ({ column: 'planet', encoding: 'index', into: 'place', ...more });
const table = (more: object = {}) => ({ type: 'embedding', inputs: ['place'], units: 2, ...more });
const joined = [table(), { type: 'flatten' }, { type: 'concatenate', inputs: ['flatten_1', 'input'] }];

describe('several inputs', () => {
  it('have names, and an embedding of a category has a row for each class and one for what is missing', () => {
    const spec = specOf({
      target: 'species',
      inputs: ['bill_length', place({ column: 'sex' }), 'body_mass'],
      model: { layers: joined },
    });
    expect(spec.model.layers[0]).toMatchObject({ inputs: ['place'], vocabulary: 3 });
    // columns of one input stand side by side, whatever their order was
    expect(spec.inputs.map(({ column, into, encoding }) => [column, into, encoding])).toEqual([
      ['bill_length', 'input', 'values'],
      ['body_mass', 'input', 'values'],
      ['sex', 'place', 'index'],
    ]);
    expect(specOf(spec)).toEqual(spec);
  });

  it('go to the first layer where all have one name', () => {
    const { model } = specOf({
      target: 'species',
      inputs: [place()],
      model: { layers: [{ type: 'embedding', units: 2 }, { type: 'flatten' }] },
    });
    expect(model.layers[0]!.inputs).toEqual(['place']);
  });

  const body = (layers: object[], ...inputs: unknown[]) => ({
    target: 'species',
    inputs: ['bill_length', ...inputs],
    model: { layers },
  });
  it.each<MistakeCase>([
    [
      'an input that nothing takes',
      body([dense()], place()),
      '/model/layers',
      'invalid_spec',
      /nothing takes the model input "place"/,
    ],
    [
      'one that there is not',
      body([...joined.slice(0, 2), { type: 'concatenate', inputs: ['flatten_1', 'input', 'plaice'] }], place()),
      '/model/layers/2/inputs/2',
      'invalid_spec',
      /no layer "plaice".*"place"/,
    ],
    [
      'a layer of its name',
      body([...joined, dense({ name: 'place' })], place()),
      '/model/layers/3/name',
      'invalid_spec',
      /"place" is taken/,
    ],
    [
      'too small a table',
      body([table({ vocabulary: 2 }), ...joined.slice(1)], place({ column: 'sex' })),
      '/model/layers/0/vocabulary',
      'invalid_spec',
      /2 classes.*2 rows are too few/,
    ],
    [
      'a table of one-hot columns',
      body([table({ vocabulary: 9 }), ...joined.slice(1)], place({ encoding: 'one_hot' })),
      '/model/layers/0/inputs',
      'invalid_spec',
      /takes indices; "planet" is one-hot/,
    ],
    [
      'a table of scaled numbers',
      { ...body([{ type: 'embedding', units: 2, vocabulary: 9 }, { type: 'flatten' }]) },
      '/model/layers/0/inputs',
      'invalid_spec',
      /"bill_length" is scaled \(standard\)/,
    ],
    [
      'numbers by index',
      body([dense()], { column: 'year', encoding: 'index' }),
      '/inputs/1/encoding',
      'invalid_spec',
      /a number is not taken as index/,
    ],
    [
      'a category as it is',
      body([dense()], { column: 'sex', encoding: 'values' }),
      '/inputs/1/encoding',
      'invalid_spec',
      /a category is not taken as values/,
    ],
  ])('refuse %s', (_, request, pointer, code, detail) => expectMistake(request, pointer, code, detail));
});

describe('several targets', () => {
  it('have a name, a loss, a weight and an output layer of their own unless told otherwise', () => {
    const spec = specOf({
      target: 'species',
      more_targets: [
        'body_mass',
        { columns: ['bill_length', 'year'], name: 'both', weight: 0.2, loss: 'mae' },
        { column: 'sex' },
      ],
    });
    expect(spec.more_targets.map(({ output, ...rest }) => rest)).toEqual([
      {
        name: 'body_mass',
        columns: ['body_mass'],
        type: 'number',
        normalize: 'standard',
        loss: { type: 'mse' },
        weight: 1,
      },
      {
        name: 'both',
        columns: ['bill_length', 'year'],
        type: 'number',
        normalize: 'standard',
        loss: { type: 'mae' },
        weight: 0.2,
      },
      {
        name: 'sex',
        columns: ['sex'],
        type: 'category',
        normalize: 'none',
        loss: { type: 'cross_entropy', label_smoothing: 0, class_weights: null, ignore_class: null, focal_gamma: 0 },
        weight: 1,
      },
    ]);
    expect(spec.more_targets[0]!.output).toEqual(spec.model.output);
    expect(spec.inputs.map(({ column }) => column)).toEqual(['ringed', 'note', 'grade']);
    expect(specOf(spec)).toEqual(spec);
  });

  it('may be told from layers of their own, and from what the target\u2019s own last layer takes', () => {
    const { more_targets: more } = specOf({
      target: 'ringed',
      more_targets: [{ column: 'body_mass', output: { inputs: ['a'] } }, 'sex'],
      inputs: ['bill_length'],
      model: {
        layers: [dense({ name: 'a' }), dense({ name: 'b', inputs: ['a'] }), dense({ name: 'last', units: 2 })],
        output: null,
      },
    });
    expect(more.map(({ output }) => output.inputs)).toEqual([['a'], ['b']]);
  });

  const body = (...more_targets: unknown[]) => ({ target: 'species', inputs: ['bill_length'], more_targets });
  it.each<MistakeCase>([
    ['a column twice', body('sex', 'sex'), '/more_targets/1', 'invalid_spec', /"sex" is a target already/],
    ['the target again', body('species'), '/more_targets/0', 'invalid_spec', /"species" is a target already/],
    ['an input', body('bill_length'), '/inputs/0', 'invalid_spec', /"bill_length" is the target/],
    ['a column that there is not', body('body_maas'), '/more_targets/0', 'invalid_spec', /Did you mean "body_mass"/],
    [
      'a name twice',
      body({ column: 'sex', name: 'a' }, { column: 'ringed', name: 'a' }),
      '/more_targets/1/name',
      'invalid_spec',
      /"a" is taken/,
    ],
    [
      'the name of the first',
      body({ column: 'sex', name: 'species' }),
      '/more_targets/0/name',
      'invalid_spec',
      /"species" is taken/,
    ],
    [
      'a loss for a category',
      body({ column: 'body_mass', loss: 'cross_entropy' }),
      '/more_targets/0/loss',
      'invalid_spec',
      /cross_entropy is for a category/,
    ],
    [
      'a loss for two classes',
      body({ column: 'grade', loss: 'binary_cross_entropy' }),
      '/more_targets/0/loss',
      'invalid_spec',
      /two classes/,
    ],
    [
      'a layer of an output\u2019s name',
      { ...body('sex'), model: { layers: [dense({ name: 'output_sex' })] } },
      '/model/layers/0/name',
      'invalid_spec',
      /"output_sex" is taken/,
    ],
    [
      'an output of nothing',
      body({ column: 'sex', output: { inputs: ['nowhere'] } }),
      '/more_targets/0/output/inputs/0',
      'invalid_spec',
      /no layer "nowhere"/,
    ],
    ['a weight of nothing', body({ column: 'sex', weight: 0 }), '/more_targets/0/weight', 'invalid_spec', /./],
  ])('refuse %s', (_, request, pointer, code, detail) => expectMistake(request, pointer, code, detail));

  it('may be the inputs themselves, all of them, for an autoencoder', () => {
    const columns = ['bill_length', 'body_mass'];
    const spec = specOf({ target: columns, inputs: columns });
    expect(specOf(JSON.parse(JSON.stringify(spec)))).toEqual(spec);
    const some = { target: columns, inputs: [...columns, 'sex'] };
    expect(resolve(some).mistakes).toMatchObject(
      columns.map((_, i) => ({ pointer: `/inputs/${i}`, expected: expect.stringContaining('autoencoder') })),
    );
    expect(resolve({ target: 'body_mass', inputs: ['body_mass'] }).mistakes).toHaveLength(1);
  });

  it('have parameters that can be frozen, and values that begin as told', () => {
    const spec = specOf({
      ...body({ column: 'sex', output: { bias_init: { type: 'values', values: [1, 2] } } }),
      model: { freeze: ['output_sex.*'] },
    });
    expect(spec.model.freeze).toEqual(['output_sex.*']);
    const { mistakes } = resolve(body({ column: 'sex', output: { bias_init: { type: 'values', values: [1] } } }));
    expect(mistakes.map(({ pointer }) => pointer)).toEqual(['/more_targets/0/output/bias_init/values']);
  });
});
