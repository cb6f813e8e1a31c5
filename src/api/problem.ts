import type { ErrorObject } from 'ajv';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { DatasetError } from '../data/dataset-error.ts';
import { DatasetTooLargeError } from '../data/dataset-files.ts';
import { DatasetInUseError, DatasetNotFoundError, QuotaOfBytesError } from '../db/datasets.ts';
import { isUnavailable } from '../db/is-unavailable.ts';
import { ModelFullError, ModelInUseError } from '../db/model-versions.ts';
import { WeightsInUseError } from '../db/weights.ts';
import { TooManyJobsError } from '../jobs/create-job.ts';
import { JobInUseError } from '../jobs/delete-job.ts';
import { IllegalTransitionError } from '../jobs/transitions.ts';
import { describeErrors } from '../spec/describe-errors.ts';
import { ApiError, ERRORS, type ErrorCode, type Problem, type ProblemError } from '../spec/errors.ts';
import { EstimatorBusyError, NotEstimableError } from '../spec/estimate.ts';
import { ExporterBusyError, ExportRefusedError } from '../spec/export.ts';
import { CheckpointUnusableError, PredictorBusyError, RowsError } from '../spec/prediction.ts';
import { BlobNotFoundError, isStorageFailure, StorageFullError } from '../storage/storage.ts';
import { refuseBusy } from './idempotency.ts';
import { JSON_BODY_BYTES } from './json-body.ts';
import { refuseDatasetBytes } from './quotas.ts';

/** Every error becomes `application/problem+json` (RFC 9457), here and nowhere else. */
export function setProblemHandlers(app: FastifyInstance): void {
  app.setErrorHandler(sendError);
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0]!;
    const allowed = METHODS.filter((method) => method !== request.method && isRoute(app, method, path));
    if (allowed.length === 0)
      return sendProblem(request, reply, new ApiError('not_found', `There is nothing at ${path.slice(0, 200)}.`));
    const headers = { allow: allowed.join(', ') };
    return sendProblem(
      request,
      reply,
      new ApiError('method_not_allowed', `${path} knows ${allowed.join(', ')}, not ${request.method}.`, { headers }),
    );
  });
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

function isRoute(app: FastifyInstance, method: (typeof METHODS)[number], path: string): boolean {
  return app.findRoute({ method, url: path }) !== null;
}

export function sendError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const problem = toApiError(error, request);
  if (ERRORS[problem.code].status >= 500) request.log.error({ err: error }, problem.message);
  // an error before routing passes no hook
  reply.header('x-request-id', request.id);
  sendProblem(request, reply, problem);
}

function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: ApiError): FastifyReply {
  return reply
    .code(ERRORS[problem.code].status)
    .headers(problem.headers)
    .type('application/problem+json')
    .serializer((body: unknown) => JSON.stringify(body))
    .send({ ...describeProblem(problem, request.id), ...(isInference(request) && { error: problem.message }) });
}

/** Clients of the Open Inference Protocol read `error`; what is beside it tells them more. */
function isInference({ url }: FastifyRequest): boolean {
  return /^\/v2(?![^/?])/.test(url);
}

/** The body of the answer. */
export function describeProblem({ code, message, errors }: ApiError, requestId: string): Problem {
  const { status, title } = ERRORS[code];
  return { type: `/docs/errors#${code}`, title, status, detail: message, code, errors, request_id: requestId };
}

/** The same where the answer has begun already. */
export function describeFailure(error: unknown, request: FastifyRequest): Problem {
  return describeProblem(toApiError(error as FastifyError, request), request.id);
}

