import { Upload } from 'tus-js-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call } from '../support/client.ts';
import { expectProblem } from '../support/problem.ts';
import { type Service, startService } from '../support/service.ts';

/** Uploads that are cut off and gone on with, by the protocol's own client. */
let service: Service;
let api: string;
beforeAll(async () => {
  service = await startService({ maxUploadBytes: 1e6 });
  api = service.api;
});
afterAll(() => service.close());

const CSV = `n,word\n${Array.from({ length: 20_000 }, (_, i) => `${i},w${i % 9}`).join('\n')}\n`;
const TUS = { 'tus-resumable': '1.0.0' };

/** Sends what is left; `until`: bytes after which the connection is given up. */
function send(bytes: Buffer, options: { uploadUrl?: string | undefined; until?: number }): Promise<string> {
  return new Promise((resolve, reject) => {
    const upload = new Upload(bytes, {
      endpoint: `${api}/uploads`,
      ...(options.uploadUrl !== undefined && { uploadUrl: options.uploadUrl }),
      chunkSize: 40_000,
      retryDelays: null as unknown as number[],
      metadata: { filename: 'table.csv', filetype: 'text/plain' },
      onError: reject,
      onSuccess: () => resolve(upload.url!),
      onChunkComplete: (_size, accepted) => {
        if (options.until === undefined || accepted < options.until) return;
        void upload.abort();
        resolve(upload.url!);
      },
    });
    upload.start();
  });
}

describe('a resumable upload', () => {
  it('is cut off, gone on with, and becomes a dataset', async () => {
    const uploadUrl = await send(Buffer.from(CSV), { until: 80_000 });
    const id = uploadUrl.split('/').at(-1)!;
    const half = (await call('GET', `${api}/uploads/${id}`)).body;
    expect(half).toMatchObject({ id, size: CSV.length });
    expect(half.offset).toBeGreaterThanOrEqual(80_000);
    expect(half.offset).toBeLessThan(CSV.length);
    expectProblem(await call('POST', `${api}/datasets`, { upload: id }), 'upload_not_complete');

    expect(await send(Buffer.from(CSV), { uploadUrl })).toBe(uploadUrl);
    const { status, body } = await call('POST', `${api}/datasets`, { name: 'in parts', upload: id });
    expect(status).toBe(201);
    expect(body).toMatchObject({ name: 'in parts', format: 'csv', rows: 20_000, size_bytes: CSV.length });
    expect(body.origin).toEqual({ type: 'upload', upload: id });
    expectProblem(await call('GET', `${api}/uploads/${id}`), 'upload_not_found');
    expectProblem(await call('POST', `${api}/datasets`, { upload: id }), 'upload_not_found');
  });

  it('refuses what does not go with the protocol, in problem documents', async () => {
    expectProblem(await call('POST', `${api}/uploads`, undefined, {}), 'bad_request');
    expectProblem(await call('POST', `${api}/uploads`, undefined, { ...TUS, 'upload-length': '1000001' }), 'too_large');
    const { status, headers } = await call('POST', `${api}/uploads`, undefined, { ...TUS, 'upload-length': '10' });
    expect([status, headers.get('location')]).toEqual([201, expect.stringMatching(/^\/v1\/uploads\/upl_/)]);
    const url = `${service.url}${headers.get('location')}`;
    const patch = (offset: string, type: string) =>
      call('PATCH', url, 'abc', { ...TUS, 'upload-offset': offset, 'content-type': type });
    const type = 'application/offset+octet-stream';
    expectProblem(await patch('5', type), 'upload_conflict');
    expect((await patch('0', type)).headers.get('upload-offset')).toBe('3');
    expect((await call('HEAD', url, undefined, TUS)).headers.get('upload-offset')).toBe('3');
    expect((await call('DELETE', url, undefined, TUS)).status).toBe(204);
    expectProblem(await patch('3', type), 'upload_not_found');
  });
});
