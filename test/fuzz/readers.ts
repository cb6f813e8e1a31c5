import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { decodeSafetensors, encodeSafetensors } from '../../src/checkpoints/safetensors.ts';
import { DTYPES, SafetensorsError, type Tensor } from '../../src/checkpoints/tensor.ts';
import { DatasetError, MOST_MISTAKES } from '../../src/data/dataset-error.ts';
import type { DatasetProfile } from '../../src/data/preview.ts';
import { profileDataset } from '../../src/data/profile-dataset.ts';
import { readCsv } from '../../src/data/read-csv.ts';
import { type IdxRole, readIdx } from '../../src/data/read-idx.ts';
import { readJsonl } from '../../src/data/read-jsonl.ts';
import { readText } from '../../src/data/read-text.ts';
import type { DatasetFormat } from '../../src/spec/dataset.ts';
import { cutUp, makeIdx, sourceOf } from '../data/sources.ts';
import { mutated, mutatedJson, nasty } from './mutate.ts';
import { type AnyTarget, insist, showBytes, type Target } from './target.ts';

/**
 * Readers of files, one by one. Each either reads or refuses with a code and places, and does the same however the bytes are cut up; what a profile holds
 * can be stored and sent.
 */

interface File {
  bytes: Buffer;
  /** sizes of the pieces it comes in */
  sizes: number[];
}
const pieces = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 });
const fileOf = (bytes: fc.Arbitrary<Buffer>): fc.Arbitrary<File> => fc.record({ bytes, sizes: pieces });
const show = ({ bytes, sizes }: File) => `in pieces of ${sizes}: ${showBytes(bytes)}`;

type Outcome = { refused: DatasetError } | { read: unknown };

async function read(run: () => Promise<unknown>): Promise<Outcome> {
  try {
    return { read: await run() };
  } catch (error) {
    if (!(error instanceof DatasetError)) throw error;
    insist(error.mistakes.length > 0 && error.mistakes.length <= MOST_MISTAKES, `${error.mistakes.length} mistakes`);
    for (const { line, column, detail, expected } of error.mistakes) {
      insist(detail !== '' && expected !== '' && detail.length + expected.length < 2000, `what it says: ${detail}`);
      insist(detail.isWellFormed() && !detail.includes('\0'), `what it says cannot be sent: ${JSON.stringify(detail)}`);
      insist((line ?? 1) >= 1 && (column ?? 1) >= 1, `a place before the first: ${line}, ${column}`);
    }
    return { refused: error };
  }
}

/** Reads in pieces and at once; throws where that makes a difference. */
async function readTwice(
  { bytes, sizes }: File,
  readAll: (source: AsyncIterable<Uint8Array>) => Promise<unknown>,
): Promise<Outcome> {
  // a piece is a turn of the microtask queue alone: a long file in single bytes would hold the loop up by their number
  const scale = Math.ceil(bytes.length / 2000);
  const cut = await read(() =>
    readAll(
      cutUp(
        bytes,
        sizes.map((size) => Math.max(1, size * scale)),
      ),
    ),
  );
  const whole = await read(() => readAll(cutUp(bytes, [Math.max(1, bytes.length)])));
  // whether a block is text is looked at before its records are read, so what is found first of two depends on the blocks
  if ('refused' in cut && 'refused' in whole && [cut, whole].some(({ refused }) => refused.code === 'invalid_encoding'))
    return whole;
  const told = (outcome: Outcome) =>
    'read' in outcome ? outcome.read : [outcome.refused.code, outcome.refused.mistakes];
  insist(
    isDeepStrictEqual(told(cut), told(whole)),
    `in pieces ${JSON.stringify(told(cut))}, and at once ${JSON.stringify(told(whole))}`,
  );
  return whole;
}

async function profile(format: DatasetFormat, files: Record<string, Buffer>): Promise<Outcome> {
  const outcome = await read(() => profileDataset(format, (role) => sourceOf(files[role]!)));
  if ('read' in outcome) {
    const { profile: found, preview } = outcome.read as DatasetProfile;
    insist(found.rows > 0 && found.columns.length > 0, 'a profile of nothing');
    const walk = (value: unknown): void => {
      if (typeof value === 'number') insist(Number.isFinite(value), `${value} in ${JSON.stringify(outcome.read)}`);
      if (typeof value === 'string')
        insist(value.isWellFormed() && !value.includes('\0'), `a text that cannot be stored: ${JSON.stringify(value)}`);
      if (typeof value !== 'object' || value === null) return;
      for (const [key, inner] of Object.entries(value)) {
        walk(key);
        walk(inner);
      }
    };
    walk(found);
    walk(preview);
  }
  return outcome;
}

