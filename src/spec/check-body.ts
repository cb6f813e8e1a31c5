import { Ajv } from 'ajv';
import type { Static, TSchema } from 'typebox';
import { describeErrors } from './describe-errors.ts';
import { ApiError } from './errors.ts';
import { MOST_MISTAKES } from './mistake.ts';

const ajv = new Ajv({ allErrors: true, useDefaults: true, strict: false, verbose: true });

/** A check of small bodies against a schema of ours: answers the body with its defaults, or throws invalid_field with everything that is wrong. */
export function createBodyCheck<S extends TSchema>(schema: S): (body: unknown) => Static<S> {
  const validate = ajv.compile(schema);
  return (body) => {
    const copy = structuredClone(body);
    if (validate(copy)) return copy as Static<S>;
    const errors = describeErrors(validate.errors ?? [])
      .slice(0, MOST_MISTAKES)
      .map((mistake) => ({ ...mistake, code: 'invalid_field' }));
    const [first] = errors;
    throw new ApiError('invalid_field', `${first!.pointer === '' ? 'The body' : first!.pointer}: ${first!.detail}`, {
      errors,
    });
  };
}
