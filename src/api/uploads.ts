import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { posix } from 'node:path';
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { typeid } from 'typeid-js';
import { DatasetTooLargeError, removeDatasetFiles, sumBytes } from '../data/dataset-files.ts';
import type { ImageOptions } from '../data/decode-images.ts';
import { FILE_TYPES, type FileHint, readHint } from '../data/identify-file.ts';
import { type IngestedDataset, readDataset, storeDatasetFile } from '../data/ingest-dataset.ts';
import type { DatasetFile, DatasetOrigin } from '../spec/dataset.ts';
import { ApiError } from '../spec/errors.ts';
import { listWords } from '../spec/suggest.ts';
import type { ApiDeps } from './deps.ts';
import { JSON_BODY_BYTES, parseJson } from './json-body.ts';
import { refuseDatasetBytes } from './quotas.ts';
import { isStorable } from './request-checks.ts';

/** From a request's body to files in storage and what is known of them. */

export const UPLOAD_TYPES = [...FILE_TYPES, 'multipart/form-data'];
export const LONGEST_NAME = 200;

/** Boundaries and headers of a multipart body's parts. */
const MULTIPART_MARGIN_BYTES = 65_536;
/** How long a client that is refused is listened to, so that it hears the answer. */
const LINGER_MS = 5_000;

/** What a dataset is made with, wherever its bytes come from. */
export interface Making {
  /** of its files */
  folder: string;
  deps: ApiDeps;
  images: ImageOptions;
  /** what the query says of the rows: whether CSV has a header line, and the order of day, month and year; null: not said here */
  said: Pick<FileHint, 'hasHeader' | 'dateOrder'>;
  /** of the files in storage */
  maxBytes: number;
  signal: AbortSignal;
}

export interface Upload {
  /** the form's or the JSON body's field `name`, or that of the form's file */
  name: string | undefined;
  ingested: IngestedDataset;
  origin?: DatasetOrigin;
}

