import { Field, FixedSizeList, Float32, Int16, List, Table, tableToIPC, Utf8, vectorFromArray } from 'apache-arrow';
import { describe, expect, it } from 'vitest';
import type { DatasetError } from '../../src/data/dataset-error.ts';
import { identifyFile, NO_HINT, readHint } from '../../src/data/identify-file.ts';
import { profileRows } from '../../src/data/profile-rows.ts';
import { type RowFormat, readFileRows } from '../../src/data/read-file.ts';
import { unpackLz4Frame } from '../../src/data/unpack-lz4.ts';
import { catchError, makeIdx, sourceOf } from './sources.ts';
import { bytesOf, writeNpy, writeNpz, writeTable } from './write-formats.ts';

async function readFile(bytes: Uint8Array | string, hint = NO_HINT) {
  const source = sourceOf(bytes, [777]);
  const { format, dialect } = await identifyFile(source, hint);
  return { format, ...(await profileRows(format as RowFormat, source, dialect)) };
}

const ROWS = Array.from({ length: 40 }, (_, i) => ({
  size: i % 7 === 3 ? null : i / 8,
  count: i,
  'name, or so': `${['Zoë', 'Ærø', 'Łódź'][i % 3]}`,
  whole: i % 2 === 0,
  day: `2012-01-${String((i % 28) + 1).padStart(2, '0')}`,
}));

describe('one table', () => {
  const files = writeTable(ROWS.map(({ 'name, or so': name, ...row }) => ({ ...row, name })));
  it.each(Object.keys(files))('is the same in %s, told by its first bytes alone', async (kind) => {
    const { format, profile, preview } = await readFile(files[kind]!);
    const expected = await readFile(files.csv!);
    expect(format).toBe({ tsv: 'csv', 'arrow file': 'arrow', 'arrow stream': 'arrow' }[kind] ?? kind);
    expect(profile).toEqual(expected.profile);
    expect(preview).toEqual(expected.preview);
    expect(profile.columns.map(({ type }) => type)).toEqual(['number', 'number', 'boolean', 'date', 'category']);
  });
});

describe('dialects of CSV', () => {
  const rows = [
    { a: 1.5, b: 'x' },
    { a: null, b: 'y' },
    { a: 3.25, b: 'z' },
  ];
  it.each([
    ['semicolons and decimal commas', 'a;b\n1,5;x\n;y\n3,25;z\n'],
    ['tabs, with empty fields', 'a\tb\n1.5\tx\n\ty\n3.25\tz\n'],
    ['bars', 'a|b\r\n1.5|x\r\n|y\r\n3.25|z'],
    ['quotes around delimiters', '"a";"b"\n1,5;"x"\n;"y"\n"3,25";z\n'],
    ['UTF-16', Buffer.from('\ufeffa,b\n1.5,x\n,y\n3.25,z\n', 'utf16le')],
    ['UTF-16, the other way', Buffer.from('\ufeffa,b\n1.5,x\n,y\n3.25,z\n', 'utf16le').swap16()],
    ['UTF-8 with a mark', '\ufeffa,b\n1.5,x\n,y\n3.25,z\n'],
  ])('%s', async (_, text) => expect((await readFile(text)).preview).toEqual(rows));

  it('reads thousands before a decimal comma, and days before months where points are between them', async () => {
    const { preview, profile } = await readFile('a;day\n1.234.567,5;31.12.2024\n-1.000,25;1.2.2025 06:30\n');
    expect(preview.map(({ a }) => a)).toEqual([1234567.5, -1000.25]);
    expect(profile.columns[1]).toMatchObject({
      ...{ type: 'date', minimum: Date.UTC(2024, 11, 31), maximum: Date.UTC(2025, 1, 1, 6, 30) },
    });
  });

  it('keeps a quoted delimiter, and a line break, in a value', async () => {
    const { preview } = await readFile('a;b\n1;"x;\ny"\n2;z\n');
    expect(preview).toEqual([
      { a: 1, b: 'x;\ny' },
      { a: 2, b: 'z' },
    ]);
  });

  it('knows encodings by their letters, or by what the client says', async () => {
    const text = 'stadt;größe\nKöln;groß\nDüsseldorf;mäßig\nWürzburg;klein\n';
    for (const hint of [NO_HINT, readHint('text/csv; charset=ISO-8859-1', undefined)])
      expect((await readFile(Buffer.from(text, 'latin1'), hint)).preview[1]).toEqual({
        stadt: 'Düsseldorf',
        größe: 'mäßig',
      });
    const cyrillic = Buffer.from([0xc3, 0xee, 0xf0, 0xee, 0xe4, 0x2c, 0x61, 0x0a, 0xd3, 0xf4, 0xe0, 0x2c, 0x31, 0x0a]);
    const { preview } = await readFile(cyrillic, readHint('text/csv; charset=windows-1251', undefined));
    expect(preview).toEqual([{ Город: 'Уфа', a: 1 }]);
  });
});

