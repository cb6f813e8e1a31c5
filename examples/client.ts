import { setTimeout as sleep } from 'node:timers/promises';

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
  const raw = isForm || body instanceof Blob;
  const response = await fetch(url, {
    method,
    ...(body === undefined ? {} : { body: raw ? body : JSON.stringify(body) }),
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

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