const sayOutcome = (outcome: Outcome) => ('read' in outcome ? 'read' : outcome.refused.code);

const cell = fc.oneof(
  fc.constantFrom(
    '',
    '\u00a0',
    '1',
    '-2.5',
    '1e5',
    '1e400',
    'NA',
    'null',
    'true',
    'no',
    'x',
    ' y ',
    '2026-01-02',
    'é🐧',
  ),
  fc.constantFrom('"a,b"', '"a\nb"', '"say ""hi"""', '""', '" "', '"\r\n"'),
  fc.double({ noNaN: true }).map(String),
);
const csvText = fc
  .record({
    width: fc.integer({ min: 1, max: 5 }),
    names: fc.uniqueArray(fc.string({ minLength: 1, maxLength: 6, unit: fc.constantFrom('a', 'b', '_', 'ü', '1') }), {
      minLength: 5,
      maxLength: 5,
    }),
    cells: fc.array(fc.array(cell, { minLength: 5, maxLength: 5 }), { maxLength: 12 }),
    newline: fc.constantFrom('\n', '\r\n', '\r'),
    mark: fc.constantFrom('', '\ufeff'),
  })
  .map(
    ({ width, names, cells, newline, mark }) =>
      mark + [names, ...cells].map((row) => row.slice(0, width).join(',')).join(newline) + newline,
  );

const csv: Target<File> = {
  name: 'csv',
  inputs: fileOf(mutated(csvText)),
  async play(file) {
    const outcome = await readTwice(file, async (source) => {
      const rows: string[][] = [];
      let width = 0;
      const count = await readCsv(source, {
        onHeader(names) {
          width = names.length;
          rows.push([...names]);
        },
        onRow: (fields) => {
          insist(fields.length === width, `${fields.length} fields under ${width}`);
          rows.push([...fields]);
        },
      });
      insist(count === rows.length - 1, `${count} rows, and ${rows.length - 1} were told`);
      return rows;
    });
    await profile('csv', { data: file.bytes });
    return sayOutcome(outcome);
  },
  show,
};

const record = fc.dictionary(
  fc.oneof(fc.constantFrom('a', 'b', 'c', 'ü'), fc.string({ maxLength: 4 })),
  fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.string(), fc.boolean(), fc.constant(null), {
    weight: 1,
    arbitrary: nasty,
  }),
  { maxKeys: 5 },
);
const jsonlText = fc
  .tuple(fc.array(record, { minLength: 1, maxLength: 10 }), fc.constantFrom('\n', '\r\n', '\n\n'))
  .map(([records, newline]) => records.map((one) => JSON.stringify(one)).join(newline));

const jsonl: Target<File> = {
  name: 'jsonl',
  inputs: fileOf(mutated(jsonlText)),
  async play(file) {
    const outcome = await readTwice(file, async (source) => {
      const told: unknown[] = [];
      const count = await readJsonl(source, {
        onColumn: (name, index) => void told.push([name, index]),
        onValue: (index, value) => void told.push([index, value]),
        onRowEnd: () => void told.push('end'),
      });
      insist(count === told.filter((one) => one === 'end').length, `${count} rows, and others were told`);
      return told;
    });
    await profile('jsonl', { data: file.bytes });
    return sayOutcome(outcome);
  },
  show,
};

const pair = fc
  .record({
    rows: fc.integer({ min: 1, max: 5 }),
    shape: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 3 }),
    elements: fc.uint8Array({ minLength: 320, maxLength: 320 }),
    type: fc.oneof({ weight: 5, arbitrary: fc.constant(8) }, fc.constantFrom(9, 13)),
  })
  .map(({ rows, shape, elements, type }) => {
    const sizes = [rows, ...shape];
    const images = makeIdx(
      sizes,
      elements.subarray(
        0,
        sizes.reduce((product, n) => product * n, 1),
      ),
      type,
    );
    return { images, labels: makeIdx([rows], elements.subarray(-rows)) };
  });