it.each([1, 3, 4])(
  'one file of IDX alone, of %i dimensions, is refused with what belongs to it',
  async (dimensions) => {
    const error = (await catchError(() =>
      readFile(makeIdx(Array(dimensions).fill(1), Buffer.alloc(1))),
    )) as DatasetError;
    expect(error.code).toBe('invalid_idx');
    expect(error.mistakes[0]!.expected).toMatch('files images and labels');
  },
);

describe('JSON arrays', () => {
  it('are read element by element, whatever their white space', async () => {
    const { preview } = await readFile('\ufeff [ {"a": 1,\n"b": "],\\"{"} \n,{"a":\t2, "c": true}]\n');
    expect(preview).toEqual([
      { a: 1, b: '],"{', c: null },
      { a: 2, b: null, c: true },
    ]);
  });

  it.each([
    ['[{"a": 1}, {"a": ]', 'closes|ends'],
    ['[{"a": 1},]', 'a comma stands before the end'],
    ['[,{"a": 1}]', 'nothing before comma 1'],
    ['[{"a": 1}] x', 'something follows'],
    ['[{"a": 1}', 'ends inside element 1'],
    ['[{"a": 1}, 7]', 'line 2: the line is a number'],
    ['[{"a": [1, {}]}]', '"a_1" is an object'],
    ['[]', 'the file is empty'],
  ])('%s is told as a mistake', async (text, message) => {
    await expect(readFile(text)).rejects.toThrow(new RegExp(message));
  });
});

