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
    ['the same inputs in another order', { inputs: ['sex', 'bill_length'] }, '/inputs'],
    ['other layers', { model: { layers: [dense({ units: 8 })] } }, '/model/layers'],
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

  it('a job that trains anew does not start from a checkpoint', () => {
    const { mistakes } = resolve({ target: 'species', model: { from: CHECKPOINT } }, { from });
    expect(mistakes[0]).toMatchObject({ pointer: '/kind', expected: 'fine_tune' });
  });
});
