import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepareRows } from '../../src/data/prepare-rows.ts';
import { recordCheckpoints } from '../../src/jobs/record-checkpoint.ts';
import type { Problem } from '../../src/spec/errors.ts';
import { postJob, uploadCsv } from '../support/client.ts';
import { addClaimed, describeCheckpoint } from '../support/jobs.ts';
import { type Service, startService } from '../support/service.ts';

/** Random requests: whatever comes, the service answers, and never that it was its own fault. */
let service: Service;
let predict: string;
let spec: Record<string, unknown>;
beforeAll(async () => {
  const { preparation } = describeCheckpoint(0, 'best');
  service = await startService({
    predict: async ({ rows }) => Array.from(prepareRows(rows, preparation), (y) => ({ y })),
  });
  const claim = await addClaimed(service.database.db);
  await recordCheckpoints(service.database.db, claim, [describeCheckpoint(1, 'best')]);
  predict = `${service.api}/jobs/${claim.job.id}/predict`;
  const dataset = await uploadCsv(service.api, 'points', 'a,b,y\n1,x,2\n2,y,4\n3,x,6\n4,z,8\n');
  const layers = [
    { type: 'dense', units: 8, activation: { type: 'leaky_relu', alpha: 0.1 }, init: 'he_normal' },
    { type: 'dropout', rate: 0.1 },
  ];
  spec = (await postJob(service.api, { dataset, target: 'y', model: { layers, freeze: ['*.bias'] } })).spec;
});
afterAll(() => service.close());

const post = async (url: string, body: string, type = 'application/json') => {
  const response = await fetch(url, { method: 'POST', body, headers: { 'content-type': type } });
  const answer = (await response.json()) as Partial<Problem>;
  if (response.status >= 400) expect(answer.code).toBeTypeOf('string');
  expect(response.status, `${body.slice(0, 500)} → ${JSON.stringify(answer).slice(0, 500)}`).toBeLessThan(500);
  return response.status;
};

/** JSON with what is dangerous in it: names of the prototype, surrogates, extreme numbers. */
const nasty = fc.oneof(
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
    null,
    true,
    [],
    {},
    [[]],
    'ds_',
    'NaN',
  ),
  fc.constantFrom(['a', 'a'], { type: 'dense' }, { column: 'a' }, { type: null }, { constructor: 1 }),
);

/** Every place in a value. */
function pathsOf(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, inner]) => pathsOf(inner, [...path, key]))];
}
function replaceAt(value: unknown, [key, ...rest]: string[], change: (value: unknown) => unknown): unknown {
  if (key === undefined) return change(value);
  const copy = Array.isArray(value) ? [...value] : { ...(value as object) };
  const holder = copy as Record<string, unknown>;
  holder[key] = replaceAt(holder[key], rest, change);
  return copy;
}

describe('random requests', () => {
  it('any JSON, as a job and as rows', async () => {
    await fc.assert(
      fc.asyncProperty(nasty, fc.boolean(), async (value, asRows) => {
        if (asRows) await post(predict, JSON.stringify({ rows: [value, { x: value }] }));
        else await post(`${service.api}/jobs`, JSON.stringify(value));
      }),
      { numRuns: 300 },
    );
  });

  it('valid specs with places changed, removed and added', async () => {
    const paths = pathsOf(spec);
    const change = fc.record({ at: fc.nat(), value: nasty, how: fc.constantFrom('replace', 'add', 'double') });
    const seen = new Set<number>();
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        let body: unknown = spec;
        for (const { at, value, how } of changes) {
          const path = paths[at % paths.length]!;
          try {
            body = replaceAt(body, path, (old) => {
              if (how === 'replace' || typeof old !== 'object' || old === null) return value;
              if (Array.isArray(old)) return how === 'double' ? [...old, ...old] : [...old, value];
              return { ...old, [how === 'double' ? 'type' : 'extra']: value };
            });
          } catch {
            // the place went with an earlier change
          }
        }
        seen.add(await post(`${service.api}/jobs`, JSON.stringify(body)));
      }),
      { numRuns: 500 },
    );
    expect([...seen].sort()).toEqual(expect.arrayContaining([400, 422]));
  });

  it('valid specs with bytes changed', async () => {
    const text = JSON.stringify(spec);
    const bytes = fc.string({ minLength: 0, maxLength: 4, unit: 'binary' });
    await fc.assert(
      fc.asyncProperty(fc.nat(text.length), fc.nat(20), bytes, async (at, length, insert) => {
        await post(`${service.api}/jobs`, text.slice(0, at) + insert + text.slice(at + length));
      }),
      { numRuns: 200 },
    );
  });

  it('uploads of anything', async () => {
    const line = fc.string({
      unit: fc.constantFrom('a', '1', ',', '"', '\n', '\r', ' ', 'é', '{', '}', ':', '\0', '.', '-'),
    });
    const type = fc.constantFrom('text/csv', 'application/x-ndjson', 'multipart/form-data; boundary=a');
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 5 }), type, async (lines, contentType) => {
        const body = lines.join('\n');
        const isForm = contentType.startsWith('multipart');
        const part = `--a\r\ncontent-disposition: form-data; name="file"; filename="${lines[0]?.replaceAll(/[\r\n"]/g, '') ?? ''}"\r\n\r\n`;
        await post(`${service.api}/datasets`, isForm ? `${part}${body}\r\n--a--\r\n` : body, contentType);
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  it('addresses and filters of anything', async () => {
    const word = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.constantFrom('%00', '%zz', '..', '[]', '__proto__', '1e9'),
    );
    const names = [
      'limit',
      'cursor',
      'status',
      'created_after',
      'metadata.a',
      'since_step',
      'after',
      'name',
      'max_points',
      'wait',
    ];
    const places = [
      '/v1/jobs?',
      '/v1/datasets?',
      `${predict.slice(service.url.length).replace('/predict', '/metrics')}?`,
      `${predict.slice(service.url.length).replace('/predict', '/events')}?`,
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...places),
        fc.constantFrom(...names),
        word,
        word,
        async (place, name, value, id) => {
          const encode = (text: string) => encodeURIComponent(text.toWellFormed()).replaceAll('%25', '%');
          for (const path of [
            `${place}${name}=${encode(value)}`,
            `/v1/jobs/${encode(id)}`,
            `/v1/datasets/${encode(id)}/preview`,
          ]) {
            const response = await fetch(`${service.url}${path}`);
            await response.body?.cancel();
            expect(response.status, path).toBeLessThan(500);
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});