/** What went wrong, in our codes. */
function toApiError(
  error: Omit<FastifyError, 'validation'> & { validation?: ErrorObject[] },
  request: FastifyRequest,
): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof DatasetError) {
    const errors = error.mistakes.map(({ line, column, detail, expected }): ProblemError => {
      const place = [line === null ? [] : `line ${line}`, column === null ? [] : `column ${column}`].flat().join(', ');
      return { pointer: '', code: error.code, detail: place === '' ? detail : `${place}: ${detail}`, expected };
    });
    return new ApiError(error.code, `${error.message}. No dataset was made.`, { errors });
  }
  if (error instanceof DatasetTooLargeError) return new ApiError('too_large', error.message);
  if (error instanceof DatasetNotFoundError) return new ApiError('dataset_not_found', error.message);
  if (error instanceof DatasetInUseError) return new ApiError('dataset_in_use', error.message);
  if (error instanceof TooManyJobsError)
    return new ApiError(
      'quota_exceeded',
      `There are too many jobs: ${error.message}. Wait for one to end, or cancel one.`,
      {
        headers: { 'retry-after': '60' },
      },
    );
  if (error instanceof QuotaOfBytesError) return refuseDatasetBytes(error.most);
  if (error instanceof ModelInUseError) return new ApiError('model_in_use', `${error.message}.`);
  if (error instanceof ModelFullError) return new ApiError('model_full', `${error.message}.`);
  if (error instanceof WeightsInUseError) return new ApiError('weights_in_use', `${error.message}.`);
  if (error instanceof JobInUseError) return new ApiError('job_in_use', `${error.message}.`);
  if (error instanceof IllegalTransitionError) return new ApiError('illegal_transition', `${error.message}.`);
  if (error instanceof RowsError) return new ApiError('invalid_rows', error.message, { errors: error.mistakes });
  if (error instanceof PredictorBusyError)
    return new ApiError('unavailable', 'Too many predictions are waiting. Please try again.', {
      headers: { 'retry-after': '1' },
    });
  if (error instanceof ExporterBusyError)
    return new ApiError('unavailable', 'Too many exports are waiting. Please try again.', {
      headers: { 'retry-after': '10' },
    });
  if (error instanceof ExportRefusedError) return new ApiError('not_exportable', `${error.message}.`);
  if (error instanceof EstimatorBusyError)
    return new ApiError('unavailable', 'No estimate could be made just now. Please try again.', {
      headers: { 'retry-after': '10' },
    });
  if (error instanceof NotEstimableError) {
    const detail = `${error.message[0]!.toUpperCase()}${error.message.slice(1)}.`;
    return new ApiError('invalid_spec', detail, {
      errors: [{ pointer: '', code: 'invalid_spec', detail, expected: error.hint }],
    });
  }
  if (error instanceof CheckpointUnusableError) return new ApiError('checkpoint_damaged', `${error.message}.`);
  if (error instanceof StorageFullError)
    return new ApiError('storage_full', 'There is no room left; nothing was stored.');
  if (isStorageFailure(error))
    return new ApiError('unavailable', 'The storage cannot be read or written just now. Please try again.', {
      headers: { 'retry-after': '2' },
    });
  if (error instanceof BlobNotFoundError) return new ApiError('checkpoint_not_found', 'The file is gone.');
  if (error.validation !== undefined) {
    const code = error.validation.every(isLimit) ? 'invalid_limit' : 'invalid_field';
    const errors = describeErrors(error.validation).map((mistake) => ({ ...mistake, code }));
    return new ApiError(code, `${errors[0]!.pointer}: ${errors[0]!.detail}`, { errors });
  }
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return new ApiError(
      'too_large',
      `A JSON body may have at most ${JSON_BODY_BYTES} bytes. Rows may come as CSV or JSON lines, and a tokenizer.json packed by gzip in base64.`,
    );
  const known = FASTIFY_CODES[error.code];
  if (known !== undefined) return new ApiError(known, error.message);
  if (request.idempotency && isUniqueViolation(error)) return refuseBusy();
  if (isUnavailable(error))
    return new ApiError('unavailable', 'The database cannot be reached, or has no room. Please try again.', {
      headers: { 'retry-after': '2' },
    });
  if (error.statusCode !== undefined && error.statusCode < 500) return new ApiError('bad_request', error.message);
  return new ApiError('internal', `The request ${request.id} failed; the log knows why.`);
}

/** Fastify validates parameters of the address alone; bodies are checked by their routes. */
function isLimit({ instancePath }: { instancePath: string }): boolean {
  return instancePath === '/limit';
}

const FASTIFY_CODES: Record<string, ErrorCode> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'bad_request',
  FST_ERR_MAX_PARAM_LENGTH: 'id_too_long',
  FST_ERR_BAD_URL: 'invalid_id',
  FST_REQ_FILE_TOO_LARGE: 'too_large',
  FST_FILES_LIMIT: 'too_large',
  FST_PARTS_LIMIT: 'too_large',
  FST_FIELDS_LIMIT: 'too_large',
  FST_INVALID_JSON_FIELD_ERROR: 'invalid_multipart',
  FST_PROTO_VIOLATION: 'invalid_multipart',
  FST_MP_PREMATURE_CLOSE: 'bad_request',
  FST_UNDER_PRESSURE: 'unavailable',
};

/** Of PostgreSQL: another attempt has made it meanwhile. */
function isUniqueViolation({ cause }: Error): boolean {
  return (cause as { code?: string } | undefined)?.code === '23505';
}
