import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readConfig } from '../src/config.ts';
import { startStack } from '../src/main/all.ts';
import { createLogger } from '../src/observability/logger.ts';
import type { Job } from '../src/spec/job.ts';

/** The whole service in a temporary folder, and what a client of it does. */

export interface BenchStack extends AsyncDisposable {
  api: string;
}

export async function openStack(): Promise<BenchStack> {
  const folder = await mkdtemp(join(tmpdir(), 'trainyard-bench-'));
  // PostgreSQL may have to run as another user, who must be able to enter
  await chmod(folder, 0o755);
  // of its workers too
  process.env.LOG_LEVEL ??= 'error';
  const config = readConfig({ ...process.env, DATA_DIR: folder, PORT: '0' });
  const stack = await startStack(config, createLogger(config.logLevel, 'all'));
  return {
    api: `${stack.url}/v1`,
    async [Symbol.asyncDispose]() {
      await stack.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export async function send<T>(method: string, url: string, body?: unknown, type = 'application/json'): Promise<T> {
  const isForm = body instanceof FormData;
  const raw = isForm || body instanceof Uint8Array;
  const response = await fetch(url, {
    method,
    ...(body === undefined ? {} : { body: raw ? (body as BodyInit) : JSON.stringify(body) }),
    headers: body === undefined || isForm ? {} : { 'content-type': type },
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${url} answered ${response.status}: ${text}`);
  return (text === '' ? null : JSON.parse(text)) as T;
}

export async function waitUntilEnded(api: string, id: string): Promise<Job> {
  for (;;) {
    const job = await send<Job>('GET', `${api}/jobs/${id}`);
    if (job.finished_at !== null) {
      if (job.status !== 'succeeded') throw new Error(`the job ended ${job.status}: ${job.error?.message}`);
      return job;
    }
    await sleep(100);
  }
}
