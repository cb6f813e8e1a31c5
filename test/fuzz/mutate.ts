import fc from 'fast-check';

/** Changes of what is valid: they reach further into a reader than bytes at random, which it refuses at the first. */

const TOKENS = [
  '\0',
  '\r',
  '\n',
  '\r\n',
  '"',
  '""',
  ',',
  '\ufeff',
  'é',
  '🐧',
  '\ud800',
  '{',
  '}',
  '[',
  ':',
  '\\',
  '1e999',
  'NaN',
  'null',
  ' ',
  '\u2028',
  '__proto__',
  '-',
  '.',
];

type Change =
  | { kind: 'flip'; at: number; mask: number }
  | { kind: 'cut'; at: number; length: number }
  | { kind: 'copy'; at: number; length: number; to: number }
  | { kind: 'insert'; at: number; bytes: Uint8Array };

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), at: fc.nat(), mask: fc.integer({ min: 1, max: 255 }) }),
  fc.record({ kind: fc.constant('cut' as const), at: fc.nat(), length: fc.nat(200) }),
  fc.record({ kind: fc.constant('copy' as const), at: fc.nat(), length: fc.nat(200), to: fc.nat() }),
  fc.record({
    kind: fc.constant('insert' as const),
    at: fc.nat(),
    bytes: fc.oneof(
      fc.constantFrom(...TOKENS.map((token) => new Uint8Array(Buffer.from(token)))),
      fc.uint8Array({ maxLength: 4 }),
    ),
  }),
);

function applyChange(bytes: Buffer, one: Change): Buffer {
  const at = one.at % (bytes.length + 1);
  switch (one.kind) {
    case 'flip': {
      const copy = Buffer.from(bytes);
      if (at < copy.length) copy[at]! ^= one.mask;
      return copy;
    }
    case 'cut':
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + one.length)]);
    case 'copy': {
      const to = one.to % (bytes.length + 1);
      return Buffer.concat([bytes.subarray(0, to), bytes.subarray(at, at + one.length), bytes.subarray(to)]);
    }
    case 'insert':
      return Buffer.concat([bytes.subarray(0, at), one.bytes, bytes.subarray(at)]);
  }
}

/** Bytes of something valid, with none to five changes. */
export function mutated(valid: fc.Arbitrary<Uint8Array | string>): fc.Arbitrary<Buffer> {
  return fc
    .tuple(valid, fc.oneof(fc.array(change, { maxLength: 5 }), fc.array(change, { maxLength: 1 })))
    .map(([bytes, changes]) => changes.reduce(applyChange, Buffer.from(bytes as string)));
}

/** JSON with what is dangerous in it: names of the prototype, surrogates, extreme numbers. */
export const nasty: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 5, stringUnit: 'binary' }),
  fc.constantFrom<unknown>(
    '',
    '\u0000',
    '\ud800',
    '__proto__',
    -0,
    1e308,
    5e-324,
    2 ** 53,
    -1,
    0,
    null,
    true,
    [],
    {},
    [[]],
    'ds_',
    'NaN',
  ),
  fc.constantFrom<unknown>(['a', 'a'], { type: 'dense' }, { column: 'a' }, { type: null }, { constructor: 1 }),
  fc.constantFrom<unknown>(
    'toString',
    'a'.repeat(5000),
    Array(300).fill(0),
    Array(2000).fill({ type: 'dense', units: 1 }),
  ),
);

/** Every place in a value. */
function pathsOf(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, inner]) => pathsOf(inner, [...path, key]))];
}

function replaceAt(value: unknown, [key, ...rest]: string[], update: (value: unknown) => unknown): unknown {
  if (key === undefined) return update(value);
  if (typeof value !== 'object' || value === null) return value;
  const copy = Array.isArray(value) ? [...value] : { ...value };
  const holder = copy as Record<string, unknown>;
  holder[key] = replaceAt(holder[key], rest, update);
  return copy;
}

/** A value with places replaced, removed, added to and doubled, or exchanged for other places of it. */
export function mutatedJson(valid: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const one = fc.record({
    at: fc.nat(),
    from: fc.nat(),
    value: nasty,
    how: fc.constantFrom('replace', 'add', 'double', 'remove', 'move'),
  });
  return fc.tuple(valid, fc.array(one, { maxLength: 3 })).map(([whole, changes]) =>
    changes.reduce((body: unknown, { at, from, value, how }) => {
      const paths = pathsOf(body);
      const path = paths[at % paths.length]!;
      return replaceAt(body, path, (old) => {
        if (how === 'move')
          return paths[from % paths.length]!.reduce(
            (inner: unknown, key) => (inner as Record<string, unknown>)[key],
            body,
          );
        if (how === 'remove' && !Array.isArray(old)) return undefined;
        if (how === 'replace' || typeof old !== 'object' || old === null) return value;
        if (Array.isArray(old))
          return how === 'double' ? [...old, ...old] : how === 'remove' ? old.slice(1) : [...old, value];
        return { ...old, [how === 'double' ? 'type' : 'extra']: value };
      });
    }, whole),
  );
}
