import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { call } from '../support/client.ts';
import { expectProblem } from '../support/problem.ts';
import { openRaw, readAnswer } from '../support/raw-http.ts';
import { type Service, startService } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

/** Uploads that are too large, break off, or never end: the client hears why, and nothing is left of them. */
const LIMIT = 100_000;
let service: Service;
beforeAll(async () => {
  service = await startService({ maxUploadBytes: LIMIT });
});
afterAll(() => service.close());

afterEach(async () => {
  await waitFor(async () => (await storedKeys()).length === 0, 'the storage to be empty');
  expect((await call('GET', `${service.api}/datasets`)).body.data).toEqual([]);
});

async function storedKeys(): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of service.deps.storage.list('')) keys.push(key);
  return keys;
}

const CSV = { 'content-type': 'text/csv' };
const rows = (bytes: number) => `a\n${'1\n'.repeat(bytes / 2)}`;
const head = (...lines: string[]) => `${['POST /v1/datasets HTTP/1.1', 'Host: a', ...lines].join('\r\n')}\r\n\r\n`;

describe('too large', () => {
  it('a body that says so is refused before it comes', async () => {
    const raw = openRaw(service.url);
    raw.socket.write(head('Content-Type: text/csv', `Content-Length: ${LIMIT + 1}`));
    const { status, headers, body } = readAnswer(await raw.finish());
    expectProblem({ status, headers, body: JSON.parse(body) }, 'too_large');
    expect(headers.get('connection')).toBe('close');
  });

  it('a client that sends on hears the answer, and not a reset', async () => {
    const raw = openRaw(service.url);
    raw.socket.write(head('Content-Type: text/csv', 'Content-Length: 50000000'));
    const piece = Buffer.alloc(1_000_000, '1\n');
    for (let i = 0; i < 50 && raw.socket.writable; i++) {
      if (!raw.socket.write(piece))
        await new Promise((resolve) => raw.socket.once('drain', resolve).once('close', resolve));
    }
    expect(readAnswer(await raw.finish()).status).toBe(413);
  });

  it.each([
    ['a body with a length', () => rows(10_000_000)],
    [
      'a body in chunks',
      () => Readable.toWeb(Readable.from(Array.from({ length: 100 }, () => Buffer.from(rows(100_000))))),
    ],
    [
      'a form',
      () => {
        const form = new FormData();
        form.append('file', new Blob([rows(10_000_000)]), 'a.csv');
        return form;
      },
    ],
    [
      'files that are so only together',
      () => {
        const form = new FormData();
        form.append('images', new Blob([Buffer.alloc(60_000)]));
        form.append('labels', new Blob([Buffer.alloc(60_000)]));
        return form;
      },
    ],
  ])('%s', async (_name, makeBody) => {
    const body = makeBody();
    const response = await fetch(`${service.api}/datasets`, {
      method: 'POST',
      body: body as BodyInit,
      duplex: 'half',
      headers: body instanceof FormData ? {} : CSV,
    } as RequestInit);
    const answer = { status: response.status, headers: response.headers, body: await response.json() };
    expect(expectProblem(answer, 'too_large').detail).toBe(`the dataset is larger than ${LIMIT} bytes`);
  });
});

describe('broken off', () => {
  it.each([
    ['a body', `${head('Content-Type: text/csv', 'Content-Length: 1000')}a,b\n1,2\n`],
    ['a chunk', `${head('Content-Type: text/csv', 'Transfer-Encoding: chunked')}10\r\na,b\n`],
    [
      'a form',
      `${head('Content-Type: multipart/form-data; boundary=abc', 'Content-Length: 1000')}--abc\r\ncontent-disposition: form-data; name="images"; filename="a"\r\n\r\nxx`,
    ],
  ])('%s leaves no file and no dataset', async (_name, bytes) => {
    const raw = openRaw(service.url);
    raw.socket.write(bytes);
    // the file has been begun
    await waitFor(() => raw.socket.bytesWritten >= bytes.length, 'the bytes to go out');
    await new Promise((resolve) => setTimeout(resolve, 100));
    raw.socket.resetAndDestroy();
  });

  it('a chunk that is none is answered', async () => {
    const raw = openRaw(service.url);
    raw.socket.write(`${head('Content-Type: text/csv', 'Transfer-Encoding: chunked')}4\r\na,b\n\r\nzz\r\n`);
    const { status, headers, body } = readAnswer(await raw.finish());
    expectProblem({ status, headers, body: JSON.parse(body) }, 'bad_request');
  });
});
