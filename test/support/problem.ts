import { expect } from 'vitest';
import { ERRORS, type ErrorCode, type Problem } from '../../src/spec/errors.ts';

/** That an answer is the problem document of a code, whole and complete. */
export function expectProblem(
  { status, headers, body }: { status: number; headers: Headers; body: unknown },
  code: ErrorCode,
): Problem {
  expect(body).toMatchObject({
    type: `/docs/errors#${code}`,
    title: ERRORS[code].title,
    status: ERRORS[code].status,
    code,
    detail: expect.stringMatching(/\S/),
    errors: expect.any(Array),
    request_id: headers.get('x-request-id'),
  });
  expect(status).toBe(ERRORS[code].status);
  expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
  const problem = body as Problem;
  for (const error of problem.errors) {
    expect(error).toEqual({
      pointer: expect.stringMatching(/^(\/|$)/),
      code: expect.any(String),
      detail: expect.stringMatching(/\S/),
      expected: error.expected === null ? null : expect.any(String),
    });
  }
  return problem;
}
