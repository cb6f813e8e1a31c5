import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { DatasetError } from '../../src/data/dataset-error.ts';
import { DatasetTooLargeError } from '../../src/data/dataset-files.ts';
import { NO_HINT } from '../../src/data/identify-file.ts';
import { ingestDataset } from '../../src/data/ingest-dataset.ts';
import { readStoredFiles } from '../../src/data/profile-stored.ts';
import type { Storage } from '../../src/storage/storage.ts';
import { listAll, makeFolder, openTemporaryStorage } from '../storage/temporary-storage.ts';
import { ENDLESS } from './endless-parquet.ts';
import { catchError, cutUp, makeIdx } from './sources.ts';

const sha256 = (content: string | Uint8Array) => createHash('sha256').update(content).digest('hex');
const csv = 'a,label\n1,x\n2,y\n3,x\n';

function ingestCsv(
  storage: Storage,
  source: Readable | AsyncIterable<Uint8Array>,
  more: { signal?: AbortSignal; maxBytes?: number } = {},
) {
  return ingestDataset({
    folder: 'ds_1',
    hint: { format: 'csv' },
    files: [{ role: 'data', source }],
    storage,
    maxBytes: 1e9,
    ...more,
  });
}

describe('ingestDataset', () => {
  it('stores and profiles a CSV', async () => {
    const storage = await openTemporaryStorage();
    const found = await ingestCsv(storage, Readable.from(cutUp(csv, [3]), { objectMode: false }));
    expect(found).toMatchObject({
      files: [{ role: 'data', key: 'datasets/ds_1/data', sizeBytes: csv.length, sha256: sha256(csv) }],
      sizeBytes: csv.length,
      sha256: sha256(csv),
      profile: {
        rows: 3,
        columns: [
          { name: 'a', type: 'number' },
          { name: 'label', type: 'category' },
        ],
      },
      preview: [
        { a: 1, label: 'x' },
        { a: 2, label: 'y' },
        { a: 3, label: 'x' },
      ],
    });
    expect(await listAll(storage.list(''))).toEqual(['datasets/ds_1/data']);
  });

  it('stores and profiles an IDX pair in any order; its digest is that of the digests', async () => {
    const images = makeIdx([2, 2, 2], Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    const labels = makeIdx([2], Uint8Array.of(0, 1));
    const files = [
      { role: 'labels' as const, source: cutUp(labels) },
      { role: 'images' as const, source: cutUp(images) },
    ];
    const found = await ingestDataset({
      folder: 'ds_1',
      files,
      storage: await openTemporaryStorage(),
      maxBytes: 1e9,
    });
    expect(found.files.map(({ role }) => role)).toEqual(['images', 'labels']);
    expect(found.sha256).toBe(sha256(Buffer.from(sha256(images) + sha256(labels), 'hex')));
    expect(found.sizeBytes).toBe(images.length + labels.length);
    expect(found.profile.rows).toBe(2);
  });

  it.each<[string, (storage: Storage) => Promise<unknown>, object]>([
    [
      'what is no CSV',
      (storage) => ingestCsv(storage, cutUp('a,b\n1\n')),
      { code: 'invalid_csv', mistakes: [{ line: 2 }] },
    ],
    ['an empty body', (storage) => ingestCsv(storage, cutUp('')), { code: 'empty_body' }],
    [
      'too many bytes',
      (storage) => ingestCsv(storage, cutUp(csv, [4]), { maxBytes: 10 }),
      { code: 'too_large', maxBytes: 10 },
    ],
    [
      'too many bytes in two files',
      (storage) =>
        ingestDataset({
          folder: 'ds_1',
          files: [
            { role: 'images', source: cutUp(makeIdx([2, 1, 1], Uint8Array.of(1, 2))) },
            { role: 'labels', source: cutUp(makeIdx([2], Uint8Array.of(1, 2))) },
          ],
          storage,
          maxBytes: 20,
        }),
      { code: 'too_large', maxBytes: 20 },
    ],
    [
      'a missing file',
      (storage) =>
        ingestDataset({
          folder: 'ds_1',
          files: [{ role: 'images', source: cutUp('x') }],
          storage,
          maxBytes: 99,
        }),
      { code: 'invalid_multipart', message: 'the files given are images' },
    ],
    [
      'a source that breaks off',
      (storage) =>
        ingestCsv(
          storage,
          (async function* () {
            yield Buffer.from(csv);
            throw new Error('connection lost');
          })(),
        ),
      { message: 'connection lost' },
    ],
  ])('leaves nothing behind after %s', async (_, ingest, expected) => {
    const storage = await openTemporaryStorage();
    expect(await catchError(() => ingest(storage))).toMatchObject(expected);
    expect(await listAll(storage.list(''))).toEqual([]);
  });

  it('is of two kinds of error', async () => {
    const storage = await openTemporaryStorage();
    expect(await catchError(() => ingestCsv(storage, cutUp('a\n')))).toBeInstanceOf(DatasetError);
    expect(await catchError(() => ingestCsv(storage, cutUp(csv), { maxBytes: 1 }))).toBeInstanceOf(
      DatasetTooLargeError,
    );
  });

  it('stops at an abort, while it stores and while it profiles, and leaves nothing behind', async () => {
    const storage = await openTemporaryStorage();
    for (const source of [new Readable({ read() {} }), cutUp(`a,b\n${'1,2\n'.repeat(4_000_000)}`)]) {
      const abort = new AbortController();
      const ingesting = ingestCsv(storage, source, { signal: abort.signal });
      setTimeout(() => abort.abort(new Error('client left')), 250);
      await expect(ingesting).rejects.toThrow(/client left|aborted/);
      expect(await listAll(storage.list(''))).toEqual([]);
    }
  });
});

describe('readStoredFiles', () => {
  it('gives everyone a turn, also after one has failed or left', async () => {
    const storage = await openTemporaryStorage();
    await storage.put('datasets/ds_1/data', Buffer.from(csv));
    const file = { role: 'data' as const, key: 'datasets/ds_1/data', sizeBytes: csv.length, sha256: '' };
    const abort = new AbortController();
    const profile = (key: string, signal?: AbortSignal) =>
      readStoredFiles({
        folder: 'ds_1',
        files: [{ ...file, key }],
        hint: { ...NO_HINT, format: 'csv' },
        images: {},
        derivation: null,
        storage,
        maxBytes: 1e6,
        signal,
      });
    const all = [
      profile('datasets/none'),
      ...Array.from({ length: 5 }, () => profile(file.key)),
      profile(file.key, abort.signal),
    ];
    abort.abort(new Error('left'));
    const outcomes = await Promise.allSettled(all);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', ...Array(5).fill('fulfilled'), 'rejected']);
    expect((outcomes[0] as PromiseRejectedResult).reason.message).toBe('no blob at datasets/none');
    expect((outcomes.at(-1) as PromiseRejectedResult).reason.message).toBe('left');
    expect((await profile(file.key)).profile.rows).toBe(3);
  });
});

it('a file over which its reader never comes to an end is refused', async () => {
  const storage = await openTemporaryStorage();
  const { key, sizeBytes, sha256: digest } = await storage.put('datasets/ds_1/data', ENDLESS);
  const reading = readStoredFiles({
    folder: 'ds_1',
    files: [{ role: 'data', key, sizeBytes, sha256: digest }],
    hint: NO_HINT,
    images: {},
    derivation: null,
    storage,
    maxBytes: 1e6,
    deadlineMs: 5000,
  });
  await expect(reading).rejects.toThrow('takes longer than it may');
});

describe('a large upload', () => {
  it.each(['plain', 'quoted'])(
    'takes less than 100 MB of memory, and leaves the thread free (%s)',
    { timeout: 120_000 },
    async (kind) => {
      const folder = await makeFolder();
      const bytes = kind === 'plain' ? 120e6 : 100e6;
      const script = join(import.meta.dirname, 'ingest-large.ts');
      const { stdout } = await promisify(execFile)(process.execPath, [
        script,
        join(folder, 'large'),
        String(bytes),
        kind,
      ]);
      const { sizeBytes, rows, grownBytes, longestDelayMs } = JSON.parse(stdout);
      expect(sizeBytes).toBeGreaterThanOrEqual(bytes);
      expect(rows).toBeGreaterThan(1e6);
      expect(grownBytes).toBeLessThan(100e6);
      // Reading takes seconds: were it done on this thread, the delay would show it.
      expect(longestDelayMs).toBeLessThan(1500);
    },
  );
});
