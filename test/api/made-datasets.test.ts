import { rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OutboundGuard } from '../../src/outbound/guard.ts';
import { makeIdx } from '../data/sources.ts';
import { call, uploadCsv } from '../support/client.ts';
import { expectProblem } from '../support/problem.ts';
import { type Service, startService } from '../support/service.ts';

/** Datasets whose bytes do not come with the request: from an address, and from other datasets. */
let service: Service;
let api: string;
let files: Server;
let origin: string;
const CSV = `n,word,day\n${Array.from({ length: 100 }, (_, i) => `${i},${i % 3 === 0 ? 'fizz' : `w${i % 7}`},2012-01-${String((i % 28) + 1).padStart(2, '0')}`).join('\n')}\n`;

beforeAll(async () => {
  const parts = { outboundGuard: new OutboundGuard({ allowHttp: true, allowRanges: ['127.0.0.1/32'] }) };
  service = await startService({ parts, maxUploadBytes: 1e6 });
  api = service.api;
  files = createServer((request, response) => {
    const { pathname } = new URL(request.url!, 'http://a');
    if (pathname === '/table.tsv') response.end(CSV.replaceAll(',', '\t'));
    else if (pathname === '/packed') response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(CSV));
    else if (pathname === '/moved') response.writeHead(302, { location: '/table.tsv?token=secret' }).end();
    else if (pathname === '/inside') response.writeHead(302, { location: 'http://127.0.0.2/table.csv' }).end();
    else if (pathname === '/round') response.writeHead(302, { location: '/round' }).end();
    else if (pathname === '/large.csv') response.end(Buffer.alloc(1e6 + 1, 'a\n'));
    else if (pathname === '/cut.csv') {
      response.writeHead(200, { 'content-length': '1000' }).write('a,b\n1,2\n');
      setTimeout(() => response.destroy(), 50);
    } else response.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => files.once('listening', resolve));
  origin = `http://127.0.0.1:${(files.address() as AddressInfo).port}`;
});
afterAll(async () => {
  files.closeAllConnections();
  files.close();
  await service.close();
});

const make = (body: object) => call('POST', `${api}/datasets`, body);
async function made(body: object) {
  const answer = await make(body);
  expect(answer.body).toMatchObject({ id: expect.any(String) });
  expect(answer.status).toBe(201);
  return answer.body;
}
const previewOf = async (id: string) => (await call('GET', `${api}/datasets/${id}/preview`)).body.data;

describe('a dataset from an address', () => {
  it.each([
    ['/table.tsv?token=secret', '/table.tsv'],
    ['/packed', '/packed'],
    ['/moved', '/moved'],
  ])('%s', async (path, shown) => {
    const dataset = await made({ name: `from ${shown}`, url: `${origin}${path}` });
    expect(dataset).toMatchObject({ format: 'csv', rows: 100, origin: { type: 'url', url: `${origin}${shown}` } });
    expect(JSON.stringify(dataset)).not.toContain('secret');
  });

  it.each([
    ['/none', 'url_unreachable', 'status 404'],
    ['/inside', 'url_forbidden', 'not public'],
    ['/round', 'url_unreachable', 'too many redirects'],
    ['/large.csv', 'too_large', ''],
    ['/cut.csv', 'url_unreachable', 'cannot be fetched'],
  ] as const)('%s is refused: %s', async (path, code, detail) => {
    const problem = expectProblem(await make({ url: `${origin}${path}` }), code);
    expect(problem.detail).toContain(detail);
  });
});

