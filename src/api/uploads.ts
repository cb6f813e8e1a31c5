import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  DatasetTooLargeError,
  digestFiles,
  type IngestedDataset,
  ingestDataset,
  orderFiles,
  removeDatasetFiles,
  storeDatasetFile,
} from '../data/ingest-dataset.ts';
import { profileStoredFiles } from '../data/profile-stored.ts';
import type { DatasetFile, DatasetFormat } from '../spec/dataset.ts';
import { ApiError } from '../spec/errors.ts';
import type { ApiDeps } from './deps.ts';
import { refuseDatasetBytes } from './quotas.ts';
import { isStorable } from './request-checks.ts';

/** From a request's body to files in storage and what is known of them. */

export const UPLOAD_FORMATS: Record<string, DatasetFormat> = {
  'text/csv': 'csv',
  'application/x-ndjson': 'jsonl',
  'application/jsonl': 'jsonl',
  'text/plain': 'text',
};
/** Browsers call many files text/plain: there the ending says more. */
const UPLOAD_ENDINGS: { ending: RegExp; format: DatasetFormat }[] = [
  { ending: /\.(jsonl|ndjson)$/i, format: 'jsonl' },
  { ending: /\.csv$/i, format: 'csv' },
  { ending: /\.txt$/i, format: 'text' },
];
export const UPLOAD_TYPES = [...Object.keys(UPLOAD_FORMATS), 'multipart/form-data'];
export const LONGEST_NAME = 200;

/** Boundaries and headers of a multipart body's parts. */
const MULTIPART_MARGIN_BYTES = 65_536;
/** How long a client that is refused is listened to, so that it hears the answer. */
const LINGER_MS = 5_000;

export interface Upload {
  format: DatasetFormat;
  /** the form's field `name` */
  name: string | undefined;
  ingested: IngestedDataset;
}

/** Stores and reads the body; on any error nothing of it is left. */
export async function receiveUpload(
  request: FastifyRequest,
  reply: FastifyReply,
  id: string,
  deps: ApiDeps,
  /** bytes that the tenant's datasets may have, and what is left of them; null: any number */
  quota: { most: number; left: number } | null,
): Promise<Upload> {
  const maxUploadBytes = Math.min(deps.config.maxUploadBytes, quota?.left ?? Number.POSITIVE_INFINITY);
  const limited = { ...deps, config: { ...deps.config, maxUploadBytes } };
  const isMultipart = request.isMultipart();
  const abort = new AbortController();
  const onClose = () => abort.abort(new ApiError('bad_request', 'The connection was cut.'));
  reply.raw.once('close', onClose);
  // The connection is quiet while the file is read; quiet clients are cut off only while they should be sending.
  request.raw.once('end', () => request.raw.socket.setTimeout(0));
  try {
    const declared = Number(request.headers['content-length'] ?? 0);
    if (declared > maxUploadBytes + (isMultipart ? MULTIPART_MARGIN_BYTES : 0))
      throw new DatasetTooLargeError(maxUploadBytes);
    return isMultipart
      ? await receiveParts(request, id, limited, abort.signal)
      : await receiveBody(request, id, limited, abort.signal);
  } catch (error) {
    linger(request.raw, reply);
    if (error instanceof DatasetTooLargeError && quota !== null && maxUploadBytes < deps.config.maxUploadBytes)
      throw refuseDatasetBytes(quota.most);
    throw error;
  } finally {
    reply.raw.off('close', onClose);
  }
}

/**
 * Reads on for a while and throws away. Closed at once, a connection on which a client is still sending is reset, and the client never sees why it
 * was refused.
 */
export function linger(request: IncomingMessage, reply: FastifyReply): void {
  if (request.readableEnded || request.destroyed) return;
  reply.header('connection', 'close');
  request.resume();
  const { socket } = request;
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
}

