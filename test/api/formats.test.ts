import { once } from 'node:events';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { zipSync } from 'fflate';
import sharp from 'sharp';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadTable } from '../../src/data/load-table.ts';
import { getDataset } from '../../src/db/datasets.ts';
import { runJob } from '../../src/worker/run-job.ts';
import { input, target } from '../data/tables.ts';
import { writeNpy, writeNpz, writeTable } from '../data/write-formats.ts';
import { call, digestTensors, postJob } from '../support/client.ts';
import { claimOrThrow, TENANT } from '../support/jobs.ts';
import { type Service, startService } from '../support/service.ts';
import { spirals } from '../support/spirals.ts';
import { workerOf } from '../support/worker.ts';

let service: Service;
let api: string;
beforeAll(async () => {
  service = await startService();
  api = service.api;
});
afterAll(() => service.close());

async function upload(bytes: Uint8Array, type: string, query = '', headers = {}) {
  const { status, body } = await call('POST', `${api}/datasets${query}`, bytes, { 'content-type': type, ...headers });
  expect(body).toMatchObject({ id: expect.any(String) });
  expect(status).toBe(201);
  return body;
}

async function load(id: string, column: string, label: string) {
  const row = (await getDataset(service.database.db, TENANT, id))!;
  const { storage } = service.deps;
  return loadTable({ ...row, storage, inputs: [input(column, 'image')], target: target(label, 'category') });
}

describe('one table in many formats', () => {
  const [header, ...lines] = spirals(60).trim().split('\n');
  const rows = lines.map((line) => {
    const [x, y, arm] = line.split(',') as [string, string, string];
    return { x: Number(x), y: Number(y), arm };
  });
  const files = writeTable(rows);

  it('trains to the same weights', { timeout: 120_000 }, async () => {
    expect(header).toBe('x,y,arm');
    const sent: [Uint8Array, string, object][] = [
      [files.csv!, 'text/csv', {}],
      [gzipSync(files.jsonl!), 'application/x-ndjson', { 'content-encoding': 'gzip' }],
      [files.json!, 'application/json', {}],
      [files.parquet!, 'application/vnd.apache.parquet', {}],
      [zstdCompressSync(files['arrow file']!), 'application/octet-stream', {}],
      [files['arrow stream']!, 'application/vnd.apache.arrow.stream', {}],
    ];
    const digests: unknown[] = [];
    const formats: string[] = [];
    for (const [bytes, type, headers] of sent) {
      const dataset = await upload(bytes, type, '', headers);
      formats.push(dataset.format);
      const training = { epochs: 2, batch_size: 8, seed: 3 };
      const job = await postJob(api, { dataset: dataset.id, target: 'arm', training });
      await runJob(workerOf(service), await claimOrThrow(service.database.db, job.id), new AbortController().signal);
      digests.push(await digestTensors(api, job.id, 'latest'));
    }
    expect(formats).toEqual(['csv', 'jsonl', 'json', 'parquet', 'arrow', 'arrow']);
    expect(Object.keys(digests[0] as object).length).toBeGreaterThan(0);
    for (const digest of digests) expect(digest).toEqual(digests[0]);
  });

  it('is told by the ending of a form’s file, also behind .gz', async () => {
    const form = new FormData();
    form.append('file', new Blob([gzipSync(files.tsv!)]), 'spirals.tsv.gz');
    const { status, body } = await call('POST', `${api}/datasets`, form);
    expect([status, body.format, body.rows, body.columns.length]).toEqual([201, 'csv', 60, 3]);
    expect(body.name).toBe('spirals.tsv.gz');
  });
});

