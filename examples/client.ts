import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from '../src/spec/job.ts';

const MOST_TRIES = 5;

/** Speaks to the API as any other service would: what it has no time for just now (503) is asked again when it says so. */
export async function send<T>(
  method: string,
  url: string,
  body?: unknown,
  type = 'application/json',
  tries = 1,
): Promise<T> {
  const isForm = body instanceof FormData;
  const raw = isForm || body instanceof Blob || body instanceof Uint8Array;
  const response = await fetch(url, {
    method,
    ...(body === undefined ? {} : { body: raw ? (body as BodyInit) : JSON.stringify(body) }),
    headers: body === undefined || isForm ? {} : { 'content-type': type },
  });
  const text = await response.text();
  if (response.status === 503 && tries < MOST_TRIES) {
    await sleep(1000 * Number(response.headers.get('retry-after') ?? 1));
    return send(method, url, body, type, tries + 1);
  }
  if (!response.ok) throw new Error(`${method} ${url} answered ${response.status}: ${text}`);
  return JSON.parse(text) as T;
}

/** Posts a job, and waits until it has succeeded. Throws where it ends otherwise. */
export async function train(api: string, spec: object): Promise<Job> {
  const { id } = await send<Job>('POST', `${api}/jobs`, spec);
  for (;;) {
    const job = await send<Job>('GET', `${api}/jobs/${id}`);
    if (job.status === 'succeeded') return job;
    if (job.finished_at !== null)
      throw new Error(`${job.name} ended ${job.status}: ${job.error?.message ?? job.stop_reason}`);
    await sleep(100);
  }
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
