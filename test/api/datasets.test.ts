import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { cancelJob } from '../../src/jobs/request-change.ts';
import { openDiskStorage } from '../../src/storage/disk.ts';
import { type Answer, call } from '../support/client.ts';
import { addDataset, addJob, TENANT } from '../support/jobs.ts';
import { expectProblem } from '../support/problem.ts';
import { type Service, startService } from '../support/service.ts';

const CSV = { 'content-type': 'text/csv' };
const NO_ID = 'ds_01h455vb4pex5vsknk084sn02q';

let service: Service;
let api: string;
beforeAll(async () => {
  service = await startService();
  api = service.api;
});
afterAll(() => service.close());

/** `tiny`: three images of 2 × 2, and their labels. */
const IMAGES = Buffer.concat([Buffer.from([0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2]), Buffer.alloc(12, 7)]);
const LABELS = Buffer.from([0, 0, 8, 1, 0, 0, 0, 3, 4, 9, 4]);

function formOf(...parts: [name: string, value: string | Blob, filename?: string][]): FormData {
  const form = new FormData();
  for (const [name, value, filename] of parts) {
    if (typeof value === 'string') form.append(name, value);
    else form.append(name, value, filename ?? name);
  }
  return form;
}

describe('an upload', () => {
  const penguins = readFileSync(new URL('../../examples/penguins.csv', import.meta.url));

  it('of a CSV is hashed, profiled, shown, deleted', async () => {
    const { status, headers, body } = await call('POST', `${api}/datasets?name=penguins`, penguins, {
      'content-type': 'text/csv; charset=utf-8',
    });
    expect(status).toBe(201);
    expect(headers.get('location')).toBe(`/v1/datasets/${body.id}`);
    expect(body).toMatchObject({
      name: 'penguins',
      format: 'csv',
      status: 'ready',
      rows: 344,
      size_bytes: penguins.length,
      sha256: createHash('sha256').update(penguins).digest('hex'),
    });
    const species = body.columns.find((column: { name: string }) => column.name === 'species');
    expect(species).toMatchObject({ type: 'category', distinct: 3, missing: 0 });
    const url = `${api}/datasets/${body.id}`;
    expect((await call('GET', url)).body).toEqual(body);
    const profile = (await call('GET', `${url}/profile`)).body;
    expect(profile).toMatchObject({ rows: 344, columns: body.columns });
    const sizes = profile.columns.find(({ type }: { type: string }) => type === 'number');
    const counted = sizes.histogram.counts.reduce((sum: number, count: number) => sum + count, 0);
    expect(counted).toBe(344 - sizes.missing);
    expect((await call('GET', `${url}/preview`)).body.data[0]).toMatchObject({
      species: 'Adelie',
      island: 'Torgersen',
    });
    expect((await call('DELETE', url)).status).toBe(204);
    expect(await Array.fromAsync(service.deps.storage.list(`datasets/${body.id}/`))).toEqual([]);
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/profile'],
      ['GET', '/preview'],
      ['DELETE', ''],
    ])
      expectProblem(await call(method!, `${url}${path}`), 'dataset_not_found');
  });

  it('without a name is called by its id', async () => {
    const { body } = await call('POST', `${api}/datasets`, 'a,b\n1,2\n', CSV);
    expect(body.name).toBe(body.id);
  });

  it('with dates that can be read in two ways says so, and reads them as it is told, also of what is made of it', async () => {
    const csv = 'when,n\n01/02/2026,1\n03/04/2026,2\n01/02/2026,3\n';
    const { body } = await call('POST', `${api}/datasets`, csv, CSV);
    expect(body.columns[0]).toMatchObject({ type: 'category', date_order: 'unknown' });
    expect(body.warnings).toEqual([
      expect.objectContaining({ code: 'ambiguous_dates', detail: expect.stringContaining('"when"') }),
    ]);
    const input = { column: 'when', type: 'date' };
    const refused = await call('POST', `${api}/jobs`, { dataset: body.id, target: 'n', inputs: [input] });
    expect(expectProblem(refused, 'invalid_spec').errors[0].expected).toContain('?date_order=day_first');
    const said = await call('POST', `${api}/datasets?date_order=day_first`, csv, CSV);
    expect(said.body.columns[0]).toMatchObject({
      type: 'date',
      date_order: 'day_first',
      minimum: Date.UTC(2026, 1, 1),
    });
    expect(said.body.warnings).toBeUndefined();
    const filter = { column: 'when', op: '<', value: '2/2/2026' };
    const { body: early } = await call('POST', `${api}/datasets`, { from: [said.body.id], filter });
    expect(early).toMatchObject({ rows: 2, columns: [{ type: 'date', maximum: Date.UTC(2026, 1, 1) }, {}] });
    const other = await call('POST', `${api}/datasets?date_order=month_first`, csv, CSV);
    const joined = await call('POST', `${api}/datasets`, { from: [said.body.id, other.body.id] });
    expect(expectProblem(joined, 'invalid_spec').errors[0].detail).toContain('in another order');
    const { body: short } = await call('POST', `${api}/datasets`, 'when,n\n4-Mar-98,1\n5-Mar-55,2\n', CSV);
    expect(short.columns[0]).toMatchObject({ type: 'date', maximum: Date.UTC(2055, 2, 5) });
    expect(short.warnings).toEqual([
      expect.objectContaining({ code: 'short_years', detail: expect.stringContaining('"when"') }),
    ]);
  });

  it('of a CSV whose first line is a row is warned of, and taken so where that is said', async () => {
    const csv = '5.1,3.5,2020-01-01,setosa\n4.9,3,2020-01-02,setosa\n6.3,3.3,2020-01-03,virginica\n';
    const { body } = await call('POST', `${api}/datasets`, csv, CSV);
    expect(body).toMatchObject({
      rows: 2,
      warnings: [{ code: 'no_header', expected: expect.stringContaining('?header=false') }],
    });
    const { body: profile } = await call('GET', `${api}/datasets/${body.id}/profile`);
    expect(profile.warnings).toEqual(body.warnings);
    for (const [query, type] of [
      ['?header=false', 'text/csv'],
      ['', 'text/csv; header=absent'],
    ] as const) {
      const { body: right } = await call('POST', `${api}/datasets${query}`, csv, { 'content-type': type });
      expect(right.warnings).toBeUndefined();
      expect(right.columns.map(({ name, type }: Record<string, string>) => [name, type])).toEqual([
        ['column_1', 'number'],
        ['column_2', 'number'],
        ['column_3', 'date'],
        ['column_4', 'category'],
      ]);
      const { body: preview } = await call('GET', `${api}/datasets/${right.id}/preview`);
      expect(preview.data[0]).toEqual({ column_1: 5.1, column_2: 3.5, column_3: '2020-01-01', column_4: 'setosa' });
    }
    // the same value twice can be no header
    const { body: refused } = await call('POST', `${api}/datasets`, '1,1,0\n0,1,0\n', CSV);
    expect(refused.errors[0].expected).toContain('?header=false');
    const { body: penguins } = await call(
      'POST',
      `${api}/datasets`,
      'bill,species,1990\n39,Adelie,1\n45,Gentoo,0\n',
      CSV,
    );
    expect(penguins.warnings).toBeUndefined();
  });

  it('of JSON lines', async () => {
    const lines = '{"a": 1, "b": "x"}\n{"a": 2.5, "b": "y"}\n';
    const { body } = await call('POST', `${api}/datasets`, lines, { 'content-type': 'application/x-ndjson' });
    expect(body).toMatchObject({ format: 'jsonl', rows: 2 });
  });

  it('of a corpus of text', async () => {
    const text = 'To be, or not to be:\r\nthat is the question.\r\n';
    const { status, body } = await call('POST', `${api}/datasets?name=hamlet`, text, { 'content-type': 'text/plain' });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      format: 'text',
      rows: 2,
      size_bytes: 45,
      columns: [{ name: 'text', type: 'text', text: { characters: 43, bytes: 43, lines: 2, distinct_characters: 18 } }],
    });
    expect(body.columns[0].text.vocabulary[0]).toEqual({ character: '\n', count: 2, first: 20 });
    const url = `${api}/datasets/${body.id}`;
    expect((await call('GET', `${url}/preview`)).body.data).toEqual([
      { text: 'To be, or not to be:' },
      { text: 'that is the question.' },
    ]);
    expect((await call('DELETE', url)).status).toBe(204);
    expect(await Array.fromAsync(service.deps.storage.list(`datasets/${body.id}/`))).toEqual([]);
  });

  it('of a pair of IDX files, in any order of its parts', async () => {
    const form = formOf(['name', 'tiny'], ['labels', new Blob([LABELS])], ['images', new Blob([IMAGES])]);
    const { body } = await call('POST', `${api}/datasets`, form);
    expect(body).toMatchObject({
      name: 'tiny',
      format: 'idx',
      rows: 3,
      size_bytes: IMAGES.length + LABELS.length,
      columns: [
        { name: 'pixels', type: 'image', shape: [2, 2, 1] },
        { name: 'label', type: 'category' },
      ],
    });
  });

  it.each([
    ['table.csv', '', 'a,b\n1,2\n', 'csv'],
    ['rows.jsonl', '', '{"a": 1}\n', 'jsonl'],
    ['rows.bin', 'application/x-ndjson', '{"a": 1}\n', 'jsonl'],
    ['book.txt', '', 'Call me Ishmael.\n', 'text'],
    ['book', 'text/plain', 'Call me Ishmael.\n', 'text'],
    ['table.csv', 'text/plain', 'a,b\n1,2\n', 'csv'],
  ])('of a form’s file %s', async (filename, type, text, format) => {
    const form = formOf(['file', new Blob([text], { type }), filename], ['name', 'ünï']);
    const { status, body } = await call('POST', `${api}/datasets`, form);
    expect([status, body.format, body.name]).toEqual([201, format, 'ünï']);
  });
});

