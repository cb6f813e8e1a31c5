import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeSafetensors, encodeSafetensors } from '../../src/checkpoints/safetensors.ts';
import { DTYPES, type Dtype, SafetensorsError, type Tensor } from '../../src/checkpoints/tensor.ts';
import { findDuplicateKey } from '../../src/spec/find-duplicate-key.ts';
import { listAll } from '../storage/temporary-storage.ts';

async function encode(tensors: Tensor[], metadata?: Record<string, string>): Promise<Buffer> {
  return Buffer.concat(await listAll(encodeSafetensors(tensors, metadata).chunks()));
}

/** A file of this header, as it stands, and so many bytes of data. */
function makeFile(header: unknown, dataBytes: number): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(dataBytes)]);
}

const anyTensor: fc.Arbitrary<Tensor> = fc
  .record({
    name: fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('0', '7', '__proto__', 'constructor', 'a"b\\', '')),
    dtype: fc.constantFrom(...(Object.keys(DTYPES) as Dtype[])),
    shape: fc.array(fc.nat(4), { maxLength: 3 }),
    seed: fc.uint8Array({ minLength: 512, maxLength: 512 }),
  })
  .map(({ name, dtype, shape, seed }) => {
    const { array } = DTYPES[dtype];
    const elements = shape.reduce((product, size) => product * size, 1);
    return { name: name.toWellFormed(), dtype, shape, data: new array(seed.slice().buffer, 0, elements) };
  });
const anyFile = fc.record({
  tensors: fc.uniqueArray(
    anyTensor.filter(({ name }) => name !== '__metadata__'),
    { selector: ({ name }) => name, maxLength: 6 },
  ),
  metadata: fc.dictionary(fc.string(), fc.string()),
});

/** Bytes, so that NaNs of any kind compare. */
const contentOf = ({ dtype, shape, data }: Tensor) => ({
  dtype,
  shape,
  bytes: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex'),
});

describe('encodeSafetensors', () => {
  it('lays a file out as the format says', async () => {
    const file = await encode(
      [
        { name: 'b', dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 3) },
        { name: 'a', dtype: 'F32', shape: [1, 2], data: Float32Array.of(1, -2) },
        { name: 'c', dtype: 'I64', shape: [], data: BigInt64Array.of(-1n) },
      ],
      { made: 'here' },
    );
    const headerBytes = Number(file.readBigUInt64LE());
    expect(headerBytes % 8).toBe(0);
    const text = file.subarray(8, 8 + headerBytes).toString();
    expect(text).toMatch(/^\{.*\} *$/);
    expect(JSON.parse(text)).toEqual({
      __metadata__: { made: 'here' },
      c: { dtype: 'I64', shape: [], data_offsets: [0, 8] },
      a: { dtype: 'F32', shape: [1, 2], data_offsets: [8, 16] },
      b: { dtype: 'U8', shape: [3], data_offsets: [16, 19] },
    });
    expect(file.subarray(8 + headerBytes).toString('hex')).toBe(`ffffffffffffffff0000803f000000c0010203`);
  });

  it('gives back what went in, wherever the bytes lie in memory', async () => {
    await fc.assert(
      fc.asyncProperty(anyFile, fc.nat(7), async ({ tensors, metadata }, shift) => {
        const file = await encode(tensors, metadata);
        expect(file.length).toBe(encodeSafetensors(tensors, metadata).sizeBytes);
        const moved = new Uint8Array(file.length + shift).subarray(shift);
        moved.set(file);
        for (const bytes of [file, moved]) {
          const decoded = decodeSafetensors(bytes);
          expect(Object.entries(decoded.metadata).sort()).toEqual(Object.entries(metadata).sort());
          expect(decoded.tensors.size).toBe(tensors.length);
          for (const tensor of tensors) expect(contentOf(decoded.tensors.get(tensor.name)!)).toEqual(contentOf(tensor));
        }
      }),
      { numRuns: 200 },
    );
  });

  it('hands a large tensor on in pieces that are not copies', async () => {
    const data = new Float32Array(700_000).fill(0.5);
    const pieces = await listAll(encodeSafetensors([{ name: 'w', dtype: 'F32', shape: [700, 1000], data }]).chunks());
    expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThanOrEqual(2 ** 20);
    expect(pieces.slice(1).every((piece) => piece.buffer === data.buffer)).toBe(true);
  });

  it.each([
    [
      'a name twice',
      [
        { name: 'w', dtype: 'U8', shape: [1] },
        { name: 'w', dtype: 'F32', shape: [1] },
      ],
      'the name is taken',
    ],
    ['the name of the metadata', [{ name: '__metadata__', dtype: 'U8', shape: [1] }], 'the name is taken'],
    ['a shape that does not fit', [{ name: 'w', dtype: 'U8', shape: [2] }], '1 values do not fill [2]'],
  ])('refuses %s', (_, described, message) => {
    const tensors = described.map(({ name, dtype, shape }) => ({
      name,
      shape,
      dtype: dtype as Dtype,
      data: new DTYPES[dtype as Dtype].array(1),
    }));
    expect(() => encodeSafetensors(tensors)).toThrow(message);
  });
});

