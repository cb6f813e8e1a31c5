import { describe, expect, it } from 'vitest';
import type { KnownCheckpoint } from '../../src/spec/fine-tune.ts';
import type { JobSpec } from '../../src/spec/job-spec.ts';
import type { Preparation } from '../../src/spec/preparation.ts';
import { BIRDS, CHECKPOINT, column, dense, resolve, specOf } from './birds.ts';

const PARENT = specOf({
  target: 'species',
  inputs: [{ column: 'bill_length', normalize: 'none' }, 'sex'],
  model: { layers: [dense({ name: 'trunk', activation: 'relu', init: 'he_uniform' })] },
});
const preparation: Preparation = {
  inputs: [
    { column: 'bill_length', type: 'number', scale: 1, shift: 0, missing: 0 },
    { column: 'sex', type: 'category', classes: ['female', 'male'] },
  ],
  target: { type: 'category', column: 'species', classes: ['Adelie', 'Chinstrap', 'Gentoo'] },
  inputWidth: 3,
  outputWidth: 3,
};
const fromSpec = (spec: JobSpec): KnownCheckpoint => ({ id: CHECKPOINT, spec, preparation });
const from = fromSpec(PARENT);
const kind = 'fine_tune';
const withSpecies = (...classes: string[]) => ({
  from,
  dataset: {
    ...BIRDS,
    columns: BIRDS.columns.map((known) => (known.name === 'species' ? column('species', 'category', classes) : known)),
  },
});