describe('images in class folders', () => {
  const paint = (width: number, height: number, background: string) =>
    sharp({ create: { width, height, channels: 3, background } });
  async function makeImages() {
    return {
      'photos/red/1.png': await paint(4, 6, '#f00').png().toBuffer(),
      'photos/red/2.webp': await paint(4, 6, '#f00').webp({ lossless: true }).toBuffer(),
      'photos/blue/3.jpeg': await paint(20, 10, '#00f').jpeg({ quality: 100 }).toBuffer(),
      'photos/blue/.DS_Store': Buffer.from('x'),
      'photos/README.md': Buffer.from('# Two colours'),
      LICENSE: Buffer.from('Public domain'),
    };
  }

  it('in a zip become bytes of the most common size, and labels', async () => {
    const dataset = await upload(zipSync(await makeImages()), 'application/zip', '?name=colours');
    expect(dataset).toMatchObject({ format: 'images', rows: 3, name: 'colours' });
    expect(dataset.columns).toMatchObject([
      { name: 'image', type: 'image', shape: [6, 4, 3] },
      { name: 'label', type: 'category', classes: [{ value: 'blue' }, { value: 'red', rows: 2 }] },
    ]);
    const preview = (await call('GET', `${api}/datasets/${dataset.id}/preview`)).body.data;
    expect(preview[0]).toEqual({ image: { shape: [6, 4, 3] }, label: 'red' });
    const table = await load(dataset.id, 'image', 'label');
    const { bytes } = table.columns.get('image')!.image!;
    expect(bytes.length).toBe(3 * 6 * 4 * 3);
    expect([...bytes.subarray(0, 3)]).toEqual([255, 0, 0]);
    const [red, , blue] = bytes.subarray(-3);
    expect(red! < 5 && blue! > 250).toBe(true);
    expect([...table.columns.get('label')!.category!.codes]).toEqual([1, 1, 0]);
    await call('DELETE', `${api}/datasets/${dataset.id}`);
    expect(await Array.fromAsync(service.deps.storage.list(`datasets/${dataset.id}/`))).toEqual([]);
  });

  it('in folders of parts say which part each is of', async () => {
    const images = Object.entries(await makeImages()).map(([path, bytes], i) => [
      `${i === 0 ? 'val' : 'train'}/${path.slice(7)}`,
      bytes,
    ]);
    const { id, columns } = await upload(zipSync(Object.fromEntries(images)), 'application/zip');
    expect(columns.slice(1)).toMatchObject([
      { name: 'label', classes: [{ value: 'blue' }, { value: 'red', rows: 2 }] },
      {
        name: 'split',
        classes: [
          { value: 'train', rows: 2 },
          { value: 'validation', rows: 1 },
        ],
      },
    ]);
    await call('DELETE', `${api}/datasets/${id}`);
  });

  it('without folders are warned of: they have no labels', async () => {
    const { warnings, columns } = await upload(
      zipSync({ '1.png': await paint(2, 2, '#f00').png().toBuffer() }),
      'application/zip',
    );
    expect([columns.length, columns[0].name]).toEqual([1, 'image']);
    expect(warnings).toMatchObject([
      { code: 'no_classes', expected: expect.stringContaining('a folder for each class') },
    ]);
  });

  it('in a tar.gz become grey ones of the size asked for', async () => {
    const archive = pack();
    for (const [name, bytes] of Object.entries(await makeImages())) archive.entry({ name: `./${name}` }, bytes);
    archive.finalize();
    const pieces: Buffer[] = [];
    archive.on('data', (piece) => pieces.push(piece as Buffer));
    await once(archive, 'end');
    const { id, columns } = await upload(
      gzipSync(Buffer.concat(pieces)),
      'application/gzip',
      '?image_size=2x3&channels=1',
    );
    expect(columns[0].shape).toEqual([2, 3, 1]);
    expect((await load(id, 'image', 'label')).columns.get('image')!.image!.bytes.length).toBe(3 * 6);
  });

  it('as an array stand beside what else is in the archive', async () => {
    const pixels = Buffer.from(Array.from({ length: 2 * 3 * 2 }, (_, i) => i));
    const npz = writeNpz({ x: writeNpy('|u1', [2, 3, 2], pixels), y: writeNpy('|u1', [2], Buffer.of(7, 1)) });
    const { id, columns, format } = await upload(npz, 'application/octet-stream');
    expect([format, columns[0].shape, columns[1].name]).toEqual(['npz', [3, 2, 1], 'y']);
    const table = await load(id, 'image', 'y');
    expect(Buffer.from(table.columns.get('image')!.image!.bytes)).toEqual(pixels);
    expect(table.columns.get('y')!.category).toEqual({ codes: Int32Array.of(1, 0), classes: ['1', '7'] });
  });
});
