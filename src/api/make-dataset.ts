import { posix } from 'node:path';
import type { Derivation } from '../data/derive-rows.ts';
import { readHint } from '../data/identify-file.ts';
import { readDataset } from '../data/ingest-dataset.ts';
import { orderOf, parseDate } from '../data/parse-date.ts';
import type { Database } from '../db/client.ts';
import { type DatasetRow, getDataset } from '../db/datasets.ts';
import { ForbiddenAddressError } from '../outbound/guard.ts';
import { type Outbound, type OutboundFile, TooManyRedirectsError } from '../outbound/request.ts';
import { createBodyCheck } from '../spec/check-body.ts';
import type { Column, DatasetOrigin } from '../spec/dataset.ts';
import { DatasetRequest } from '../spec/dataset-request.ts';
import { ApiError } from '../spec/errors.ts';
import { checkFilter, type Filter } from '../spec/filter.ts';
import { isObject } from '../spec/is-object.ts';
import type { Mistake } from '../spec/mistake.ts';
import { listWords } from '../spec/suggest.ts';
import type { TusUploads } from './tus-uploads.ts';
import { ingest, type Making, type Upload } from './uploads.ts';

/** A dataset from what a request names: an address, or other datasets. */

const readRequest = createBodyCheck(DatasetRequest);
const SOURCES = ['url', 'upload', 'from'] as const;
const CHOICES = ['columns', 'filter', 'sample', 'part'] as const;

export interface Sources {
  outbound: Outbound;
  uploads: TusUploads;
  db: Database;
  tenant: string;
}

/** An object that has nothing of a request is one row, or holds the rows. */
function refuseRows(body: unknown): void {
  if (!isObject(body) || Object.keys(body).some((key) => Object.hasOwn(DatasetRequest.properties, key))) return;
  const detail = 'an object that names nothing to make a dataset of';
  const expected = `one of ${listWords([...SOURCES])}; or rows as an array of objects: [{"age": 31}, …]`;
  refuseIfAny([{ pointer: '', code: 'invalid_field', detail, expected }]);
}

/** Errors: ApiError; those of readDataset. */
export async function makeDataset(body: unknown, making: Making, sources: Sources): Promise<Upload> {
  refuseRows(body);
  const request = readRequest(body);
  const mistakes: Mistake[] = [];
  const given = SOURCES.filter((source) => request[source] !== undefined);
  if (given.length !== 1)
    mistakes.push({
      pointer: '',
      code: 'invalid_field',
      detail: given.length === 0 ? 'there is nothing to make a dataset of' : `there are ${given.join(' and ')}`,
      expected: `one of ${listWords([...SOURCES])}; or send the file itself`,
    });
  for (const choice of CHOICES)
    if (request.from === undefined && request[choice] !== undefined)
      mistakes.push({ pointer: `/${choice}`, code: 'invalid_field', detail: 'goes with from', expected: null });
  refuseIfAny(mistakes);
  const { name } = request;
  if (request.url !== undefined) return { name, ...(await fetchDataset(request.url, making, sources.outbound)) };
  if (request.upload !== undefined) return { name, ...(await useUpload(request.upload, making, sources)) };
  return { name, ...(await deriveDataset(request, making, sources)) };
}

function refuseIfAny(mistakes: readonly Mistake[]): void {
  const [first] = mistakes;
  if (first === undefined) return;
  const code = mistakes.every((mistake) => mistake.code === 'invalid_field') ? 'invalid_field' : 'invalid_spec';
  throw new ApiError(code, `${first.pointer === '' ? 'The body' : first.pointer}: ${first.detail}`, {
    errors: mistakes.slice(0, 50),
  });
}

async function fetchDataset(url: string, making: Making, outbound: Outbound): Promise<Omit<Upload, 'name'>> {
  const file = await openUrl(url, making.signal, outbound);
  if (file.status !== 200) {
    file.body.on('error', () => {}).destroy();
    throw new ApiError('url_unreachable', `The address answers with status ${file.status}.`);
  }
  const { headers, body } = file;
  const encoding = typeof headers['content-encoding'] === 'string' ? headers['content-encoding'] : undefined;
  const type = typeof headers['content-type'] === 'string' ? headers['content-type'] : undefined;
  let failure: Error | null = null;
  async function* read() {
    try {
      yield* body as AsyncIterable<Uint8Array>;
    } catch (error) {
      failure = error as Error;
      throw error;
    }
  }
  try {
    // servers say of many files that they are plain text: the ending says more
    const hint = readHint(type, posix.basename(file.url.pathname));
    const { ingested } = await ingest(read(), hint, making, encoding?.toLowerCase());
    const { origin, pathname } = new URL(url);
    return { ingested, origin: { type: 'url', url: `${origin}${pathname}` } };
  } catch (error) {
    if (failure !== null && !making.signal.aborted) throw refuseUnreachable(failure);
    throw error;
  } finally {
    body.on('error', () => {}).destroy();
  }
}

