import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileKernels } from '../../src/engine/kernels/load.ts';
import type { PredictorPool } from '../../src/worker/predictor-pool.ts';
import { WarmNetworks } from '../../src/worker/warm-networks.ts';
import { call } from '../support/client.ts';
import { addModel } from '../support/jobs.ts';
import { expectProblem } from '../support/problem.ts';
import { openRaw } from '../support/raw-http.ts';
import { type Service, startService } from '../support/service.ts';
import { ALPHABET, addTrained, CATS, IMAGES, type Trained } from '../support/trained.ts';
import { waitFor } from '../support/wait-for.ts';

/** Predictions over HTTP from real processes and real checkpoint files. */
let service: Service;
let pool: PredictorPool;
let cats: Trained;
let at: string;
beforeAll(async () => {
  service = await startService({ predictProcesses: 2 });
  pool = service.deps.predictor as PredictorPool;
  cats = await addTrained(service, CATS);
  await addModel(service.database.db, 'cats', cats.checkpoint);
  at = `${service.api}/models/cats/predict`;
});
afterAll(() => service.close());

const csv = { 'content-type': 'text/csv' };
const ndjson = { 'content-type': 'application/x-ndjson' };
const linesOf = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

describe('the same rows', () => {
  it('as JSON, with probabilities, by job and by model, alias and version', async () => {
    const rows = [{ x: 1, colour: 'red' }, { x: 3, colour: 'red' }, { x: 3 }];
    const { status, body } = await call('POST', at, { rows });
    expect(status).toBe(200);
    expect(body).toMatchObject({ model: 'cats', version: 1, checkpoint: cats.checkpoint });
    expect(body.predictions.map(({ species }: { species: string }) => species)).toEqual(['cat', 'dog', 'cat']);
    // logits 0 and 1 + 2 − 4
    expect(body.predictions[0].probabilities.dog).toBeCloseTo(1 / (1 + Math.E), 12);
    for (const [name, query] of [
      ['cats@champion', ''],
      ['cats@1', ''],
      ['cats', '?version=champion'],
      ['cats', '?version=1'],
      ['cats@1', '?version=1'],
    ])
      expect((await call('POST', `${service.api}/models/${name}/predict${query}`, { rows })).body).toEqual(body);
    const { body: ofJob } = await call('POST', `${service.api}/jobs/${cats.jobId}/predict`, { rows });
    expect(ofJob).toEqual({ predictions: body.predictions, checkpoint: cats.checkpoint });
    const other = `${service.api}/models/cats@1/predict?version=champion`;
    expectProblem(await call('POST', other, { rows }), 'invalid_field');
    expectProblem(await call('POST', `${service.api}/models/cats@7/predict`, { rows }), 'model_not_found');
    expectProblem(await call('POST', `${service.api}/models/a@b@c/predict`, { rows }), 'invalid_id');
  });

  it('as CSV, answered as CSV, JSON lines or JSON', async () => {
    const text = 'colour,x\r\nred,1\r\n"red",3\r\n,3\r\n';
    const answer = await call('POST', at, text, csv);
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    const [header, ...rows] = answer.body.trimEnd().split('\n');
    expect(header).toBe('species,probabilities.cat,probabilities.dog,error,warnings');
    expect(rows.map((row: string) => row.split(',')[0])).toEqual(['cat', 'dog', 'cat']);
    const lines = await call('POST', at, text, { ...csv, accept: 'application/x-ndjson' });
    expect(linesOf(lines.body).map(({ species }) => species)).toEqual(['cat', 'dog', 'cat']);
    const json = await call('POST', at, text, { ...csv, accept: 'application/json' });
    expect(json.body.predictions).toEqual(linesOf(lines.body));
  });

  it('as CSV in the dialects of a dataset, with columns that are no inputs', async () => {
    const species = async (text: string | Buffer, type: string) => {
      const { body } = await call('POST', at, text, { 'content-type': type, accept: 'application/x-ndjson' });
      return linesOf(body).map((answer) => answer.species ?? answer);
    };
    expect(await species('colour;x;größe\nred;1,0;2\nred;3,5;1\n', 'text/csv')).toEqual(['cat', 'dog']);
    const german = Buffer.from('größe;colour;x\n1;red;1\n', 'latin1');
    expect(await species(german, 'text/csv')).toEqual(['cat']);
    expect(await species(german, 'text/csv; charset=iso-8859-1')).toEqual(['cat']);
    expect(await species('colour\tx\nred\t3\n', 'text/tab-separated-values')).toEqual(['dog']);
    expect(await species(',colour,x\n7,red,3\n', 'text/csv')).toEqual(['dog']);
    expect(await species('{"x":3,"colour":"red","id":7}\n', 'application/jsonl')).toEqual(['dog']);
    // what stands in the place of an input may be one that is misspelt
    const [mistaken] = await species('{"x":3,"color":"red"}\n', 'application/jsonl');
    expect(mistaken.error.errors).toMatchObject([{ code: 'unknown_column', expected: 'did you mean "colour"?' }]);
  });

  it('as JSON lines and as prepared values', async () => {
    const lines = await call('POST', at, '{"x":1,"colour":"red"}\n\n{"x":3,"colour":"red"}\n{"x":3}', ndjson);
    expect(linesOf(lines.body).map(({ species }) => species)).toEqual(['cat', 'dog', 'cat']);
    const values = new Uint8Array(Float32Array.of(1, 1, 0, 3, 1, 0, 3, 0, 0).buffer);
    const binary = await call('POST', at, values, { 'content-type': 'application/octet-stream' });
    expect(binary.body.predictions).toEqual(linesOf(lines.body));
  });
});