describe('lists', () => {
  const rows = [
    {
      x: [1.5, 2, 3],
      n: [
        [1, 2],
        [3, 4],
      ],
      s: ['u'],
      y: 1,
    },
    { x: [4, null], n: [[5, 6]], s: ['v', 'w'], y: 2 },
    { x: null, n: [], s: ['u'], y: 3 },
  ];
  const reals = new List(new Field('item', new Float32()));
  const arrow = new Table({
    x: vectorFromArray(
      rows.map(({ x }) => x),
      reals,
    ),
    n: vectorFromArray(
      rows.map(({ n }) => n),
      new List(new Field('item', new FixedSizeList(2, new Field('item', new Int16())))),
    ),
    s: vectorFromArray(
      rows.map(({ s }) => s),
      new List(new Field('item', new Utf8())),
    ),
    y: vectorFromArray(
      rows.map(({ y }) => y),
      new Int16(),
    ),
  });
  it.each([
    // as pyarrow 25 writes these rows
    [
      'Parquet',
      Buffer.from(
        'UEFSMRUAFToVOiwVDBUAFQYVBhwAAAACAAAAAxYDAAAAA/8CAADAPwAAAEAAAEBAAACAQBUAFU4VTiwVDhUAFQYVBhwAAAADAAAAA5gIBAAAAANt2wYBAAAAAgAAAAMAAAAEAAAABQAAAAYAAAAVABVAFUAsFQgVABUGFQYcAAAAAgAAAAMEAgAAAAgDAQAAAHUBAAAAdgEAAAB3AQAAAHUVABUkFSQsFQYVABUGFQYcAAAAAgAAAAYBAQAAAAIAAAADAAAAFQQZ3DUAGAZzY2hlbWEVCAA1AhgBeBUCFQZMPAAAADUEGARsaXN0FQIAFQglAhgHZWxlbWVudAA1AhgBbhUCFQZMPAAAADUEGARsaXN0FQIANQIYB2VsZW1lbnQVAhUGTDwAAAA1BBgEbGlzdBUCABUCJQIYB2VsZW1lbnQlIEysExARAAAANQIYAXMVAhUGTDwAAAA1BBgEbGlzdBUCABUMJQIYB2VsZW1lbnQlAEwcAAAAFQIlAhgBeSUeTKwTCBEAAAAWBhkcGUwmABwVCBklBgAZOAF4BGxpc3QHZWxlbWVudBUAFgwWYBZgJghJHBUAFQAVAgA8KSYGBhlGAgACCAAAACYAHBUCGSUGABlYAW4EbGlzdAdlbGVtZW50BGxpc3QHZWxlbWVudBUAFg4WdBZ0JmhJHBUAFQAVAgA8KTYGAgYZZgACAAAADAAAACYAHBUMGSUGABk4AXMEbGlzdAdlbGVtZW50FQAWCBZmFmYm3AFJHBUAFQAVAgA8FggZJgYCGUYAAAAIAAAAJgAcFQIZJQYAGRgBeRUAFgYWShZKJsICSRwVABUAFQIAPCkGGSYABgAAABaEAxYGJggWhAMAKCBwYXJxdWV0LWNwcC1hcnJvdyB2ZXJzaW9uIDI1LjAuMRlMHAAAHAAAHAAAHAAAAPYBAABQQVIx',
        'base64',
      ),
    ],
    ['an Arrow file', tableToIPC(arrow, 'file')],
    ['an Arrow stream', tableToIPC(arrow, 'stream')],
  ])('of %s are columns as arrays of JSON are, and are found by their places', async (_, bytes) => {
    const json = await readFile(JSON.stringify(rows));
    const { format, preview, profile } = await readFile(bytes);
    expect(preview).toEqual(json.preview);
    expect(profile).toEqual(json.profile);
    const told: unknown[] = [];
    const wanted = new Set(['n_1_0', 'y', 'x_2']);
    await readFileRows(
      format as RowFormat,
      sourceOf(bytes),
      undefined,
      {
        onColumn: (name, index) => told.push([index, name]),
        onField() {},
        onValue: (index, value) => told.push([index, value]),
        onRowEnd() {},
      },
      wanted,
    );
    expect(told).toEqual([
      [0, 'x_2'],
      [0, 3],
      [1, 'n_1_0'],
      [1, 3],
      [2, 'y'],
      [2, 1],
      [2, 2],
      [2, 3],
    ]);
  });

  it.each([
    [{ x: [[1]], x_0: [2] }, '"x_0" is a column as well as a place of a list'],
    [{ x: [[]] }, 'its lists are all empty'],
    [{ x: [Array(10_001).fill(1)] }, 'more than 10000 columns'],
  ])('are refused: %j', async (columns: Record<string, unknown[]>, message) => {
    const vectors = Object.entries(columns).map(([name, values]) => [
      name,
      Array.isArray(values[0]) ? vectorFromArray(values, reals) : vectorFromArray(values),
    ]);
    await expect(readFile(tableToIPC(new Table(Object.fromEntries(vectors)), 'file'))).rejects.toThrow(message);
  });
});

