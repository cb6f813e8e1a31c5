import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from '../../src/spec/job.ts';

/** Talks to the API as a stranger would: plain HTTP, nothing shared with the server. */
export interface Answer<T> {
  status: number;
  headers: Headers;
  body: T;
}

// biome-ignore lint/suspicious/noExplicitAny: a client reads what it expects
export async function call<T = any>(
  method: string,
  url: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer<T>> {
  const raw =
    typeof body === 'string' || body instanceof FormData || body instanceof Blob || body instanceof Uint8Array;
  const response = await fetch(url, {
    method,
    ...(body === undefined ? {} : { body: raw ? (body as BodyInit) : JSON.stringify(body) }),
    headers: { ...(body === undefined || raw ? {} : { 'content-type': 'application/json' }), ...headers },
  });
  const text = await response.text();
  const isJson = /[/+]json\b/.test(response.headers.get('content-type') ?? '');
  return {
    status: response.status,
    headers: response.headers,
    body: (isJson && text !== '' ? JSON.parse(text) : text) as T,
  };
}

export async function uploadCsv(api: string, name: string, csv: string): Promise<string> {
  const { status, body } = await call('POST', `${api}/datasets?name=${name}`, csv, { 'content-type': 'text/csv' });
  if (status !== 201) throw new Error(`upload answered ${status}: ${JSON.stringify(body)}`);
  return body.id;
}

export async function postJob(api: string, spec: unknown): Promise<Job> {
  const { status, body } = await call<Job>('POST', `${api}/jobs`, spec);
  if (status !== 201) throw new Error(`the job was answered ${status}: ${JSON.stringify(body)}`);
  return body;
}

/** Waits until `accept` likes the job. */
export async function waitForJob(
  api: string,
  id: string,
  accept: (job: Job) => boolean,
  timeoutMs = 60_000,
): Promise<Job> {
  for (const begin = performance.now(); ; ) {
    const { body } = await call<Job>('GET', `${api}/jobs/${id}`);
    if (accept(body)) return body;
    if (performance.now() - begin > timeoutMs)
      throw new Error(`waited ${timeoutMs} ms for ${id}: ${JSON.stringify(body).slice(0, 2000)}`);
    await sleep(50);
  }
}

export const hasEnded = ({ status }: Job) => ['succeeded', 'failed', 'cancelled'].includes(status);

/** sha256 of each tensor of a checkpoint: weights, and of the latest the optimizer's state. */
export async function digestTensors(
  api: string,
  jobId: string,
  reference: 'latest' | 'best',
): Promise<Record<string, string>> {
  const bytes = Buffer.from(
    await (await fetch(`${api}/jobs/${jobId}/checkpoints/${reference}/download`)).arrayBuffer(),
  );
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const { __metadata__, ...tensors } = JSON.parse(bytes.subarray(8, start).toString()) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  return Object.fromEntries(
    Object.entries(tensors).map(
      ([
        name,
        {
          data_offsets: [from, to],
        },
      ]) => [
        name,
        createHash('sha256')
          .update(bytes.subarray(start + from, start + to))
          .digest('hex'),
      ],
    ),
  );
}
