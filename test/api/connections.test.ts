import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/spec/errors.ts';
import { expectProblem } from '../support/problem.ts';
import { openRaw, readAnswer } from '../support/raw-http.ts';
import { type Service, startService } from '../support/service.ts';

/** What no HTTP library sends: bytes by hand. */
let service: Service;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.close());

const send = async (bytes: string, limitMs?: number) => {
  const raw = openRaw(service.url);
  raw.socket.write(bytes);
  return readAnswer(await raw.finish(limitMs));
};

describe('a connection', () => {
  it.each([
    [
      'two Content-Lengths',
      'POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}',
      'bad_request',
    ],
    [
      'a length and chunks',
      'POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      'bad_request',
    ],
    ['a length that is none', 'POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Length: -2\r\n\r\n{}', 'bad_request'],
    ['a NUL in a header', 'GET /v1/jobs HTTP/1.1\r\nHost: a\r\nX-A: a\0b\r\n\r\n', 'bad_request'],
    ['no Host', 'GET /v1/jobs HTTP/1.1\r\nConnection: close\r\n\r\n', 'bad_request'],
    ['no HTTP at all', 'hello\r\n\r\n', 'bad_request'],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'bad_request'],
    [
      'headers of 32 KiB',
      `GET /v1/jobs HTTP/1.1\r\nHost: a\r\nX-Long: ${'a'.repeat(32_768)}\r\n\r\n`,
      'headers_too_large',
    ],
    [
      'an address of 32 KiB',
      `GET /v1/jobs?cursor=${'a'.repeat(32_768)} HTTP/1.1\r\nHost: a\r\n\r\n`,
      'headers_too_large',
    ],
    [
      'chunks that are compressed',
      'POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nConnection: close\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n',
      'unsupported_encoding',
    ],
    [
      'a method that hardly anybody knows',
      'PROPFIND /v1/jobs HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
      'method_not_allowed',
    ],
    [
      'an Expect that is none',
      'POST /v1/jobs HTTP/1.1\r\nHost: a\r\nExpect: pigs\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
      'invalid_field',
    ],
  ] as [string, string, ErrorCode][])('%s', async (_name, bytes, code) => {
    const { status, headers, body } = await send(bytes);
    expectProblem({ status, headers, body: JSON.parse(body) }, code);
  });

  it('headers that never end are waited for 15 seconds', async () => {
    const begin = performance.now();
    const { status, headers, body } = await send('GET /v1/jobs HTTP/1.1\r\nHost: a\r\n', 25_000);
    expectProblem({ status, headers, body: JSON.parse(body) }, 'request_timeout');
    expect(performance.now() - begin).toBeGreaterThan(14_000);
  });

  it('a client that asks first is told to go on', async () => {
    const raw = openRaw(service.url);
    raw.socket.write(
      'POST /v1/datasets HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: text/csv\r\nExpect: 100-continue\r\nContent-Length: 8\r\n\r\n',
    );
    await new Promise((resolve) => raw.socket.once('data', resolve));
    expect(raw.received()).toMatch(/^HTTP\/1.1 100 Continue/);
    raw.socket.write('a,b\n1,2\n');
    expect(await raw.finish(20_000)).toMatch(/HTTP\/1.1 201 Created/);
  });

  it('that was kept open is told when the service stops', async () => {
    const own = await startService();
    const raw = openRaw(own.url);
    // a request that is under way, and a second behind it
    raw.socket.write(
      'POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{',
    );
    await new Promise((resolve) => setTimeout(resolve, 200));
    const closed = own.close();
    await new Promise((resolve) => setTimeout(resolve, 100));
    raw.socket.write('}GET /v1/jobs HTTP/1.1\r\nHost: a\r\n\r\n');
    const text = await raw.finish(5000);
    await closed;
    const second = text.slice(text.lastIndexOf('HTTP/1.1'));
    const { status, headers, body } = readAnswer(second);
    expect(readAnswer(text).status).toBe(400);
    expectProblem({ status, headers, body: JSON.parse(body) }, 'unavailable');
    expect(headers.get('retry-after')).toBe('2');
  });
});
