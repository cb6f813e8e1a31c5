import { strFromU8, unzipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { runJob, type WorkerContext } from '../../src/worker/run-job.ts';
import { call, postJob, uploadCsv } from '../support/client.ts';
import { claimOrThrow } from '../support/jobs.ts';
import { type Service, startService } from '../support/service.ts';
import { workerOf } from '../support/worker.ts';
import { type OnnxTensor, runOnnx } from './run-onnx.ts';

/** Trained jobs as ONNX, preparation included: rows as they are go in, and what comes out is what `predict` answers. */
let service: Service;
let context: WorkerContext;
beforeAll(async () => {
  service = await startService({ predictProcesses: 1 });
  context = workerOf(service);
});
afterAll(() => service.close());

async function train(spec: object): Promise<string> {
  const training = { max_steps: 8, batch_size: 16, ...(spec as { training?: object }).training };
  const { id } = await postJob(service.api, { ...spec, training });
  await runJob(context, await claimOrThrow(context.db, id), new AbortController().signal);
  const { body } = await call('GET', `${service.api}/jobs/${id}`);
  expect(body).toMatchObject({ status: 'succeeded' });
  return `${service.api}/jobs/${id}`;
}

async function download(job: string, query: string): Promise<Uint8Array> {
  const response = await fetch(`${job}/checkpoints/best/download?${query}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  expect(response.status, Buffer.from(bytes.slice(0, 500)).toString()).toBe(200);
  return bytes;
}

type Row = Record<string, unknown>;
const predict = async (job: string, rows: Row[]): Promise<Row[]> => {
  const { status, body } = await call('POST', `${job}/predict`, { rows });
  expect(status, JSON.stringify(body)).toBe(200);
  return body.predictions;
};

const numbers = (rows: Row[], column: string): OnnxTensor => ({
  type: 'float64',
  dims: [rows.length, 1],
  data: Float64Array.from(rows, (row) => (row[column] ?? Number.NaN) as number),
});
const truths = (rows: Row[], column: string): OnnxTensor => ({
  type: 'float32',
  dims: [rows.length, 1],
  data: Float32Array.from(rows, (row) => Number(row[column] ?? Number.NaN)),
});
const words = (rows: Row[], column: string): OnnxTensor => ({
  type: 'string',
  dims: [rows.length, 1],
  data: rows.map((row) => String(row[column] ?? '')),
});

/** Each value within 1e-5 of the largest of its kind. */
function expectSame(output: OnnxTensor, expected: number[]): void {
  const scale = Math.max(1, ...expected.map(Math.abs));
  const values = Array.from(output.data as ArrayLike<number>);
  expect(values).toHaveLength(expected.length);
  expected.forEach((value, i) => {
    expect(Math.abs(values[i]! - value) / scale).toBeLessThan(1e-5);
  });
}

/** Birds with what a table can have: numbers far from zero, texts, truths, and holes in each. */
const birds = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    year: i % 9 === 0 ? null : 1_700_000_000 + ((i * 37) % 50),
    bill: 30 + ((i * 7) % 20) / 3,
    island: i % 11 === 0 ? null : ['Biscoe', 'Dream, east', 'Törgersen'][i % 3]!,
    ringed: i % 13 === 0 ? null : i % 2 === 0,
    weight: 3000 + ((i * 13) % 40) * 25,
    species: ['Adelie', 'Gentoo', 'Chinstrap'][(i * 5 + (i >> 2)) % 3]!,
  }));
const columns = ['year', 'bill', 'island', 'ringed', 'weight', 'species'] as const;
const csvOf = (rows: Row[]) =>
  [columns.join(','), ...rows.map((row) => columns.map((c) => (row[c] == null ? '' : `"${row[c]}"`)).join(','))].join(
    '\n',
  );

// trained in threads, exported and asked in processes: on a busy machine each takes its time
vi.setConfig({ testTimeout: 90_000 });

describe('tables', () => {
  const rows: Row[] = birds(8).map(({ weight, species, ...row }) => row);
  rows.push({ bill: 31.5 }, { year: 1_700_000_020, island: 'nowhere', bill: 44, ringed: true });
  const feeds = {
    year: numbers(rows, 'year'),
    bill: numbers(rows, 'bill'),
    island: words(rows, 'island'),
    ringed: truths(rows, 'ringed'),
  };
  let dataset: string;
  beforeAll(async () => {
    dataset = await uploadCsv(service.api, 'birds', csvOf(birds(120)));
  });
  const inputs = ['year', 'bill', 'island', 'ringed'];

  it('classes, with holes, unknown words and numbers far from zero', async () => {
    const job = await train({ dataset, target: 'species', inputs });
    const answers = await predict(job, rows);
    const model = await download(job, 'format=onnx');
    const outputs = (await runOnnx(model, [feeds]))[0]!;
    expect(Object.keys(outputs)).toEqual(['species.label', 'species.probabilities']);
    expect(outputs['species.label']!.data).toEqual(answers.map((answer) => answer.species));
    expectSame(
      outputs['species.probabilities']!,
      answers.flatMap((answer) => Object.values(answer.probabilities as Record<string, number>)),
    );
  });

  it('numbers and two classes at once, places of words into an embedding', async () => {
    const job = await train({
      dataset,
      inputs: ['year', 'bill', { column: 'island', encoding: 'index', into: 'where' }, 'ringed'],
      target: 'weight',
      more_targets: [{ column: 'species' }],
      model: {
        layers: [
          { type: 'embedding', name: 'places', vocabulary: 4, units: 3, inputs: ['where'] },
          { type: 'flatten', name: 'flat' },
          { type: 'dense', name: 'of_numbers', units: 5, activation: 'tanh', inputs: ['input'] },
          { type: 'concatenate', name: 'all', inputs: ['flat', 'of_numbers'] },
        ],
      },
    });
    const answers = await predict(job, rows);
    const outputs = (await runOnnx(await download(job, 'format=onnx'), [feeds]))[0]!;
    expect(Object.keys(outputs)).toEqual(['weight.value', 'species.label', 'species.probabilities']);
    expectSame(
      outputs['weight.value']!,
      answers.map((answer) => answer.weight as number),
    );
    expect(outputs['species.label']!.data).toEqual(answers.map((answer) => answer.species));
  });
});

it('sequences of numbers, of which some end early', async () => {
  const names = Array.from({ length: 4 }, (_, t) => [`x_${t}_0`, `x_${t}_1`]).flat();
  const made = Array.from({ length: 90 }, (_, i) => ({
    x: Array.from({ length: 1 + (i % 4) }, (_, t): (number | null)[] => [40 + ((i * 7 + t * 5) % 19), (i + t) % 3]),
    rises: i % 3 === 0 ? 'yes' : 'no',
  }));
  // a step that is there in part
  made[3]!.x[1]![1] = null;
  const lines = made.map((row) => JSON.stringify(row)).join('\n');
  const { body } = await call('POST', `${service.api}/datasets?name=series`, lines, {
    'content-type': 'application/jsonl',
  });
  const dataset = body.id as string;
  const job = await train({
    dataset,
    target: 'rises',
    inputs: [{ column: 'x', impute: 'padding' }],
    model: {
      layers: [
        { type: 'reshape', name: 'steps', shape: [4, 2] },
        { type: 'masking', name: 'masked' },
        { type: 'conv1d', filters: 4, padding: 'same', activation: 'relu' },
        { type: 'gru', name: 'states', units: 3, bidirectional: true, returns: 'sequence' },
        { type: 'global_average_pool1d', name: 'mean' },
        { type: 'global_max_pool1d', name: 'most', inputs: ['states'] },
        { type: 'concatenate', inputs: ['mean', 'most'] },
      ],
    },
  });
  const arrays = made.slice(0, 8).map(({ x }) => ({ x }));
  const rows = arrays.map(
    ({ x }): Row =>
      Object.fromEntries(
        x.flatMap((step, t) => step.flatMap((value, i) => (value === null ? [] : [[`x_${t}_${i}`, value]]))),
      ),
  );
  const answers = await predict(job, rows);
  const nulls = rows.map((row) => Object.fromEntries(names.map((name) => [name, row[name] ?? null])));
  expect(await predict(job, nulls)).toEqual(answers);
  expect(await predict(job, arrays)).toEqual(answers);
  const feeds = Object.fromEntries(names.map((name) => [name, numbers(rows, name)]));
  const outputs = (await runOnnx(await download(job, 'format=onnx'), [feeds]))[0]!;
  expectSame(
    outputs['rises.probabilities']!,
    answers.flatMap((answer) => Object.values(answer.probabilities as Record<string, number>)),
  );
});

/** Images as an IDX pair: bright above or below. */
function idxPair(count: number): FormData {
  const images = Buffer.alloc(16 + count * 64);
  images.writeUInt32BE(0x803, 0);
  for (const [i, n] of [count, 8, 8].entries()) images.writeUInt32BE(n, 4 + 4 * i);
  const labels = Buffer.alloc(8 + count);
  labels.writeUInt32BE(0x801, 0);
  labels.writeUInt32BE(count, 4);
  for (let i = 0; i < count * 64; i++) {
    const [row, place] = [Math.floor(i / 64), i % 64];
    images[16 + i] = place < 32 === (row % 2 === 0) ? 180 + ((i * 7) % 75) : (i * 13) % 60;
    labels[8 + row] = row % 2;
  }
  const form = new FormData();
  form.append('name', 'halves');
  form.append('images', new Blob([images]));
  form.append('labels', new Blob([labels]));
  return form;
}

it('images, through convolutions', async () => {
  const { body } = await call('POST', `${service.api}/datasets`, idxPair(60));
  const job = await train({
    dataset: body.id,
    target: 'label',
    model: {
      layers: [
        { type: 'conv2d', filters: 3, padding: 'same', activation: 'relu' },
        { type: 'batch_norm' },
        { type: 'max_pool2d' },
        { type: 'flatten' },
        { type: 'dense', units: 4 },
      ],
    },
  });
  const bytes = Array.from({ length: 2 }, (_, n) => Array.from({ length: 64 }, (_, i) => (i * 31 + n * 101) % 256));
  const answers = await predict(
    job,
    bytes.map((pixels) => ({ pixels })),
  );
  const pixels: OnnxTensor = { type: 'uint8', dims: [2, 8, 8, 1], data: Uint8Array.from(bytes.flat()) };
  const [outputs] = await runOnnx(await download(job, 'format=onnx'), [{ pixels }]);
  expect(outputs!['label.label']!.data).toEqual(answers.map(({ label }) => label));
  expectSame(
    outputs!['label.probabilities']!,
    answers.flatMap((answer) => Object.values(answer.probabilities as Record<string, number>)),
  );
});

it('texts as tokens: the likely next one', async () => {
  const text = 'abcä\nabdé\n';
  const headers = { 'content-type': 'text/plain' };
  const { body } = await call('POST', `${service.api}/datasets?name=pattern`, text.repeat(60), headers);
  const job = await train({
    dataset: body.id,
    inputs: [{ column: 'text', context: 6 }],
    model: {
      layers: [
        { type: 'embedding', name: 'tokens', units: 8 },
        { type: 'position_embedding' },
        { type: 'transformer_decoder', heads: 2, units: 12, dropout: 0.1 },
        { type: 'layer_norm' },
      ],
      output: { tied_to: 'tokens' },
    },
  });
  const [answer] = await predict(job, [{ text: 'abcä' }]);
  const { preparation } = await metadataOf(job);
  const characters = [...(preparation.inputs[0].tokenizer.characters as string)];
  const tokens = [...'abcä'].map((character) => BigInt(1 + characters.indexOf(character)));
  const data = BigInt64Array.from([...tokens, 0n, 0n]);
  const [outputs] = await runOnnx(await download(job, 'format=onnx'), [
    { text: { type: 'int64', dims: [1, 6], data: data as unknown as ArrayLike<unknown> } },
  ]);
  const vocabulary = 1 + characters.length;
  const last = Array.from(outputs!['next_token.probabilities']!.data as Float32Array).slice(
    3 * vocabulary,
    4 * vocabulary,
  );
  for (const [name, probability] of Object.entries(answer!.probabilities as Record<string, number>)) {
    const token = 1 + characters.indexOf(name);
    expect(Math.abs(last[token]! - probability)).toBeLessThan(1e-5);
  }
});

/** What the bundle says of a job's preparation. */
async function metadataOf(job: string) {
  const files = unzipSync(await download(job, 'format=bundle'));
  return { preparation: JSON.parse(strFromU8(files['preparation.json']!)) };
}