describe('arrays of NumPy', () => {
  const x = writeNpy('<f4', [3, 2], bytesOf(Float32Array.of(1, 2, 3, 4, 5, Number.NaN)));
  it('are columns', async () => {
    expect((await readFile(x)).preview).toEqual([
      { x_0: 1, x_1: 2 },
      { x_0: 3, x_1: 4 },
      { x_0: 5, x_1: null },
    ]);
  });

  it('are columns of steps and values where they have three dimensions', async () => {
    const steps = writeNpy('<i2', [1, 2, 2], bytesOf(Int16Array.of(1, 2, 3, 4)));
    expect((await readFile(steps)).preview).toEqual([{ x_0_0: 1, x_0_1: 2, x_1_0: 3, x_1_1: 4 }]);
  });

  it('stand side by side in an archive', async () => {
    const names = Buffer.alloc(24);
    for (const [i, character] of [...'abÜ'].entries()) names.writeUInt32LE(character.codePointAt(0)!, 4 * i);
    const npz = writeNpz({
      x,
      y: writeNpy('<i8', [3], bytesOf(BigInt64Array.of(7n, -1n, 2n ** 53n))),
      s: writeNpy('<U2', [3], names),
      t: writeNpy('|b1', [3, 1], Buffer.of(1, 0, 1)),
      h: writeNpy('>f2', [3], Buffer.of(0x3c, 0, 0x40, 0, 0xc0, 0)),
    });
    const { format, preview } = await readFile(npz);
    expect(format).toBe('npz');
    expect(preview).toEqual([
      { x_0: 1, x_1: 2, y: 7, s: 'ab', t_0: true, h: 1 },
      { x_0: 3, x_1: 4, y: -1, s: 'Ü', t_0: false, h: 2 },
      { x_0: 5, x_1: null, y: 2 ** 53, s: '', t_0: true, h: -2 },
    ]);
  });

  it.each<[string, Uint8Array]>([
    ['has 2 rows', writeNpz({ x, y: writeNpy('|u1', [2], Buffer.of(1, 2)) })],
    ['ends at row 3', x.subarray(0, -1)],
    ['longer than its header', Buffer.concat([x, Buffer.alloc(8)])],
    ['are |O', writeNpy('|O', [1], Buffer.alloc(8))],
    ['no rows', writeNpy('<f8', [0], Buffer.alloc(0))],
    ['at most three', writeNpy('<f4', [1, 1, 1, 1], Buffer.alloc(4))],
    ['10001 elements', writeNpy('<i2', [1, 10_001], Buffer.alloc(20_002))],
    ['Fortran', Buffer.from(x.toString('latin1').replace('False', 'True '), 'latin1')],
  ])('what %s is refused', async (message, bytes) => {
    const error = (await catchError(() => readFile(bytes))) as DatasetError;
    expect(`${error.message}: ${error.mistakes[0]!.expected}`).toContain(message);
  });
});

it('reads Parquet with LZ4, a column that has no values, and times of day in seconds', async () => {
  // as pyarrow 25 writes {"n": [null, null], "t": [time(0, 1, 2), time(12, 0, 0, 500_000)]}
  const file =
    'UEFSMRUAFQwVDiwVBBUAFQYVBhwAAABgAgAAAAQAFQAVLBUwLBUEFQAVBhUGHAAAAPAHAgAAAAQBgAuyAwAAAAAgUfMOCgAAABUEGTw1ABgGc2NoZW1hFQQAFQIlAhgBbmy8AAAAFQQlAhgBdGx8EhwsAAAAAAAWBBkcGSwmABwVAhklBgAZGAFuFQ4WBBYyFjQmCEkcFQAVABUCADwpBhkmBAAAAAAmABwVBBklBgAZGAF0FQ4WBBZSFlYmPEkcFQAVABUCADwpBhkmAAQAAAAWhAEWBCYIFooBACggcGFycXVldC1jcHAtYXJyb3cgdmVyc2lvbiAyNS4wLjEZLBwAABwAAAC+AAAAUEFSMQ==';
  const { profile, preview } = await readFile(Buffer.from(file, 'base64'));
  expect(preview).toMatchObject([{ t: 62 }, { t: 43_200.5 }]);
  expect(profile.columns.map(({ missing }) => missing)).toEqual([2, 0]);
});

it('unpacks LZ4 with matches that overlap, in blocks that lean on each other', () => {
  const header = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x40, 0x40, 0xc0]);
  const first = Buffer.from([0x14, 0x61, 0x01, 0x00, 0x10, 0x62]);
  const second = Buffer.from([0x00, 0x02, 0x00, 0x10, 0x63]);
  const size = (bytes: Buffer) => Buffer.from(Uint32Array.of(bytes.length).buffer);
  const frame = Buffer.concat([header, size(first), first, size(second), second, Buffer.alloc(4)]);
  expect(Buffer.from(unpackLz4Frame(frame, 100)).toString()).toBe('aaaaaaaaabababc');
  expect(() => unpackLz4Frame(frame, 5)).toThrow(RangeError);
});