const idx: Target<{ images: File; labels: File }> = {
  name: 'idx',
  inputs: pair.chain(({ images, labels }) =>
    fc.record({
      images: fileOf(mutated(fc.constant(images))),
      labels: fileOf(fc.oneof(fc.constant(labels), mutated(fc.constant(labels)))),
    }),
  ),
  async play({ images, labels }) {
    for (const [role, file] of [
      ['images', images],
      ['labels', labels],
    ] as [IdxRole, File][])
      await readTwice(file, async (source) => {
        const told: Uint8Array[] = [];
        let bytes = 0;
        const header = await readIdx(source, role, {
          onHeader() {},
          onBytes(part, offset) {
            insist(offset === bytes, `bytes from ${offset} after ${bytes}`);
            bytes += part.length;
            told.push(Uint8Array.from(part));
          },
        });
        insist(bytes === header.rows * header.rowBytes, `${bytes} bytes of ${header.rows} × ${header.rowBytes}`);
        return [header, Buffer.concat(told)];
      });
    return sayOutcome(await profile('idx', { images: images.bytes, labels: labels.bytes }));
  },
  show: ({ images, labels }) => `images ${show(images)}\nlabels ${show(labels)}`,
};

const prose = fc
  .array(fc.constantFrom('To be', ' ', '\n', '\r\n', '\r', 'é', '🐧', '\ufeff', '\u2028', '"', 'x'), { maxLength: 60 })
  .map((words) => words.join(''));

const text: Target<File> = {
  name: 'text',
  inputs: fileOf(mutated(prose)),
  async play(file) {
    const outcome = await readTwice(file, async (source) => {
      let all = '';
      for await (const piece of readText(source)) all += piece;
      return all;
    });
    if ('read' in outcome) {
      const plain = new TextDecoder('utf-8', { fatal: true }).decode(file.bytes).replaceAll(/\r\n?/g, '\n');
      insist(outcome.read === plain, `read as ${JSON.stringify(outcome.read)}`);
    }
    // looks at every character there is: 50 ms
    if (file.bytes.length % 16 === 0) await profile('text', { data: file.bytes });
    return sayOutcome(outcome);
  },
  show,
};

const tensor: fc.Arbitrary<Tensor> = fc
  .record({
    name: fc.oneof(fc.constantFrom('w', '__proto__', '0', 'é'), fc.string({ maxLength: 5 })),
    dtype: fc.constantFrom(...(Object.keys(DTYPES) as (keyof typeof DTYPES)[])),
    shape: fc.array(fc.nat(3), { maxLength: 3 }),
  })
  .map((one) => ({ ...one, data: new DTYPES[one.dtype].array(one.shape.reduce((product, n) => product * n, 1)) }));
const tensors = fc
  .uniqueArray(tensor, { selector: ({ name }) => name, maxLength: 4 })
  .filter((all) => all.every(({ name }) => name !== '__metadata__'));

const encode = (all: Tensor[]) => {
  const { header, sizeBytes } = encodeSafetensors(all, { step: '1' });
  return Buffer.concat([header, Buffer.alloc(sizeBytes - header.length, 1)]);
};
/** Valid JSON in the header, with other things in it than there should be. */
const otherHeader = tensors.chain((all) => {
  const bytes = encode(all);
  const end = 8 + Number(bytes.readBigUInt64LE(0));
  return mutatedJson(fc.constant(JSON.parse(bytes.toString('utf8', 8, end)))).map((header) => {
    const json = Buffer.from(JSON.stringify(header) ?? '');
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    return Buffer.concat([length, json, bytes.subarray(end)]);
  });
});

const safetensors: Target<Buffer> = {
  name: 'safetensors',
  inputs: fc.oneof(mutated(tensors.map(encode)), otherHeader, mutated(otherHeader)),
  async play(bytes) {
    let decoded: ReturnType<typeof decodeSafetensors>;
    try {
      decoded = decodeSafetensors(bytes);
    } catch (error) {
      if (!(error instanceof SafetensorsError)) throw error;
      insist(
        error.message.length < 4000 && error.message.isWellFormed(),
        `a message of ${error.message.length} characters`,
      );
      return error.code;
    }
    const all = [...decoded.tensors.values()];
    const held = all.reduce((sum, { data }) => sum + data.byteLength, 0);
    insist(held <= bytes.length, `${held} bytes of weights in a file of ${bytes.length}`);
    // written again, it is the same
    const parts: Uint8Array[] = [];
    for await (const part of encodeSafetensors(all, decoded.metadata).chunks()) parts.push(Uint8Array.from(part));
    const again = decodeSafetensors(Buffer.concat(parts));
    const plain = ({ tensors: map, metadata }: typeof decoded) => [
      [...map].sort(([a], [b]) => (a < b ? -1 : 1)),
      { ...metadata },
    ];
    insist(isDeepStrictEqual(plain(again), plain(decoded)), 'written again, it is another file');
    return 'read';
  },
  show: showBytes,
};

export const READERS: AnyTarget[] = [csv, jsonl, idx, text, safetensors];