describe('decodeSafetensors', () => {
  const f32 = (begin: number, end: number, shape = [(end - begin) / 4]) => ({
    dtype: 'F32',
    shape,
    data_offsets: [begin, end],
  });

  it.each<[string, Uint8Array, string, string | null]>([
    ['no bytes', Buffer.alloc(0), 'the file has 0 bytes', null],
    ['a short length', Buffer.alloc(7), 'the file has 7 bytes', null],
    ['a header longer than the file', makeFile({ w: f32(0, 4) }, 4).subarray(0, 20), 'the file ends at byte 20', null],
    ['a header over 1 MB', makeFile(`{}${' '.repeat(2 ** 20)}`, 0), 'the header says it has 1048578 bytes', null],
    [
      'a header of 2⁶³ bytes',
      Buffer.concat([Buffer.from('00000000000000ff', 'hex'), Buffer.alloc(50)]),
      'the header says',
      null,
    ],
    ['an empty header', makeFile('', 0), 'does not begin with {', null],
    ['an array', makeFile('[]', 0), 'does not begin with {', null],
    ['space in front', makeFile(' {}', 0), 'does not begin with {', null],
    ['half a header', makeFile('{"w":', 0), 'the header is not JSON', null],
    ['something after the object', makeFile('{} {}', 0), 'the header is not JSON', null],
    [
      'bad UTF-8',
      Buffer.concat([makeFile('{"a":1}', 0).subarray(0, 10), Buffer.from([0xff, 0x22, 0x3a, 0x31, 0x7d])]),
      'not valid UTF-8',
      null,
    ],
    [
      'a name twice',
      makeFile(`{"w":${JSON.stringify(f32(0, 4))},"\\u0077":${JSON.stringify(f32(0, 4))}}`, 4),
      'the name is given twice',
      'w',
    ],
    [
      'a field twice',
      makeFile('{"w":{"dtype":"U8","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
      'twice',
      'dtype',
    ],
    ['an unknown dtype', makeFile({ w: { ...f32(0, 4), dtype: 'F7' } }, 4), 'dtype "F7" is not one of', 'w'],
    ['a dtype from the prototype', makeFile({ w: { ...f32(0, 4), dtype: 'constructor' } }, 4), 'is not one of', 'w'],
    ['no dtype', makeFile({ w: { shape: [1], data_offsets: [0, 4] } }, 4), 'is not one of', 'w'],
    ['a field too many', makeFile({ w: { ...f32(0, 4), more: 1 } }, 4), 'unknown field "more"', 'w'],
    ['a tensor that is a number', makeFile({ w: 1 }, 4), 'not described by an object', 'w'],
    ['a negative size', makeFile({ w: f32(0, 4, [-1]) }, 4), 'whole numbers from 0', 'w'],
    ['a broken size', makeFile({ w: f32(0, 4, [0.5, 2]) }, 4), 'whole numbers from 0', 'w'],
    [
      'a size of 1e999',
      makeFile('{"w":{"dtype":"F32","shape":[1e999,0],"data_offsets":[0,0]}}', 0),
      'whole numbers from 0',
      'w',
    ],
    [
      'an overflowing shape',
      makeFile({ w: f32(0, 4, [2 ** 31, 2 ** 31, 2 ** 31]) }, 4),
      'more elements than can be counted',
      'w',
    ],
    [
      'a shape that overflows to fit',
      makeFile({ w: f32(0, 0, [2 ** 32, 2 ** 32]) }, 0),
      'more elements than can be counted',
      'w',
    ],
    [
      'a shape that does not fit',
      makeFile({ w: f32(0, 8, [3]) }, 8),
      'takes 12 bytes, and data_offsets give it 8',
      'w',
    ],
    ['offsets the wrong way round', makeFile({ w: f32(4, 0, [1]) }, 4), 'data_offsets', 'w'],
    ['an overlap', makeFile({ a: f32(0, 8), b: f32(4, 12) }, 12), 'inside the tensor before it', 'b'],
    ['the same bytes twice', makeFile({ a: f32(0, 8), b: f32(0, 8) }, 8), 'inside the tensor before it', 'b'],
    ['a hole', makeFile({ a: f32(0, 4), b: f32(8, 12) }, 12), 'bytes 4 to 8 in front of it', 'b'],
    ['a hole at the start', makeFile({ a: f32(4, 8) }, 8), 'bytes 0 to 4', 'a'],
    ['data cut off', makeFile({ a: f32(0, 8) }, 7), 'ends at byte 8', 'a'],
    ['trailing bytes', makeFile({ a: f32(0, 8) }, 9), '1 bytes at the end', null],
    ['metadata that are no texts', makeFile({ __metadata__: { a: 1 } }, 0), '__metadata__ "a" is not a string', null],
    ['metadata that are a list', makeFile({ __metadata__: [] }, 0), '__metadata__ is not an object', null],
    [
      'deep nesting',
      makeFile(`{"w":${'['.repeat(200_000)}${']'.repeat(200_000)}}`, 0),
      'not described by an object',
      'w',
    ],
  ])('refuses %s', (_, bytes, message, tensor) => {
    let error: unknown;
    try {
      decodeSafetensors(bytes);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(SafetensorsError);
    expect(error).toMatchObject({ code: 'invalid_safetensors', message: expect.stringContaining(message), tensor });
  });

  it('answers every mutation with a typed error or a whole file', async () => {
    const accepted = { count: 0 };
    const edit = fc.record({
      at: fc.nat(),
      byte: fc.nat(255),
      // some files stay as they are, so that whole ones are among them
      kind: fc.constantFrom('set', 'cut', 'insert', 'remove', 'keep'),
    });
    await fc.assert(
      fc.asyncProperty(
        anyFile,
        fc.array(edit, { minLength: 1, maxLength: 4 }),
        async ({ tensors, metadata }, edits) => {
          let bytes: Buffer = await encode(tensors, metadata);
          for (const { at, byte, kind } of edits) {
            const place = bytes.length === 0 ? 0 : at % bytes.length;
            if (kind === 'set' && bytes.length > 0) bytes[place] = byte;
            if (kind === 'cut') bytes = bytes.subarray(0, place);
            if (kind === 'insert')
              bytes = Buffer.concat([bytes.subarray(0, place), Buffer.of(byte), bytes.subarray(place)]);
            if (kind === 'remove') bytes = Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + 1)]);
          }
          try {
            const { tensors: decoded } = decodeSafetensors(bytes);
            accepted.count++;
            const dataBytes = [...decoded.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
            expect(8 + Number(bytes.readBigUInt64LE()) + dataBytes).toBe(bytes.length);
          } catch (error) {
            expect(error).toBeInstanceOf(SafetensorsError);
          }
        },
      ),
      { numRuns: 1000 },
    );
    expect(accepted.count).toBeGreaterThan(10);
  });

  it('answers random bytes with a typed error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        if (bytes.length >= 8) bytes.set([bytes[0]! % 64, 0, 0, 0, 0, 0, 0, 0]);
        try {
          decodeSafetensors(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(SafetensorsError);
        }
      }),
    );
  });
});

describe('findDuplicateKey', () => {
  it('finds none in what JSON.stringify writes, and one that is put in twice', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string(), fc.jsonValue(), (value, key, inner) => {
        expect(findDuplicateKey(JSON.stringify(value, null, 1))).toBeNull();
        const name = JSON.stringify(key);
        const text = `[{"x${key.length}":${JSON.stringify(inner)}, ${name} : ${JSON.stringify(inner)},${name}:1}]`;
        fc.pre(`x${key.length}` !== key);
        expect(findDuplicateKey(text)).toBe(key);
      }),
    );
  });
});
