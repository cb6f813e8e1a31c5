import { Ajv } from 'ajv';
import { expect, it } from 'vitest';
import { JobSpec } from '../../src/spec/job-spec.ts';
import { requestForm, type Schema } from '../../src/spec/request-form.ts';
import { shareParts } from '../../src/spec/share-parts.ts';

const charactersOf = (schema: Schema) => JSON.stringify(schema).length;

it('the form of a job is checked by many small functions, not by one that takes seconds to optimize', () => {
  const whole = requestForm(JobSpec, false);
  const { $defs, ...root } = shareParts(whole);
  expect(charactersOf(whole)).toBeGreaterThan(100_000);
  for (const part of [root, ...Object.values($defs as Record<string, Schema>)])
    expect(charactersOf(part)).toBeLessThan(10_000);
});

it('parts say what the whole says', () => {
  const text = { type: 'string', description: 'long enough to be a part of its own '.repeat(10) };
  const variant = (type: string) => ({
    type: 'object',
    properties: { type: { const: type }, of: text, [type]: { type: 'integer' } },
    required: ['type', 'of'],
    additionalProperties: false,
  });
  const whole = {
    type: 'object',
    properties: {
      list: {
        type: 'array',
        items: {
          type: 'object',
          discriminator: { propertyName: 'type' },
          oneOf: [variant('a'), variant('b')],
          required: ['type'],
        },
      },
      either: { anyOf: [variant('a'), { type: 'null' }] },
    },
  };
  const options = { allErrors: true, discriminator: true, strict: false };
  const checks = [
    new Ajv(options).compile(whole),
    new Ajv({ ...options, inlineRefs: false }).compile(shareParts(whole)),
  ];
  for (const value of [
    {
      list: [
        { type: 'a', of: 'x', a: 1 },
        { type: 'b', of: 'y' },
      ],
      either: null,
    },
    { list: [{ type: 'a', of: 1, b: 1 }, { type: 'c' }, {}, 3], either: { type: 'a', of: 1 } },
  ]) {
    const [one, other] = checks.map((check) => {
      const holds = check(value);
      const said = (check.errors ?? []).map(({ instancePath, keyword, params }) => ({ instancePath, keyword, params }));
      return { holds, said };
    });
    expect(other).toEqual(one);
  }
});