async function receiveBody(
  request: FastifyRequest,
  id: string,
  { storage, config }: ApiDeps,
  signal: AbortSignal,
): Promise<Upload> {
  const type = (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  const format = UPLOAD_FORMATS[type];
  if (format === undefined)
    throw new ApiError(
      'unsupported_media_type',
      `Send ${UPLOAD_TYPES.join(', ')}; not ${type === '' ? 'a body without a type' : type}.`,
    );
  const expected = readDigest(request);
  const ingested = await ingestDataset({
    id,
    format,
    // a body that is refused is not destroyed, for that would cut the connection before the answer
    files: [{ role: 'data', source: (request.body as Readable).iterator({ destroyOnReturn: false }) }],
    storage,
    maxBytes: config.maxUploadBytes,
    signal,
  });
  const [{ sha256 }] = ingested.files as [DatasetFile];
  if (expected !== null && expected !== sha256) {
    await removeDatasetFiles(id, format, storage).catch(() => {});
    const detail = `The sha-256 of the body as it arrived is ${sha256}, and its digest says ${expected}. Nothing was kept.`;
    throw new ApiError('digest_mismatch', detail);
  }
  if (request.idempotency !== null) request.idempotency.fingerprint.body = sha256;
  return { format, name: undefined, ingested };
}

/** The sha-256 that the client tells of the body (RFC 9530), in hex; null: none. Other algorithms are passed over, as the RFC has it. */
export function readDigest({ headers }: FastifyRequest): string | null {
  for (const name of ['content-digest', 'repr-digest']) {
    const given = headers[name];
    const found = /(?:^|[\s,])sha-256=:([A-Za-z0-9+/=]*):/.exec(typeof given === 'string' ? given : '');
    if (found === null) continue;
    const digest = Buffer.from(found[1]!, 'base64');
    if (digest.length !== 32) throw new ApiError('bad_request', `${name} has no sha-256 of 32 bytes in base64.`);
    return digest.toString('hex');
  }
  return null;
}

/** Fields `images` and `labels` (IDX), or one `file` whose type or ending says what it is; and `name`. */
async function receiveParts(
  request: FastifyRequest,
  id: string,
  { storage, config }: ApiDeps,
  signal: AbortSignal,
): Promise<Upload> {
  let format: DatasetFormat | undefined;
  let name: string | undefined;
  const files: DatasetFile[] = [];
  try {
    for await (const part of request.parts()) {
      // where the parser cannot read the part's header
      if (typeof part.fieldname !== 'string') throw refuse('A part has no name.');
      if (part.type === 'field') {
        if (name !== undefined) throw refuse('"name" stands here twice.');
        name = readName(part);
        continue;
      }
      const { role, format: partFormat } = readFilePart(part.fieldname, part.mimetype, part.filename);
      if (role === null)
        throw refuse(
          `The file "${part.fieldname.slice(0, 100)}" is not known here; send images and labels (IDX), or file (CSV, JSON lines or text).`,
        );
      if (files.some((file) => file.role === role)) throw refuse(`"${part.fieldname}" stands here twice.`);
      if (format !== undefined && format !== partFormat) throw refuse('Send images and labels, or one file.');
      format = partFormat;
      const left = config.maxUploadBytes - sumBytes(files);
      files.push(await storeDatasetFile({ id, role, source: part.file, storage, maxBytes: left, signal }));
    }
    if (format === undefined)
      throw refuse('There is no file; send images and labels (IDX), or file (CSV, JSON lines or text).');
    if (format === 'idx' && files.length < 2)
      throw refuse(`"${files[0]!.role === 'images' ? 'labels' : 'images'}" is missing.`);
    const ordered = orderFiles(format, files);
    const { profile, preview } = await profileStoredFiles({ format, files: ordered, storage, signal });
    return {
      format,
      name,
      ingested: { files: ordered, sizeBytes: sumBytes(ordered), sha256: digestFiles(ordered), profile, preview },
    };
  } catch (error) {
    // What cannot be removed now is an orphan; the error that brought us here says more than that one would.
    if (format !== undefined) await removeDatasetFiles(id, format, storage).catch(() => {});
    if (error instanceof DatasetTooLargeError) throw new DatasetTooLargeError(config.maxUploadBytes);
    throw isFormError(error) ? refuse(`${(error as Error).message}.`) : error;
  }
}

function refuse(detail: string): ApiError {
  return new ApiError('invalid_multipart', detail);
}

/** The parser's own errors have no code: no boundary, a part that ends early, the end missing. */
function isFormError(error: unknown): boolean {
  return (
    error instanceof Error && /^(Multipart:|Unexpected end of multipart|Part terminated early)/.test(error.message)
  );
}

function readName(part: { fieldname: string; value: unknown; valueTruncated?: boolean }): string {
  const { fieldname, value } = part;
  if (fieldname !== 'name') throw refuse(`The field "${fieldname.slice(0, 100)}" is not known here; there is name.`);
  if (typeof value !== 'string' || value === '' || value.length > LONGEST_NAME)
    throw refuse(`"name" is text of 1 to ${LONGEST_NAME} characters.`);
  if (!isStorable(value)) throw new ApiError('invalid_string', '"name" has a character that cannot be stored.');
  return value;
}

function readFilePart(
  field: string,
  type: string,
  filename: string | undefined,
): { role: DatasetFile['role'] | null; format: DatasetFormat } {
  if (field === 'images' || field === 'labels') return { role: field, format: 'idx' };
  const format = type === 'text/plain' ? undefined : UPLOAD_FORMATS[type];
  const byEnding = UPLOAD_ENDINGS.find(({ ending }) => ending.test(filename ?? ''))?.format;
  return { role: field === 'file' ? 'data' : null, format: format ?? byEnding ?? UPLOAD_FORMATS[type] ?? 'csv' };
}

function sumBytes(files: readonly DatasetFile[]): number {
  return files.reduce((sum, file) => sum + file.sizeBytes, 0);
}
