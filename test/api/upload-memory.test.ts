import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createTestDatabase } from '../support/database.ts';
import { startApiProcess } from '../support/stack.ts';

const MIB = 2 ** 20;
const UPLOAD_BYTES = 200 * MIB;

/** Resident memory of a process, bytes. */
async function readMemory(pid: number): Promise<number> {
  const [, kib] = /^VmRSS:\s+(\d+) kB/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))!;
  return Number(kib) * 1024;
}

const WORDS = 'of whose letters each is read and kept for no longer than its row is looked at '.repeat(3);

/** A CSV of a number and a text, made as it is sent. Numbers alone take three times as long to read, and go through the same hands. */
function* makeCsv(bytes: number): Generator<Buffer> {
  yield Buffer.from('x,y\n');
  const piece = Buffer.from(Array.from({ length: 500 }, (_, i) => `${(i * 7919) % 10_007},${i} ${WORDS}\n`).join(''));
  for (let sent = 0; sent < bytes; sent += piece.length) yield piece;
}

describe.skipIf(process.platform !== 'linux')('an upload of 200 MB', () => {
  it('takes less than 100 MB of memory', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'trainyard-upload-'));
    await using database = await createTestDatabase();
    const api = await startApiProcess({ DATABASE_URL: database.url, DATA_DIR: dataDir, WORKERS: '0' });
    const upload = (bytes: number) =>
      fetch(`${api.api}/datasets`, {
        method: 'POST',
        body: Readable.toWeb(Readable.from(makeCsv(bytes))),
        duplex: 'half',
        headers: { 'content-type': 'text/csv' },
      } as RequestInit).then(
        async (response) => [response.status, (await response.json()) as { size_bytes: number }] as const,
      );
    try {
      // what is loaded once: the profiling thread's code, the compiled parser
      await upload(MIB);
      const before = await readMemory(api.child.pid!);
      let most = before;
      const isDone = new AbortController();
      const watching = (async () => {
        while (!isDone.signal.aborted) {
          most = Math.max(most, await readMemory(api.child.pid!));
          await sleep(20);
        }
      })();
      const [status, { size_bytes: sizeBytes }] = await upload(UPLOAD_BYTES);
      isDone.abort();
      await watching;
      expect(status).toBe(201);
      expect(sizeBytes).toBeGreaterThan(UPLOAD_BYTES);
      expect((most - before) / MIB).toBeLessThan(100);
    } finally {
      await api.stop();
      await rm(dataDir, { recursive: true, force: true });
    }
  }, 300_000);

  it('and many at once, with many clients of other things, neither end the process nor make it large', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'trainyard-upload-'));
    await using database = await createTestDatabase();
    const api = await startApiProcess({
      DATABASE_URL: database.url,
      DATA_DIR: dataDir,
      MAX_UPLOADS: '2',
      NODE_OPTIONS: '--max-old-space-size=128',
    });
    const asked: number[] = [];
    const post = async (path: string, type: string, body: BodyInit) => {
      for (;;) {
        const response = await fetch(`${api.api}/${path}`, {
          method: 'POST',
          body,
          duplex: 'half',
          headers: { 'content-type': type },
        } as RequestInit);
        await response.arrayBuffer();
        asked.push(response.status);
        if (response.status !== 503) return response.status;
        expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
        await sleep(Math.random() * 1000);
      }
    };
    const csv = new Blob([Buffer.concat([...makeCsv(2 * MIB)])]);
    const rows = JSON.stringify({
      name: 'a',
      metadata: Object.fromEntries(Array.from({ length: 20 }, (_, i) => [i, 'b'.repeat(40_000)])),
    });
    try {
      expect(await post('datasets', 'text/csv', 'a\n1\n')).toBe(201);
      const before = await readMemory(api.child.pid!);
      let most = before;
      const timer = setInterval(() => void readMemory(api.child.pid!).then((now) => (most = Math.max(most, now))), 20);
      const uploads = Array.from({ length: 8 }, () => post('datasets', 'text/csv', csv));
      const others = Array.from({ length: 30 }, () => post('jobs', 'application/json', rows));
      expect(new Set(await Promise.all(uploads))).toEqual(new Set([201]));
      expect(new Set(await Promise.all(others))).toEqual(new Set([400]));
      clearInterval(timer);
      expect(asked).toContain(503);
      // two threads that read files, and the heap that it was given
      expect((most - before) / MIB).toBeLessThan(400);
      expect(api.child.exitCode).toBeNull();
    } finally {
      await api.stop();
      await rm(dataDir, { recursive: true, force: true });
    }
  }, 300_000);
});