describe('what cannot be a dataset', () => {
  const before: string[] = [];
  beforeAll(async () => {
    before.push(...(await storedKeys()));
  });
  afterEach(async () => expect(await storedKeys()).toEqual(before));

  async function storedKeys(): Promise<string[]> {
    const keys: string[] = [];
    for await (const key of service.deps.storage.list('')) keys.push(key);
    return keys;
  }

  it.each([
    ['invalid_csv', CSV, 'a,b\n1,2\n3\n4,5,6\n', ['line 3: the row has 1 field', 'line 4: the row has 3 fields']],
    ['invalid_csv', CSV, 'a,a\n1,2\n', ['line 1, column 2: the name "a" is that of column 1 already']],
    ['invalid_csv', CSV, 'a,b\n"1,2\n', ['line 2, column 1: an opening quote is never closed']],
    ['invalid_csv', CSV, 'a,b\n', ['line 1: there is a header and no row']],
    ['invalid_csv', CSV, 'a,constructor\n1,2\n', ['line 1, column 2: "constructor" cannot be a column\'s name']],
    ['invalid_csv', CSV, `${'a,'.repeat(10_000)}a\n`, ['line 1: the header has 10001 columns']],
    ['empty_body', CSV, '', ['the file is empty']],
    ['empty_body', CSV, '\n\n', ['the file holds nothing but empty lines']],
    [
      'invalid_encoding',
      { 'content-type': 'text/csv; charset=utf-8' },
      Buffer.from([0x61, 0x0a, 0x31, 0xff, 0x0a]),
      ['line 2, column 2: byte 0xff is not valid UTF-8'],
    ],
    ['invalid_encoding', CSV, 'a\n\0\n', ['line 2, column 1: U+0000 stands in the text']],
    [
      'invalid_encoding',
      CSV,
      Buffer.from([0x1f, 0x8b, 8, 0, 0, 0]),
      ['the file cannot be decompressed: unexpected end of file'],
    ],
    [
      'invalid_jsonl',
      { 'content-type': 'application/jsonl' },
      '{"a": 1}\n{"a": \n[]\n{"a": {}}\n',
      ['line 2', 'line 3: the line is an array', 'line 4: "a" is an object'],
    ],
    [
      'invalid_encoding',
      { 'content-type': 'text/plain; charset=utf-8' },
      Buffer.from([0x61, 0x0a, 0x31, 0xff, 0x0a]),
      ['line 2, column 2: byte 0xff at offset 3 is not valid UTF-8'],
    ],
    ['empty_body', { 'content-type': 'text/plain; charset=utf-8' }, '', ['the file is empty']],
    ['invalid_jsonl', { 'content-type': 'application/x-ndjson' }, '{"a": 1e999}\n', ['line 1: "a" is too large']],
  ] as const)('%s %j %j', async (code, headers, body, details) => {
    const answer = await call('POST', `${api}/datasets`, body, headers);
    const { errors, detail } = expectProblem(answer, code);
    expect(detail).toMatch(/No dataset was made\.$/);
    expect(errors.map((error) => error.detail)).toEqual(details.map((start) => expect.stringContaining(start)));
    expect(errors.every((error) => error.code === code && error.expected !== null)).toBe(true);
  });

  it.each([
    [
      'invalid_idx',
      [
        ['images', new Blob(['x'.repeat(64)])],
        ['labels', new Blob([LABELS])],
      ],
    ],
    [
      'invalid_idx',
      [
        ['images', new Blob([IMAGES.subarray(0, 20)])],
        ['labels', new Blob([LABELS])],
      ],
    ],
    [
      'invalid_labels',
      [
        ['images', new Blob([IMAGES])],
        ['labels', new Blob([Buffer.from([0, 0, 8, 1, 0, 0, 0, 2, 4, 9])])],
      ],
    ],
    [
      'invalid_labels',
      [
        ['images', new Blob([IMAGES])],
        ['labels', new Blob([Buffer.from([0, 0, 8, 1, 0, 0, 0, 3, 4, 4, 4])])],
      ],
    ],
    ['empty_body', [['file', new Blob([]), 'a.csv']]],
    ['invalid_multipart', [['images', new Blob([IMAGES])]]],
    [
      'invalid_multipart',
      [
        ['images', new Blob([IMAGES])],
        ['file', new Blob(['a\n1\n'])],
      ],
    ],
    [
      'invalid_multipart',
      [
        ['file', new Blob(['a\n1\n'])],
        ['file', new Blob(['a\n1\n'])],
      ],
    ],
    ['invalid_multipart', [['pictures', new Blob(['x'.repeat(3_000_000)])]]],
    ['invalid_multipart', [['name', 'no file']]],
    [
      'invalid_multipart',
      [
        ['colour', 'red'],
        ['file', new Blob(['a\n1\n'])],
      ],
    ],
    [
      'invalid_multipart',
      [
        ['name', ''],
        ['file', new Blob(['a\n1\n'])],
      ],
    ],
    [
      'invalid_multipart',
      [
        ['name', 'a'],
        ['name', 'b'],
        ['file', new Blob(['a\n1\n'])],
      ],
    ],
    [
      'invalid_multipart',
      [
        ['name', 'n'.repeat(201)],
        ['file', new Blob(['a\n1\n'])],
      ],
    ],
    [
      'invalid_multipart',
      [
        ['__proto__', 'x'],
        ['file', new Blob(['a\n1\n'])],
      ],
    ],
    [
      'invalid_string',
      [
        ['name', 'a\0b'],
        ['file', new Blob(['a\n1\n'])],
      ],
    ],
  ] as const)('%s: a form', async (code, parts) => {
    const form = formOf(...(parts as unknown as Parameters<typeof formOf>));
    expectProblem(await call('POST', `${api}/datasets`, form), code);
  });

  it.each([
    ['no boundary', 'multipart/form-data', 'x'],
    ['no parts', 'multipart/form-data; boundary=abc', 'x'],
    [
      'a part that breaks off',
      'multipart/form-data; boundary=abc',
      '--abc\r\ncontent-disposition: form-data; name="images"; filename="a"\r\n\r\nxx',
    ],
    [
      'U+0000 in the header of a part',
      'multipart/form-data; boundary=abc',
      '--abc\r\ncontent-disposition: form-data;\0 name="file"; filename="a"\r\n\r\na\n1\n\r\n--abc--\r\n',
    ],
    ['a part without headers', 'multipart/form-data; boundary=abc', '--abc\r\nnonsense\r\n\r\nxx\r\n--abc--\r\n'],
  ])('a malformed form: %s', async (_name, type, body) => {
    expectProblem(await call('POST', `${api}/datasets`, body, { 'content-type': type }), 'invalid_multipart');
  });

  it('a disk that is full', async () => {
    const full = openDiskStorage(service.folder, { openPartial: () => open('/dev/full', 'w') });
    const crowded = await startService({ parts: { storage: full } });
    try {
      expectProblem(await call('POST', `${crowded.api}/datasets`, 'a,b\n1,2\n', CSV), 'storage_full');
      const form = formOf(['file', new Blob(['a,b\n1,2\n']), 'a.csv']);
      expectProblem(await call('POST', `${crowded.api}/datasets`, form), 'storage_full');
      expect((await call('GET', `${crowded.api}/datasets`)).body.data).toEqual([]);
    } finally {
      await crowded.close();
    }
  });
});

