import { type Static, Type } from 'typebox';
import { ERRORS, type ErrorCode } from './error-codes.ts';
import { nullable, words } from './schema.ts';

export { ERRORS, type ErrorCode };

/** One wrong thing in a request. */
export const ProblemError = Type.Object(
  {
    pointer: Type.String({ description: 'JSON pointer into what was sent; empty for the whole' }),
    code: Type.String(),
    detail: Type.String(),
    expected: nullable(Type.String()),
  },
  { title: 'ProblemError' },
);
export type ProblemError = Static<typeof ProblemError>;

/** A problem document (RFC 9457). */
export const Problem = Type.Object(
  {
    type: Type.String({ format: 'uri-reference', description: 'where the code is explained' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    code: words(Object.keys(ERRORS) as ErrorCode[]),
    errors: Type.Array(ProblemError, {
      description: 'each thing that is wrong; empty where there is one, which `detail` tells',
    }),
    request_id: Type.String({ description: 'also in the header X-Request-Id, and in the log' }),
  },
  { title: 'Problem' },
);
export type Problem = Static<typeof Problem>;

/** An error with a code, which becomes a problem document (RFC 9457). */
export class ApiError extends Error {
  readonly code: ErrorCode;
  readonly errors: ProblemError[];
  readonly headers: Record<string, string>;
  constructor(
    code: ErrorCode,
    detail: string,
    options: { errors?: ProblemError[]; headers?: Record<string, string> } = {},
  ) {
    // what was cut short may end inside a character
    super(detail.toWellFormed());
    this.code = code;
    this.errors = options.errors ?? [];
    this.headers = options.headers ?? {};
  }
}