/** The upload is removed when the dataset is there. */
async function useUpload(upload: string, making: Making, { uploads, tenant }: Sources): Promise<Omit<Upload, 'name'>> {
  const { bytes, fileName, type } = await uploads.read(tenant, upload);
  const { ingested } = await ingest(bytes, readHint(type, fileName), making);
  return { ingested, origin: { type: 'upload', upload } };
}

async function openUrl(url: string, signal: AbortSignal, outbound: Outbound): Promise<OutboundFile> {
  try {
    return await outbound.open(url, signal);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof ForbiddenAddressError) {
      const { message: detail } = error;
      const errors = [{ pointer: '/url', code: 'url_forbidden', detail, expected: 'a public https URL' }];
      throw new ApiError('url_forbidden', `/url: ${detail}`, { errors });
    }
    throw refuseUnreachable(error as Error);
  }
}

function refuseUnreachable(error: Error): ApiError {
  const reason =
    error instanceof TooManyRedirectsError ? error.message : String((error as { code?: string }).code ?? error.name);
  return new ApiError('url_unreachable', `The file cannot be fetched: ${reason}.`);
}

async function deriveDataset(
  request: DatasetRequest,
  { folder, deps: { storage }, said: { dateOrder }, maxBytes, signal }: Making,
  { db, tenant }: Sources,
): Promise<Omit<Upload, 'name'>> {
  const parents: DatasetRow[] = [];
  const missing: Mistake[] = [];
  for (const [i, parent] of request.from!.entries()) {
    const row = await getDataset(db, tenant, parent);
    if (row === null)
      throw new ApiError('dataset_not_found', `There is no dataset ${JSON.stringify(parent.slice(0, 100))}.`);
    parents.push(row);
    missing.push(...compareParents(parents[0]!, row, `/from/${i}`));
  }
  const [{ columns }] = parents as [DatasetRow];
  const names = columns.map(({ name }) => name);
  for (const [i, name] of (request.columns ?? []).entries())
    if (!names.includes(name))
      missing.push(
        mistake(
          `/columns/${i}`,
          `there is no column ${JSON.stringify(name)}`,
          `one of: ${listWords(names.slice(0, 20))}`,
        ),
      );
  if (request.filter !== undefined) {
    const isDate = (text: string, column: Column) => !Number.isNaN(parseDate(text, orderOf(column)));
    missing.push(...checkFilter(request.filter, columns, '/filter', isDate));
  }
  if (request.part !== undefined && request.part.to <= request.part.from)
    missing.push(mistake('/part/to', 'is not above from', 'from < to'));
  refuseIfAny(missing);
  const chosen = {
    filter: (request.filter as Filter | undefined) ?? null,
    sample: request.sample ?? null,
    part: request.part ?? null,
  };
  const derivation: Derivation = {
    parents: parents.map(({ format, files, columns: own, rows }) => ({ format, files, columns: own, rows })),
    columns: request.columns ?? names,
    ...chosen,
  };
  const ingested = await readDataset({
    folder,
    files: [],
    hint: { dateOrder },
    derivation,
    storage,
    maxBytes,
    signal,
  }).catch(async (error: unknown) => {
    if (signal.aborted) throw error;
    // a parent that was deleted meanwhile has no files any more
    for (const parent of parents)
      if ((await getDataset(db, tenant, parent.id)) === null)
        throw new ApiError('dataset_not_found', `The dataset ${parent.id} was deleted while it was read.`);
    throw error;
  });
  const origin: DatasetOrigin = {
    type: 'datasets',
    from: parents.map((parent) => parent.id),
    columns: request.columns ?? null,
    ...chosen,
  };
  return { ingested, origin };
}

/** What stands against putting rows of two datasets one below the other. */
function compareParents(first: DatasetRow, other: DatasetRow, pointer: string): Mistake[] {
  if (other.format === 'text') return [mistake(pointer, 'is a corpus of text', 'a dataset of rows')];
  return first.columns.flatMap((column) => {
    const { name, type, shape } = column;
    const found = other.columns.find((column) => column.name === name);
    if (found === undefined)
      return [mistake(pointer, `has no column ${JSON.stringify(name)}`, `the columns of ${first.id}`)];
    const kinds = [type, found.type].map((one) => (['number', 'boolean', 'image'].includes(one) ? one : 'text'));
    if (kinds[0] !== kinds[1])
      return [mistake(pointer, `has ${found.type} in ${JSON.stringify(name)}, which is ${type} in ${first.id}`, type)];
    const orders = [column, found].map(orderOf);
    if (!orders.includes(undefined) && orders[0] !== orders[1])
      return [
        mistake(
          pointer,
          `has dates in ${JSON.stringify(name)} whose day, month and year stand in another order than in ${first.id}`,
          'dates in one order, or as 2012-01-31',
        ),
      ];
    if (type !== 'image') return [];
    return String(found.shape) === String(shape)
      ? []
      : [mistake(pointer, `has other images in ${JSON.stringify(name)}`, `images of ${shape}`)];
  });
}

function mistake(pointer: string, detail: string, expected: string): Mistake {
  return { pointer, code: 'invalid_spec', detail, expected };
}