/** Stores and reads the body; on any error nothing of it is left. */
export async function receiveUpload(
  request: FastifyRequest,
  reply: FastifyReply,
  id: string,
  deps: ApiDeps,
  { images, said }: Pick<Making, 'images' | 'said'>,
  /** makes a dataset of what a JSON object says */
  makeOf: (body: unknown, making: Making) => Promise<Upload>,
  /** bytes that the tenant's datasets may have, and what is left of them; null: any number */
  quota: { most: number; left: number } | null,
): Promise<Upload> {
  const maxBytes = Math.min(deps.config.maxUploadBytes, quota?.left ?? Number.POSITIVE_INFINITY);
  const isMultipart = request.isMultipart();
  const abort = new AbortController();
  const onClose = () => abort.abort(new ApiError('bad_request', 'The connection was cut.'));
  reply.raw.once('close', onClose);
  // The connection is quiet while the file is read; quiet clients are cut off only while they should be sending.
  request.raw.once('end', () => request.raw.socket.setTimeout(0));
  try {
    const declared = Number(request.headers['content-length'] ?? 0);
    if (declared > maxBytes + (isMultipart ? MULTIPART_MARGIN_BYTES : 0)) throw new DatasetTooLargeError(maxBytes);
    const folder = `${id}/${typeid('put').toString()}`;
    const making = { folder, deps, images, said, maxBytes, signal: abort.signal };
    return isMultipart ? await receiveParts(request, making) : await receiveBody(request, making, makeOf);
  } catch (error) {
    linger(request.raw, reply);
    if (error instanceof DatasetTooLargeError && quota !== null && maxBytes < deps.config.maxUploadBytes)
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
  making: Making,
  makeOf: (body: unknown, making: Making) => Promise<Upload>,
): Promise<Upload> {
  if (!(request.body instanceof Readable))
    throw new ApiError('unsupported_media_type', `Send ${listWords(UPLOAD_TYPES)}; not a body without a type.`);
  // a body that is refused is not destroyed, for that would cut the connection before the answer
  let source: AsyncIterable<Uint8Array> = request.body.iterator({ destroyOnReturn: false });
  const encoding = request.headers['content-encoding']?.toLowerCase();
  const hint = readHint(request.headers['content-type'], (request.query as { name?: string }).name);
  if (hint.format === 'json' && (encoding ?? 'identity') === 'identity') {
    const body = await peekObject(source);
    if ('bytes' in body) {
      if (request.idempotency !== null) request.idempotency.fingerprint.body = digest(body.bytes);
      return makeOf(parseJson(body.bytes), making);
    }
    source = body.whole;
  }
  const expected = readDigest(request);
  const { ingested, sentSha256 } = await ingest(source, hint, making, encoding);
  if (expected !== null && expected !== sentSha256) {
    await removeDatasetFiles(making.folder, making.deps.storage).catch(() => {});
    const detail = `The sha-256 of the body as it arrived is ${sentSha256}, and its digest says ${expected}. Nothing was kept.`;
    throw new ApiError('digest_mismatch', detail);
  }
  if (request.idempotency !== null) request.idempotency.fingerprint.body = sentSha256;
  return { name: undefined, ingested };
}

/** A JSON object says what to make a dataset of, an array is one. */
async function peekObject(
  source: AsyncIterable<Uint8Array>,
): Promise<{ bytes: Buffer } | { whole: AsyncIterable<Uint8Array> }> {
  const pieces = source[Symbol.asyncIterator]();
  const start: Uint8Array[] = [];
  let size = 0;
  let isObject: boolean | null = null;
  while (isObject !== false && size <= JSON_BODY_BYTES) {
    const { value, done } = await pieces.next();
    if (done) break;
    start.push(value);
    size += value.length;
    const first = (value as Uint8Array).find((byte) => byte > 0x20);
    if (isObject === null && first !== undefined) isObject = first === 0x7b;
  }
  if (isObject === true) {
    if (size > JSON_BODY_BYTES)
      throw new ApiError(
        'too_large',
        `A JSON object here may have at most ${JSON_BODY_BYTES} bytes; rows come as an array.`,
      );
    return { bytes: Buffer.concat(start) };
  }
  async function* whole() {
    yield* start;
    for (let next = await pieces.next(); !next.done; next = await pieces.next()) yield next.value;
  }
  return { whole: whole() };
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function addSaid(told: FileHint, { hasHeader, dateOrder }: Making['said']): FileHint {
  return { ...told, hasHeader: hasHeader ?? told.hasHeader, dateOrder };
}

/** Stores and reads one file. */
export async function ingest(
  source: AsyncIterable<Uint8Array>,
  told: FileHint,
  { folder, deps: { storage }, images, said, maxBytes, signal }: Making,
  encoding?: string,
): Promise<{ ingested: IngestedDataset; sentSha256: string }> {
  const stored = await storeDatasetFile({ folder, role: 'data', source, storage, maxBytes, encoding, signal });
  const hint = addSaid(told, said);
  const ingested = await readDataset({ folder, files: [stored.file], hint, images, storage, maxBytes, signal });
  return { ingested, sentSha256: stored.sentSha256 };
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

/** Fields `images` and `labels` (IDX), or one `file` whose type, ending or beginning says what it is; and `name`. */
async function receiveParts(request: FastifyRequest, making: Making): Promise<Upload> {
  const { folder, deps, images, said, maxBytes, signal } = making;
  const { storage } = deps;
  let name: string | undefined;
  let fileName: string | undefined;
  let hint: FileHint | undefined;
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
      const role = ROLES[part.fieldname];
      if (role === undefined)
        throw refuse(
          `The file "${part.fieldname.slice(0, 100)}" is not known here; send images and labels (IDX), or file (any format).`,
        );
      if (files.some((file) => file.role === role)) throw refuse(`"${part.fieldname}" stands here twice.`);
      if (files.length > 0 && (role === 'data') !== (files[0]!.role === 'data'))
        throw refuse('Send images and labels, or one file.');
      hint = addSaid(readHint(part.mimetype, part.filename), said);
      if (role === 'data') fileName = readFileName(part.filename);
      const left = maxBytes - sumBytes(files);
      const stored = await storeDatasetFile({ folder, role, source: part.file, storage, maxBytes: left, signal });
      files.push(stored.file);
    }
    const [first] = files;
    if (first === undefined) throw refuse('There is no file; send images and labels (IDX), or file (any format).');
    if (first.role !== 'data' && files.length < 2)
      throw refuse(`"${first.role === 'images' ? 'labels' : 'images'}" is missing.`);
    return {
      name: name ?? fileName,
      ingested: await readDataset({ folder, files, hint, images, storage, maxBytes, signal }),
    };
  } catch (error) {
    // What cannot be removed now is an orphan; the error that brought us here says more than that one would.
    await removeDatasetFiles(folder, storage).catch(() => {});
    if (error instanceof DatasetTooLargeError) throw new DatasetTooLargeError(maxBytes);
    throw isFormError(error) ? refuse(`${(error as Error).message}.`) : error;
  }
}

const ROLES: Record<string, DatasetFile['role']> = { images: 'images', labels: 'labels', file: 'data' };

function refuse(detail: string): ApiError {
  return new ApiError('invalid_multipart', detail);
}

/** The parser's own errors have no code: no boundary, a part that ends early, the end missing. */
function isFormError(error: unknown): boolean {
  return (
    error instanceof Error && /^(Multipart:|Unexpected end of multipart|Part terminated early)/.test(error.message)
  );
}

/** Without its folders; undefined where it can be no name. */
function readFileName(path: string): string | undefined {
  const name = posix.basename(path.replaceAll('\\', '/'));
  return name !== '' && name.length <= LONGEST_NAME && isStorable(name) ? name : undefined;
}

function readName(part: { fieldname: string; value: unknown; valueTruncated?: boolean }): string {
  const { fieldname, value } = part;
  if (fieldname !== 'name') throw refuse(`The field "${fieldname.slice(0, 100)}" is not known here; there is name.`);
  if (typeof value !== 'string' || value === '' || value.length > LONGEST_NAME)
    throw refuse(`"name" is text of 1 to ${LONGEST_NAME} characters.`);
  if (!isStorable(value)) throw new ApiError('invalid_string', '"name" has a character that cannot be stored.');
  return value;
}