describe('fine-tuning', () => {
  it('takes over what the weights were trained with', () => {
    const tuned = specOf({ kind, model: { from: CHECKPOINT, freeze: ['trunk.*'] } }, { from });
    expect(tuned).toMatchObject({
      inputs: PARENT.inputs,
      target: PARENT.target,
      model: { layers: PARENT.model.layers, output: PARENT.model.output, from: CHECKPOINT, freeze: ['trunk.*'] },
      training: { loss: PARENT.training.loss },
    });
    expect(specOf(JSON.parse(JSON.stringify(tuned)), { from })).toEqual(tuned);
  });

  it('what is said of it in part is filled in from the checkpoint, not from the defaults', () => {
    const { inputs, model } = specOf(
      {
        kind,
        target: 'species',
        inputs: ['bill_length', 'sex'],
        model: { from: CHECKPOINT, layers: [dense({ activation: 'relu' })] },
      },
      { from },
    );
    expect(inputs).toEqual(PARENT.inputs);
    expect(model.layers).toEqual(PARENT.model.layers);
  });

  const OTHER: [string, { model?: object; target?: string; inputs?: string[]; training?: object }, string][] = [
    ['another target', { target: 'sex' }, '/target'],
    ['other inputs', { inputs: ['body_mass'] }, '/inputs'],
    ['the same inputs in another order', { inputs: ['sex', 'bill_length'] }, '/inputs/0'],
    ['other layers', { model: { layers: [dense({ units: 8 })] } }, '/model/layers/0/units'],
    ['no output', { model: { output: null } }, '/model/output'],
    ['another loss', { training: { loss: 'binary_cross_entropy' } }, '/training/loss'],
  ];
  it.each(OTHER)('%s is refused', (_name, change, pointer) => {
    const { mistakes } = resolve({ kind, ...change, model: { from: CHECKPOINT, ...change.model } }, { from });
    expect(mistakes[0]).toMatchObject({ pointer, code: 'shape_mismatch' });
  });

  it('a dataset may lack classes, but not have unknown ones', () => {
    expect(specOf({ kind, model: { from: CHECKPOINT } }, withSpecies('Adelie', 'Gentoo')).target).toEqual(
      PARENT.target,
    );
    const { mistakes } = resolve({ kind, model: { from: CHECKPOINT } }, withSpecies('Adelie', 'Emperor', 'Gentoo'));
    expect(mistakes).toMatchObject([{ pointer: '/dataset', code: 'invalid_spec' }]);
    expect(mistakes[0]!.detail).toMatch(/has the class "Emperor", which ckpt_\w+ does not know/);
  });

  it('the last layer fits the classes of the checkpoint, not those of the dataset', () => {
    const parent = specOf({ target: 'species', model: { layers: [dense({ units: 3 })], output: null } });
    const { mistakes } = resolve(
      { kind, model: { from: CHECKPOINT } },
      { ...withSpecies('Adelie', 'Gentoo'), from: fromSpec(parent) },
    );
    expect(mistakes).toEqual([]);
  });

  it('images have the shape that the checkpoint takes', () => {
    const columns = [column('pixels', 'image'), column('species', 'category', ['a', 'b'])];
    const dataset = { ...BIRDS, columns };
    const parent = specOf({ target: 'species' }, { dataset });
    const { mistakes } = resolve(
      { kind, model: { from: CHECKPOINT } },
      {
        dataset,
        from: {
          id: CHECKPOINT,
          spec: parent,
          preparation: {
            inputs: [{ column: 'pixels', type: 'image', shape: [28, 28, 1], scale: 1, shift: 0 }],
            target: { type: 'category', column: 'species', classes: ['a', 'b'] },
            inputWidth: 784,
            outputWidth: 2,
          },
        },
      },
    );
    expect(mistakes).toMatchObject([{ pointer: '/dataset', code: 'shape_mismatch' }]);
    expect(mistakes[0]!.detail).toMatch(/2 × 2 × 1.*28 × 28 × 1/);
  });

  it('where it differs is told with what the checkpoint has', () => {
    const { mistakes } = resolve(
      { kind, model: { from: CHECKPOINT, layers: [dense({ activation: 'tanh' })] } },
      { from },
    );
    expect(mistakes).toEqual([
      {
        ...{ pointer: '/model/layers/0/activation', code: 'shape_mismatch', expected: '"relu"' },
        detail: `must be as ${CHECKPOINT} has it, or be left out`,
      },
    ]);
  });

  it('columns that the dataset lacks, and the client did not name, are said of the dataset', () => {
    const dataset = { ...BIRDS, columns: BIRDS.columns.filter(({ name }) => name !== 'sex') };
    const { mistakes } = resolve({ kind, model: { from: CHECKPOINT } }, { from, dataset });
    expect(mistakes).toMatchObject([{ pointer: '/dataset', detail: 'The dataset has no column "sex".' }]);
  });

  it('a new target is none of the inputs', () => {
    const spec = { kind, target: 'sex', model: { from: CHECKPOINT, replace_head: true } };
    expect(resolve(spec, { from }).mistakes).toMatchObject([
      { pointer: '/target', detail: `"sex" is an input of ${CHECKPOINT}` },
    ]);
  });

  it('without a beginning, or with one of no right form, asks for that alone', () => {
    expect(resolve({ kind }).mistakes).toMatchObject([{ pointer: '/model/from' }]);
    const [mistake, ...more] = resolve({ kind, model: { from: 'job_01h455vb4pex5vsknk084sn02q' } }).mistakes;
    expect(mistake).toMatchObject({
      pointer: '/model/from',
      expected:
        'text like ckpt_01h455vb4pex5vsknk084sn02q, or models/digits@champion, or wts_01h455vb4pex5vsknk084sn02q',
    });
    expect(more).toEqual([]);
  });

  it('that unfreezes gradually needs an epoch for each layer', () => {
    const model = { from: CHECKPOINT, unfreeze: 'gradual' };
    const { mistakes } = resolve({ kind, model, training: { epochs: 1 } }, { from });
    expect(mistakes).toMatchObject([
      {
        pointer: '/model/unfreeze',
        detail: 'training is over after 1 epoch, before trunk would be trained',
        expected: 'training.epochs of at least 2, or a list of entries',
      },
    ]);
    expect(resolve({ kind, model, training: { epochs: 2 } }, { from }).mistakes).toEqual([]);
  });

  it.each<[object, string, RegExp]>([
    [{ rename: [{ from: 'net.fx*', to: 'trunk.*' }] }, '/model/mapping/rename/0/from', /fits no tensor/],
    [{ rename: [{ from: 'net.*', to: 'trunk.*' }], by: 'order' }, '/model/mapping/rename', /mean nothing/],
  ])('of uploaded weights a mapping %j says what of it is of no use', (mapping, pointer, detail) => {
    const tensors = [{ name: 'net.weight', dtype: 'F32', shape: [1, 4] }];
    const id = 'wts_01h455vb4pex5vsknk084sn02q';
    const model = { from: id, mapping, layers: [dense({ name: 'trunk' })] };
    const spec = { kind, target: 'species', inputs: ['bill_length'], model };
    expect(resolve(spec, { weights: { id, tensors } }).mistakes).toContainEqual(
      expect.objectContaining({ pointer, detail: expect.stringMatching(detail) }),
    );
  });

  it('a teacher of forecasts is refused as such', () => {
    const forecast = { horizon: 1, window: 4, stride: 1, difference: false };
    const teacher = fromSpec({ ...PARENT, forecast } as JobSpec);
    expect(resolve({ training: { distillation: CHECKPOINT } }, { teacher }).mistakes).toMatchObject([
      { pointer: '/training/distillation', detail: 'a teacher of texts or forecasts is not followed here' },
    ]);
  });

  it('names of layers where those of parameters belong, and of parameters where those of products do, are understood', () => {
    const model = { from: CHECKPOINT, freeze: ['trunk'], lora: { targets: ['trunk.bias'] } };
    expect(resolve({ kind, model }, { from }).mistakes.map(({ pointer, detail }) => [pointer, detail])).toEqual([
      ['/model/lora/targets/0', '"trunk.bias" fits no product that can have an adapter. Did you mean "trunk"?'],
      ['/model/freeze/0', '"trunk" fits no parameter. Did you mean "trunk.*"?'],
    ]);
  });

  it('a job that trains anew does not start from a checkpoint', () => {
    const { mistakes } = resolve({ target: 'species', model: { from: CHECKPOINT } }, { from });
    expect(mistakes[0]).toMatchObject({ pointer: '/kind', expected: 'fine_tune' });
  });
});
