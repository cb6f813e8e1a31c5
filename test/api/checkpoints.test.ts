import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { recordCheckpoints } from '../../src/jobs/record-checkpoint.ts';
import { call } from '../support/client.ts';
import { addClaimed, addJob, describeCheckpoint } from '../support/jobs.ts';
import { expectProblem } from '../support/problem.ts';
import { type Service, startService } from '../support/service.ts';

const BYTES = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 251));
const NO_CHECKPOINT = 'ckpt_01h455vb4pex5vsknk084sn02q';
let service: Service;
let jobUrl: string;
let etag: string;

beforeAll(async () => {
  service = await startService();
  const { db } = service.database;
  const claim = await addClaimed(db);
  const put = async (step: number, kind: 'latest' | 'best', bytes: Buffer) => {
    const name = `checkpoints/${claim.job.id}/${kind}-${step}.safetensors`;
    const { key, sizeBytes, sha256 } = await service.deps.storage.put(name, bytes);
    return { ...describeCheckpoint(step, kind), storageKey: key, sizeBytes, sha256 };
  };
  await recordCheckpoints(db, claim, [await put(10, 'best', BYTES), await put(10, 'latest', Buffer.from('older'))]);
  await recordCheckpoints(db, claim, [await put(20, 'latest', Buffer.from('newer'))]);
  jobUrl = `${service.api}/jobs/${claim.job.id}`;
  etag = `"${createHash('sha256').update(BYTES).digest('hex')}"`;
});
afterAll(() => service.close());

const get = (headers: Record<string, string> = {}, method = 'GET') =>
  fetch(`${jobUrl}/checkpoints/best/download?format=safetensors`, { method, headers });

describe('checkpoints', () => {
  it('are listed newest first, and found as latest, best and by id', async () => {
    const { data } = (await call('GET', `${jobUrl}/checkpoints`)).body;
    expect(
      data.map((c: { step: number; is_best: boolean; is_latest: boolean }) => [c.step, c.is_best, c.is_latest]),
    ).toEqual([
      [20, false, true],
      [10, false, false],
      [10, true, false],
    ]);
    const [latest, , best] = data;
    expect((await call('GET', `${jobUrl}/checkpoints/latest`)).body).toEqual(latest);
    expect((await call('GET', `${jobUrl}/checkpoints/best`)).body).toEqual(best);
    for (const checkpoint of data)
      expect((await call('GET', `${jobUrl}/checkpoints/${checkpoint.id}`)).body).toEqual(checkpoint);
    expect(best).toMatchObject({ size_bytes: 1000, sha256: etag.slice(1, -1), metrics: { 'validation.loss': 1 / 11 } });
  });

  it('that are not there', async () => {
    const { id } = await addJob(service.database.db);
    const none = `${service.api}/jobs/${id}/checkpoints`;
    expect((await call('GET', none)).body).toEqual({ data: [], has_more: false, next_cursor: null });
    for (const suffix of ['', '/download']) {
      expectProblem(await call('GET', `${none}/latest${suffix}`), 'checkpoint_not_ready');
      expectProblem(await call('GET', `${none}/best${suffix}`), 'checkpoint_not_ready');
      expectProblem(await call('GET', `${none}/${NO_CHECKPOINT}${suffix}`), 'checkpoint_not_found');
      for (const wrong of ['newest', 'ckpt_1', '%00', '..%2flatest'])
        expectProblem(await call('GET', `${none}/${wrong}${suffix}`), 'invalid_id');
    }
    // another job's
    const { data } = (await call('GET', `${jobUrl}/checkpoints`)).body;
    expectProblem(await call('GET', `${none}/${data[0].id}`), 'checkpoint_not_found');
    const wrong = (query: string) => call('GET', `${jobUrl}/checkpoints/best/download?${query}`);
    const { errors } = expectProblem(await wrong('format=pickle'), 'invalid_field');
    expect(errors[0]).toMatchObject({
      pointer: '/format',
      expected: 'one of: safetensors, npz, onnx, pytorch, bundle',
    });
    for (const query of ['format=onnx&layout=torch', 'layout=keras', 'preparation=false', 'format=onnx&preparation=a'])
      expectProblem(await wrong(query), 'invalid_field');
  });
});