describe('datasets', () => {
  it('stay while a job needs them', async () => {
    const { id, datasetId } = await addJob(service.database.db);
    const { detail } = expectProblem(await call('DELETE', `${api}/datasets/${datasetId}`), 'dataset_in_use');
    expect(detail).toContain(id);
    await cancelJob(service.database.db, TENANT, id);
    expect((await call('DELETE', `${api}/datasets/${datasetId}`)).status).toBe(204);
  });

  it('are listed newest first, each once, however many come or go meanwhile', async () => {
    const { db } = service.database;
    const made: string[] = [];
    for (let i = 0; i < 6; i++) made.unshift((await addDataset(db, { name: `d${i}` })).id);
    const seen: string[] = [];
    let url = `${api}/datasets?limit=2`;
    while (seen.length < 6) {
      const { body }: Answer<{ data: { id: string }[]; has_more: boolean; next_cursor: string }> = await call(
        'GET',
        url,
      );
      seen.push(...body.data.map(({ id }) => id));
      expect(body.has_more).toBe(true);
      url = `${api}/datasets?limit=2&cursor=${body.next_cursor}`;
      await addDataset(db, { name: 'late' });
    }
    expect(seen).toEqual(made);
    await call('DELETE', `${api}/datasets/${made[5]}`);
    expect((await call('GET', url)).status).toBe(200);
  });

  it.each([`${NO_ID}`, `${NO_ID}/profile`, `${NO_ID}/preview`])('there is no %s', async (path) => {
    expectProblem(await call('GET', `${api}/datasets/${path}`), 'dataset_not_found');
  });
});
