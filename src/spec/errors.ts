import { type Static, Type } from 'typebox';
import { nullable, words } from './schema.ts';

/**
 * Every code an error can have: the only source of them, and their documentation. `type` in a problem document is `/docs/errors#<code>`.
 */
export interface ErrorKind {
  status: number;
  title: string;
}

export const ERRORS = {
  empty_body: { status: 400, title: 'The body is empty' },
  invalid_json: { status: 400, title: 'The body is not JSON' },
  forbidden_key: { status: 400, title: 'A key of the body is forbidden' },
  duplicate_key: { status: 400, title: 'An object has a key twice' },
  too_deep: { status: 400, title: 'The body is nested too deeply' },
  not_finite: { status: 400, title: 'A number is too large' },
  invalid_string: { status: 400, title: 'A text has a character that cannot be stored' },
  invalid_field: { status: 400, title: 'A field cannot be read' },
  invalid_multipart: { status: 400, title: 'The multipart body cannot be read' },
  digest_mismatch: { status: 400, title: 'The body is not what its digest says' },
  invalid_cursor: { status: 400, title: 'The cursor is not one that was given out' },
  invalid_id: { status: 400, title: 'The id has not the right form' },
  invalid_event_id: { status: 400, title: 'The event id is not a whole number' },
  invalid_idempotency_key: { status: 400, title: 'The Idempotency-Key cannot be used' },
  bad_request: { status: 400, title: 'The request cannot be read' },
  unauthorized: { status: 401, title: 'A key is missing, or is not the right one' },
  insufficient_scope: { status: 403, title: 'The key may not do that' },
  dataset_not_found: { status: 404, title: 'There is no such dataset' },
  job_not_found: { status: 404, title: 'There is no such job' },
  checkpoint_not_found: { status: 404, title: 'There is no such checkpoint' },
  api_key_not_found: { status: 404, title: 'There is no such key' },
  webhook_not_found: { status: 404, title: 'There is no such webhook' },
  delivery_not_found: { status: 404, title: 'There is no such delivery' },
  not_found: { status: 404, title: 'There is nothing at this address' },
  method_not_allowed: { status: 405, title: 'This address does not know the method' },
  request_timeout: { status: 408, title: 'The request took too long to arrive' },
  illegal_transition: { status: 409, title: 'The job cannot do that now' },
  too_many_webhooks: { status: 409, title: 'There are as many webhooks as there can be' },
  dataset_in_use: { status: 409, title: 'A job still needs the dataset' },
  job_in_use: { status: 409, title: 'Another job still needs the job' },
  idempotency_in_progress: { status: 409, title: 'The same request is at work' },
  checkpoint_not_ready: { status: 409, title: 'The job has no checkpoint yet' },
  too_large: { status: 413, title: 'The body is too large' },
  id_too_long: { status: 414, title: 'A part of the address is too long' },
  unsupported_media_type: { status: 415, title: 'The body has a type that is not read here' },
  unsupported_encoding: { status: 415, title: 'The body has an encoding that is not read here' },
  range_not_satisfiable: { status: 416, title: 'The range lies outside the file' },
  invalid_spec: { status: 422, title: 'The specification makes no sense' },
  shape_mismatch: { status: 422, title: 'Shapes do not fit' },
  model_too_large: { status: 422, title: 'The model is too large' },
  invalid_rows: { status: 422, title: 'Rows do not fit the model' },
  invalid_csv: { status: 422, title: 'The CSV cannot be read' },
  invalid_jsonl: { status: 422, title: 'The JSON lines cannot be read' },
  invalid_idx: { status: 422, title: 'The IDX files cannot be read' },
  invalid_labels: { status: 422, title: 'The labels do not fit the images' },
  invalid_text: { status: 422, title: 'The text cannot be read' },
  invalid_encoding: { status: 422, title: 'The text is not UTF-8' },
  idempotency_mismatch: { status: 422, title: 'The Idempotency-Key was used for another request' },
  webhook_url_forbidden: { status: 422, title: 'The URL of a webhook may not be called' },
  headers_too_large: { status: 431, title: 'The headers are too large' },
  checkpoint_damaged: { status: 500, title: 'The checkpoint is not what was written' },
  internal: { status: 500, title: 'Something went wrong here' },
  unavailable: { status: 503, title: 'A part of the service cannot be reached just now' },
  storage_full: { status: 507, title: 'The storage is full' },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

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
    super(detail);
    this.code = code;
    this.errors = options.errors ?? [];
    this.headers = options.headers ?? {};
  }
}