describe('a dataset of rows of others', () => {
  let id: string;
  beforeAll(async () => {
    id = await uploadCsv(api, 'numbers', CSV);
  });

  it('keeps the rows of a filter and the columns asked for, and tells where it comes from', async () => {
    const filter = {
      and: [
        { column: 'n', op: '>=', value: 10 },
        {
          or: [
            { column: 'word', op: '==', value: 'fizz' },
            { column: 'n', op: 'in', value: [11, 13] },
          ],
        },
        { not: { column: 'day', op: '<', value: '2012-01-12' } },
      ],
    };
    const dataset = await made({ name: 'numbers', from: [id], filter, columns: ['word', 'n'] });
    expect(dataset).toMatchObject({ name: 'numbers', version: 2, format: 'jsonl' });
    expect(dataset.origin).toEqual({
      type: 'datasets',
      from: [id],
      columns: ['word', 'n'],
      filter,
      sample: null,
      part: null,
    });
    expect(dataset.columns.map(({ name }: { name: string }) => name)).toEqual(['word', 'n']);
    const expected = Array.from({ length: 100 }, (_, n) => n).filter(
      (n) => n >= 10 && (n % 3 === 0 || n === 11 || n === 13) && (n % 28) + 1 >= 12,
    );
    expect(dataset.rows).toBe(expected.length);
    expect((await previewOf(dataset.id)).map(({ n }: { n: number }) => n)).toEqual(expected.slice(0, 20));
    const { data } = (await call('GET', `${api}/datasets?name=numbers`)).body;
    expect(data.map(({ version }: { version: number }) => version)).toEqual([2, 1]);
  });

  it('of parts that do not overlap has every row once, put together again', async () => {
    const train = await made({ from: [id], part: { from: 0, to: 0.7, seed: 5 } });
    const test = await made({ from: [id], part: { from: 0.7, to: 1, seed: 5 } });
    expect(train.rows + test.rows).toBe(100);
    expect(train.rows).toBeGreaterThan(50);
    const both = await made({ from: [train.id, test.id] });
    const { columns } = (await call('GET', `${api}/datasets/${id}`)).body;
    // a mean depends a little on the order
    const exact = (list: Record<string, unknown>[]) =>
      list.map(({ mean: _mean, standard_deviation: _deviation, ...column }) => column);
    expect(exact(both.columns)).toEqual(exact(columns));
  });

  it('by a sample is the same for a seed, and has as many rows as asked for', async () => {
    const sample = { rows: 17, seed: 3 };
    const [first, again] = [await made({ from: [id], sample }), await made({ from: [id], sample })];
    expect([first.rows, again.sha256]).toEqual([17, first.sha256]);
    expect((await made({ from: [id], sample: { rows: 17, seed: 4 } })).sha256).not.toBe(first.sha256);
  });

  it('of images takes their labels along', async () => {
    const form = new FormData();
    form.append('images', new Blob([Uint8Array.from(makeIdx([4, 1, 2], Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)))]));
    form.append('labels', new Blob([Uint8Array.from(makeIdx([4], Uint8Array.of(9, 5, 9, 7)))]));
    const idx = (await call('POST', `${api}/datasets`, form)).body.id;
    const nines = await made({ from: [idx], filter: { column: 'label', op: 'in', value: ['9', '7'] } });
    expect(nines).toMatchObject({ format: 'images', rows: 3 });
    expect(nines.columns).toMatchObject([
      { name: 'pixels', type: 'image', shape: [1, 2, 1], mean: 29 / 6 },
      { name: 'label', classes: [{ value: '7' }, { value: '9', rows: 2 }] },
    ]);
    const again = await made({ from: [nines.id], filter: { column: 'label', op: '==', value: '7' } });
    expect([again.rows, again.columns[0].mean]).toEqual([1, 7.5]);
  });

  it.each<[object, string, string[]]>([
    [{}, 'invalid_field', ['']],
    [{ data: [{ a: 1 }] }, 'invalid_field', ['']],
    [{ url: 'https://a.example', from: ['x'] }, 'invalid_field', ['']],
    [{ url: 'https://a.example', filter: {}, sample: { rows: 1 } }, 'invalid_field', ['/filter', '/sample']],
    [{ from: ['ds_none'] }, 'dataset_not_found', []],
    [
      { from: ['ID'], columns: ['n', 'm'], filter: { column: 'nn', op: '<', value: 1 } },
      'invalid_spec',
      ['/columns/1', '/filter/column'],
    ],
    [{ from: ['ID'], filter: { column: 'n', op: '<', value: 'x' } }, 'invalid_spec', ['/filter/value']],
    [{ from: ['ID'], filter: { column: 'day', op: '>=', value: 'tuesday' } }, 'invalid_spec', ['/filter/value']],
    [
      { from: ['ID'], filter: { column: 'day', op: 'in', value: ['2012-01-01', '1/2/2012'] } },
      'invalid_spec',
      ['/filter/value/1'],
    ],
    [
      { from: ['ID'], filter: { and: [{ column: 'n', op: '~' }, { colum: 'n' }] } },
      'invalid_field',
      ['/filter/and/0/op', '/filter/and/1'],
    ],
    [{ from: ['ID'], part: { from: 0.5, to: 0.5 } }, 'invalid_spec', ['/part/to']],
    [{ from: ['ID'], filter: { column: 'n', op: '>', value: 1e9 } }, 'empty_body', ['']],
  ])('%j is refused', async (body, code, pointers) => {
    const sent = JSON.parse(JSON.stringify(body).replace('"ID"', JSON.stringify(id)));
    const { errors } = expectProblem(await make(sent), code as 'invalid_spec');
    expect(errors.map(({ pointer }) => pointer)).toEqual(pointers);
  });

  it('one that is deleted while its rows are read is told as what it is', async () => {
    const parent = await uploadCsv(api, 'short-lived', 'a,b\n1,2\n3,4\n');
    const { storage, db } = service.deps;
    const { describe: describeStorage } = storage;
    let deleted: Promise<unknown> | undefined;
    storage.describe = () => {
      // what a deletion does, at the worst moment: the row was found, and no file was opened yet
      deleted = db.pool.query('update datasets set deleted_at = now() where id = $1', [parent]);
      rmSync(join(service.folder, 'datasets', parent), { recursive: true });
      return describeStorage.call(storage);
    };
    try {
      const { detail } = expectProblem(await make({ from: [parent] }), 'dataset_not_found');
      expect(detail).toContain(`${parent} was deleted`);
      await deleted;
    } finally {
      storage.describe = describeStorage;
    }
  });
});