it('mistakes stand in the place of the answer where rows are answered in lines', async () => {
  const lines = '{"x":1}\n{"x":"2"}\nnonsense\n[]\n{"y":1,"x":[]}\n{"x":9}\n';
  const { status, body } = await call('POST', at, lines, ndjson);
  expect(status).toBe(200);
  const answers = linesOf(body);
  expect(answers.map((answer) => answer.species ?? answer.error.errors.map((e: { code: string }) => e.code))).toEqual([
    'cat',
    ['invalid_type'],
    ['invalid_json'],
    ['invalid_type'],
    ['unknown_column', 'invalid_type'],
    'dog',
  ]);
  expect(answers[4].error).toMatchObject({ line: 5, errors: [{ pointer: '/y' }, { pointer: '/x' }] });
  const table = await call('POST', at, 'x,colour\n1,red\none,red\n1\n', csv);
  const [, first, second, third] = table.body.split('\n');
  expect(first).toMatch(/^cat,.*,$/);
  expect(second).toMatch(/^,,,"?line 3: /);
  expect(third).toMatch(/^,,,"?line 4: the row has 1 field/);
  // all or none
  const refused = await call('POST', at, lines, { ...ndjson, accept: 'application/json' });
  const { errors } = expectProblem(refused, 'invalid_rows');
  expect(errors.map(({ detail }) => detail.split(':')[0])).toEqual(['line 2', 'line 3', 'line 4', 'line 5', 'line 5']);
});

it('what is taken as missing, and was not left out, is told in every format', async () => {
  const rows = [{ x: 1, colour: 'green' }, { x: 3, colour: null }, {}, { x: 3, colour: 'red' }];
  const { body } = await call('POST', at, { rows });
  expect(body.predictions).toHaveLength(4);
  expect(body.warnings).toEqual([
    {
      ...{ pointer: '/rows/0/colour', code: 'unknown_class', expected: expect.stringMatching(/^one of: .*red/) },
      detail: '"colour" is "green", which no training row had: it is taken as missing',
    },
    { pointer: '/rows/2', code: 'empty_row', detail: expect.any(String), expected: 'some of: x, colour' },
  ]);
  expect((await call('POST', at, { rows: rows.slice(3) })).body).not.toHaveProperty('warnings');
  const lines = await call('POST', at, rows.map((row) => JSON.stringify(row)).join('\n'), ndjson);
  expect(
    linesOf(lines.body).map(({ warnings = [] }) => warnings.map((one: { pointer: string }) => one.pointer)),
  ).toEqual([['/colour'], [], [''], []]);
  const table = await call('POST', at, 'x,colour\n3,red\n1,green\n', csv);
  expect(table.body.split('\n')[2]).toMatch(/^cat,.*,,"line 3: .*""green"", which no training row had/);
  // as JSON, rows of all parts of the body are counted; a hundred are told at most
  const long = `x,colour\n${'3,red\n'.repeat(700)}${'3,green\n'.repeat(200)}`;
  const { body: all } = await call('POST', at, long, { ...csv, accept: 'application/json' });
  expect(all.warnings).toHaveLength(100);
  expect(all.warnings[0]).toMatchObject({ pointer: '/rows/700/colour', detail: expect.stringMatching(/^line 702: /) });
  const tensors = [
    { name: 'x', shape: [3], datatype: 'FP64', data: [1, 3, null] },
    { name: 'colour', shape: [3], datatype: 'BYTES', data: ['red', 'green', null] },
  ];
  const { body: inferred } = await call('POST', `${service.url}/v2/models/cats/infer`, { inputs: tensors });
  expect(inferred.parameters.warnings).toMatchObject([
    { pointer: '/inputs/1/data/1', code: 'unknown_class' },
    { pointer: '/inputs', code: 'empty_row', detail: expect.stringMatching(/^row 2: /) },
  ]);
});

it('malformed bodies are refused before anything is answered', async () => {
  const send = (body: BodyInit, headers: Record<string, string>) => call('POST', at, body, headers);
  expectProblem(await send('', csv), 'empty_body');
  expectProblem(await send('\n\n', ndjson), 'empty_body');
  expectProblem(await send('x,x\n1,2\n', csv), 'invalid_rows');
  expect(expectProblem(await send('x\n\n"1\n2\n', csv), 'invalid_rows').detail).toBe('line 3: a quote is not closed');
  // the first line is the header: without one, or with a name misspelt, no row could be right
  expect(expectProblem(await send('x,colour\n', csv), 'empty_body').detail).toMatch(/header/);
  const { errors: misspelt } = expectProblem(await send('x,color\n1,red\n', csv), 'invalid_rows');
  expect(misspelt).toMatchObject([{ pointer: '/color', code: 'unknown_column', expected: 'did you mean "colour"?' }]);
  expect(misspelt[0]!.detail).toMatch(/^line 1: /);
  expectProblem(await send(Buffer.from([0xff, 0xfe, 0x00]), ndjson), 'invalid_rows');
  expectProblem(await send('x', { 'content-type': 'text/plain' }), 'unsupported_media_type');
  const bytes = { 'content-type': 'application/octet-stream' };
  expectProblem(await send(new Uint8Array(13), bytes), 'invalid_rows');
  const values = new Uint8Array(Float32Array.of(1, Number.NaN, 0).buffer);
  expect(expectProblem(await send(values, bytes), 'invalid_rows').errors[0]!.code).toBe('not_finite');
  expectProblem(await send(Buffer.from('no image'), { 'content-type': 'image/png' }), 'invalid_rows');
  expectProblem(await call('POST', `${at}?element=f64`, new Uint8Array(12), bytes), 'invalid_field');
  expectProblem(await send('{"x":1}\n'.repeat(1001), { ...ndjson, accept: 'application/json' }), 'too_large');
  const reference = await call('POST', `${service.api}/jobs/${cats.jobId}/predict?checkpoint=bst`, {
    rows: [{ x: 1 }],
  });
  expect(expectProblem(reference, 'invalid_id').detail).toMatch(/Did you mean "best"/);
});

it('images come as bytes and as files', async () => {
  const images = await addTrained(service, IMAGES);
  const own = `${service.api}/jobs/${images.jobId}/predict`;
  const bytes = Uint8Array.of(0, 10, 20, 30, 100, 100, 100, 104);
  const raw = await call('POST', `${own}?element=uint8`, bytes, { 'content-type': 'application/octet-stream' });
  expect(raw.body.predictions).toEqual([{ mean: 15 }, { mean: 101 }]);
  // twice as high and wide, in colour
  const file = await sharp({ create: { width: 4, height: 4, channels: 3, background: '#c8c8c8' } })
    .png()
    .toBuffer();
  const { body } = await call('POST', own, file, { 'content-type': 'image/png' });
  expect(body.predictions).toEqual([{ mean: 200 }]);
  const nested = await call('POST', own, {
    rows: [
      {
        pixels: [
          [0, 10],
          [20, 30],
        ],
      },
    ],
  });
  expect(nested.body.predictions).toEqual([{ mean: 15 }]);
  const untold = await call('POST', own, bytes, { 'content-type': 'application/octet-stream' });
  expect(expectProblem(untold, 'invalid_rows').errors[0]!.expected).toMatch(/element=uint8/);
  const half = await call('POST', own, file.subarray(0, 60), { 'content-type': 'image/png' });
  expect(expectProblem(half, 'invalid_rows').errors[0]!.code).toBe('invalid_image');
});

it('rows of any number are answered while they still come, and no faster than the client reads', async () => {
  let sent = 0;
  const total = 4_000_000;
  const body = Readable.from(
    (async function* () {
      for (; sent < total; sent += 1000) yield '{"x":1,"colour":"blue"}\n'.repeat(1000);
    })(),
  );
  const response = await fetch(at, {
    method: 'POST',
    headers: ndjson,
    body: Readable.toWeb(body) as unknown as BodyInit,
    duplex: 'half',
  } as RequestInit);
  const reader = response.body!.getReader();
  const { value } = await reader.read();
  expect(Buffer.from(value!).toString()).toMatch(/^\{"species":"cat"/);
  // what is on the way is held by sockets and a few parts
  let held = -1;
  for (let before = -2; held !== before || pool.working() > 0; ) {
    before = held;
    await sleep(300);
    held = sent;
  }
  expect(held).toBeLessThan(total);
  await reader.cancel();
  await waitFor(() => pool.working() === 0, 'the predictor to be idle');
});

it('a stream that is cut half-way leaves nothing at work', async () => {
  const connection = openRaw(service.url);
  const head = 'POST /v1/models/cats/predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-ndjson\r\n';
  connection.socket.write(`${head}Content-Length: 100000\r\n\r\n${'{"x":1}\n'.repeat(100)}`);
  await waitFor(() => pool.working() > 0 || pool.pids().length > 0, 'the first rows to be asked');
  connection.socket.destroy();
  await waitFor(() => pool.working() === 0, 'the predictor to be idle');
  expect((await call('POST', at, { rows: [{ x: 1 }] })).status).toBe(200);
});

it('a process that is killed in the middle is replaced, and what it worked on is done by another', async () => {
  expect((await call('POST', at, { rows: [{ x: 1 }] })).status).toBe(200);
  const rows = '{"x":1,"colour":"blue"}\n'.repeat(40_000);
  const answer = call('POST', at, rows, ndjson);
  await waitFor(() => pool.working() > 0, 'the predictor to be at work');
  const killed = pool.pids();
  for (const pid of killed) process.kill(pid, 'SIGKILL');
  const { status, body } = await answer;
  expect(status).toBe(200);
  const answers = linesOf(body);
  expect(answers).toHaveLength(40_000);
  expect(answers.every(({ species }) => species === 'cat')).toBe(true);
  expect(killed.length).toBeGreaterThan(0);
  expect((await call('POST', at, { rows: [{ x: 1 }] })).status).toBe(200);
  for (const pid of killed) expect(pool.pids()).not.toContain(pid);
});

it('more than may wait are refused with a time to come again, and all that were taken are answered', async () => {
  expect((await call('POST', at, { rows: [{ x: 1 }] })).status).toBe(200);
  const processes = pool.pids();
  for (const pid of processes) process.kill(pid, 'SIGSTOP');
  const source = { type: 'rows', json: '[{"x":1}]' } as const;
  const { rows } = await service.database.db.pool.query('select sha256 from checkpoints where id = $1', [
    cats.checkpoint,
  ]);
  const network = { storageKey: cats.storageKey, sha256: rows[0].sha256 };
  const taken = [];
  while (pool.working() < 512) taken.push(pool.predict({ network, source, answer: 'ndjson', inline: false }));
  const refused = await call('POST', at, { rows: [{ x: 1 }] });
  for (const pid of processes) process.kill(pid, 'SIGCONT');
  expectProblem(refused, 'unavailable');
  expect(refused.headers.get('retry-after')).toBe('1');
  const answers = await Promise.all(taken);
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  expect((await call('POST', at, { rows: [{ x: 1 }] })).status).toBe(200);
});

it('networks are kept while there is room for them: the one that was asked longest ago goes', async () => {
  const [a, b, c] = await Promise.all(
    [1, 2, 3].map(async () => {
      const { checkpoint, storageKey } = await addTrained(service, CATS);
      const found = await service.database.db.pool.query('select sha256 from checkpoints where id = $1', [checkpoint]);
      return { storageKey, sha256: found.rows[0].sha256 as string };
    }),
  );
  const { storage } = service.deps;
  const kernels = compileKernels({ build: 'naive' });
  const bytes = (await new WarmNetworks(storage, kernels, 0).find(a!)).predictor.memoryBytes;
  const networks = new WarmNetworks(storage, kernels, 2 * bytes);
  const [first, second] = [await networks.find(a!), await networks.find(b!)];
  expect(await networks.find(a!)).toBe(first);
  await networks.find(c!);
  expect(await networks.find(a!)).toBe(first);
  expect(await networks.find(b!)).not.toBe(second);
  // one that is larger than all the room is kept alone
  const small = new WarmNetworks(storage, kernels, bytes - 1);
  const alone = await small.find(a!);
  expect(await small.find(a!)).toBe(alone);
  await small.find(b!);
  expect(await small.find(a!)).not.toBe(alone);
});

describe('a language model', () => {
  let own: string;
  let tales: Trained;
  beforeAll(async () => {
    tales = await addTrained(service, ALPHABET);
    await addModel(service.database.db, 'tales', tales.checkpoint);
    own = `${service.api}/models/tales@champion/generate`;
  });

  it('goes on with a text, the same for the same seed, until it is long enough or a stop comes', async () => {
    const { status, body } = await call('POST', own, { prompt: 'ab', max_tokens: 8, temperature: 0, seed: 1 });
    expect(status).toBe(200);
    expect(body).toMatchObject({ text: 'cdefabcd', finish_reason: 'length', tokens: 8, seed: 1, model: 'tales' });
    const stopped = await call('POST', own, { prompt: 'a', temperature: 0, stop: ['xyz', 'ef'] });
    expect(stopped.body).toMatchObject({ text: 'bcd', finish_reason: 'stop', tokens: 5 });
    const drawn = async (seed: number) =>
      (await call('POST', own, { prompt: 'a', max_tokens: 60, temperature: 2, seed })).body.text;
    const texts = await Promise.all([drawn(1), drawn(2), drawn(1), drawn(3)]);
    expect(texts[0]).toBe(texts[2]);
    expect(new Set(texts).size).toBe(3);
    // among the one most likely there is no choice
    const greedy = await call('POST', own, { prompt: 'a', max_tokens: 6, temperature: 5, top_k: 1 });
    expect(greedy.body.text).toBe('bcdefa');
    const nucleus = await call('POST', own, { prompt: 'a', max_tokens: 6, temperature: 0.3, top_p: 0.5 });
    expect(nucleus.body.text).toBe('bcdefa');
  });

  it('streams by server-sent events and JSON lines', async () => {
    const body = { prompt: 'a', max_tokens: 5, temperature: 0, seed: 3, stream: true };
    const events = await call('POST', own, body);
    expect(events.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const data = (events.body as string).split('\n\n').flatMap((event) => (event === '' ? [] : [event.slice(6)]));
    const lines = await call('POST', own, body, { accept: 'application/x-ndjson' });
    const pieces = linesOf(lines.body);
    expect(data.map((text) => JSON.parse(text))).toEqual(pieces);
    expect(pieces.map(({ text }) => text).join('')).toBe('bcdef');
    expect(pieces.at(-1)).toMatchObject({ finish_reason: 'length', seed: 3, version: 1 });
  });

  it('stops when the client hangs up', async () => {
    const abort = new AbortController();
    const response = await fetch(own, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'a', max_tokens: 10_000, stream: true }),
      signal: abort.signal,
    });
    await response.body!.getReader().read();
    expect(pool.working()).toBe(1);
    abort.abort();
    await waitFor(() => pool.working() === 0, 'the text to end');
  });

  it('tells what is wrong', async () => {
    const bad = { max_tokens: 0, temperature: -1, top_p: 0, stop: [''], length: 1 };
    const { errors } = expectProblem(await call('POST', own, bad), 'invalid_field');
    expect(errors.map(({ pointer }) => pointer).sort()).toEqual([
      '/length',
      '/max_tokens',
      '/prompt',
      '/stop/0',
      '/temperature',
      '/top_p',
    ]);
    expectProblem(await call('POST', `${service.api}/jobs/${cats.jobId}/generate`, { prompt: 'a' }), 'invalid_rows');
    const next = await call('POST', own.replace('generate', 'predict'), { rows: [{ text: 'ab', id: 7 }] });
    expect(next.body.predictions[0].next_token).toBe('c');
    const ofJob = `${service.api}/jobs/${tales.jobId}/generate`;
    const named = await call('POST', ofJob, { prompt: 'a', max_tokens: 1, checkpoint: tales.checkpoint });
    expect(named.body).toMatchObject({ tokens: 1, checkpoint: tales.checkpoint });
    expect(next.body.warnings).toBeUndefined();
  });

  it('warns of what it has not learnt to read', async () => {
    const half = await call('POST', own, { prompt: 'a日日b', max_tokens: 2, temperature: 0 });
    expect(half.body).toMatchObject({ text: 'cd', warnings: [{ pointer: '/prompt', code: 'unknown_characters' }] });
    expect(half.body.warnings[0].detail).toMatch(/^the training rows had no "日": read as unknown$/);
    expect(half.body.warnings[0].expected).toContain('a, b, c');
    const whole = await call(
      'POST',
      own,
      { prompt: '日本', max_tokens: 2, stream: true },
      { accept: 'application/x-ndjson' },
    );
    const [first, ...more] = linesOf(whole.body);
    expect(first).toMatchObject({ warnings: [{ detail: expect.stringContaining('all that the network sees') }] });
    for (const piece of more) expect(piece.warnings).toBeUndefined();
    const next = await call('POST', own.replace('generate', 'predict'), { rows: [{ text: 'ab' }, { text: 'Ωb' }] });
    expect(next.body.warnings).toMatchObject([{ pointer: '/rows/1/text', code: 'unknown_characters' }]);
  });
});