describe('a download', () => {
  it('is whole, with its digest', async () => {
    const response = await get();
    expect(Buffer.from(await response.arrayBuffer())).toEqual(BYTES);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      etag,
      'accept-ranges': 'bytes',
      'content-type': 'application/octet-stream',
      'content-length': '1000',
      'content-disposition': expect.stringMatching(/^attachment; filename="ckpt_\w+\.safetensors"$/),
      'repr-digest': `sha-256=:${createHash('sha256').update(BYTES).digest('base64')}:`,
    });
  });

  it('HEAD says the same without the bytes', async () => {
    const [whole, head] = [await get(), await get({}, 'HEAD')];
    await whole.body?.cancel();
    expect([head.status, await head.text()]).toEqual([200, '']);
    for (const name of ['etag', 'content-length', 'content-type', 'repr-digest', 'accept-ranges'])
      expect(head.headers.get(name)).toBe(whole.headers.get(name));
  });

  it.each([
    ['bytes=0-9', 206, 'bytes 0-9/1000', [0, 10]],
    ['bytes=0-0', 206, 'bytes 0-0/1000', [0, 1]],
    ['bytes=990-', 206, 'bytes 990-999/1000', [990, 1000]],
    ['bytes=-5', 206, 'bytes 995-999/1000', [995, 1000]],
    ['bytes=-5000', 206, 'bytes 0-999/1000', [0, 1000]],
    ['bytes=900-5000', 206, 'bytes 900-999/1000', [900, 1000]],
    ['bytes=0-4,3-9', 206, 'bytes 0-9/1000', [0, 10]],
    ['bytes=0-1,5-6', 200, null, [0, 1000]],
    ['lines=1-2', 200, null, [0, 1000]],
    ['bytes', 200, null, [0, 1000]],
  ] as const)('range %s', async (range, status, contentRange, [from, to]) => {
    const response = await get({ range });
    expect([response.status, response.headers.get('content-range')]).toEqual([status, contentRange]);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(BYTES.subarray(from, to));
    expect(response.headers.get('content-length')).toBe(String(to - from));
  });

  it.each(['bytes=1000-', 'bytes=5000-6000', 'bytes=9-0', 'bytes=-0'])('range %s lies outside', async (range) => {
    const response = await get({ range });
    const problem = expectProblem(
      { status: response.status, headers: response.headers, body: await response.json() },
      'range_not_satisfiable',
    );
    expect(problem.detail).toBe('The file has 1000 bytes.');
    expect(response.headers.get('content-range')).toBe('bytes */1000');
    expect(response.headers.get('content-disposition')).toBeNull();
  });

  it('only where it changed, and only where it did not', async () => {
    const status = async (headers: Record<string, string>) => {
      const response = await get(headers);
      const body = await response.text();
      if (response.status === 304) expect([body, response.headers.get('etag')]).toEqual(['', etag]);
      return response.status;
    };
    for (const known of [etag, `W/${etag}`, '*', `"other", ${etag}`])
      expect(await status({ 'if-none-match': known })).toBe(304);
    expect(await status({ 'if-none-match': '"other"' })).toBe(200);
    expect(await status({ range: 'bytes=0-9', 'if-range': etag })).toBe(206);
    expect(await status({ range: 'bytes=0-9', 'if-range': '"other"' })).toBe(200);
    expect(await status({ range: 'bytes=0-9', 'if-range': 'Mon, 23 Nov 2026 20:00:00 GMT' })).toBe(200);
    expect(await status({ range: 'bytes=0-9', 'if-none-match': etag })).toBe(304);
  });

  it('of a file that has gone says so, and nothing of the file', async () => {
    const { db } = service.database;
    const claim = await addClaimed(db);
    await recordCheckpoints(db, claim, [describeCheckpoint(1, 'best')]);
    const response = await fetch(`${service.api}/jobs/${claim.job.id}/checkpoints/best/download`, {
      headers: { range: 'bytes=0-3' },
    });
    const { status, headers } = response;
    expectProblem({ status, headers, body: await response.json() }, 'checkpoint_not_found');
    for (const name of ['etag', 'repr-digest', 'content-disposition', 'content-range'])
      expect(headers.get(name)).toBeNull();
  });
});
