import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { Activation } from '../../src/spec/layers/activation.ts';
import { LAYERS } from '../../src/spec/layers/rules.ts';
import { Loss } from '../../src/spec/loss.ts';
import { Optimizer } from '../../src/spec/optimizer.ts';
import { Schedule } from '../../src/spec/schedule.ts';

const readGolden = (name: string) => JSON.parse(readFileSync(new URL(`./${name}.json`, import.meta.url), 'utf8'));

/** The words for `type` of a union of the spec. */
const typesOf = (union: unknown): string[] =>
  (union as { oneOf: { properties: { type: { const: string } } }[] }).oneOf.map((v) => v.properties.type.const);

/** The type of each `field` in files whose cases have one. */
const given = (field: string, ...files: string[]): string[] =>
  files
    .map(readGolden)
    .flatMap((golden) => [golden.cases ?? golden, golden.plateaus ?? []].flat())
    .map((one) => one[field].type);

it.each([
  [
    'layers',
    LAYERS.map((rule) => rule.schema.properties.type.const as string),
    [
      ...given('layer', 'convolutions'),
      ...readGolden('layers').cases.flatMap((one: { layers: { type: string }[] }) => one.layers.map((l) => l.type)),
    ],
  ],
  ['activations', typesOf(Activation), given('activation', 'activations')],
  ['losses', typesOf(Loss), given('loss', 'losses')],
  ['optimizers', typesOf(Optimizer), given('optimizer', 'optimizers', 'lbfgs', 'hessian-free', 'random-search')],
  ['schedules', typesOf(Schedule), given('schedule', 'schedules')],
])('all %s have numbers from PyTorch', (_, all, covered) => {
  expect(new Set(covered)).toEqual(new Set(all));
});
