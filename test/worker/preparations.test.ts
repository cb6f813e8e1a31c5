import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Job } from '../../src/spec/job.ts';
import { runJob, type WorkerContext } from '../../src/worker/run-job.ts';
import { call, postJob, uploadCsv } from '../support/client.ts';
import { claimOrThrow } from '../support/jobs.ts';
import { type Service, startService } from '../support/service.ts';
import { workerOf } from '../support/worker.ts';

/** Preparations from the spec over training to predictions, through HTTP, a real training thread and a real prediction process. */
let service: Service;
let context: WorkerContext;
beforeAll(async () => {
  service = await startService({ predictProcesses: 1 });
  context = workerOf(service);
});
afterAll(() => service.close());

async function train(csv: string, spec: object): Promise<Job> {
  const dataset = await uploadCsv(service.api, 'rows', csv);
  const { id } = await postJob(service.api, { dataset, ...spec });
  await runJob(context, await claimOrThrow(context.db, id), new AbortController().signal);
  const job: Job = (await call('GET', `${service.api}/jobs/${id}`)).body;
  expect(job).toMatchObject({ status: 'succeeded', error: null });
  return job;
}
const predict = async ({ id }: Job, rows: object[]) =>
  (await call('POST', `${service.api}/jobs/${id}/predict`, { rows })).body.predictions;
const messagesOf = async ({ id }: Job): Promise<{ code: string; rows: number }[]> =>
  (await call('GET', `${service.api}/jobs/${id}/events?limit=500`)).body.data
    .filter(({ type }: { type: string }) => type === 'job.message')
    .map(({ data }: { data: object }) => data);
const linear = { layers: [] };

/** training threads and processes take their time on a busy machine */
const PATIENCE = { timeout: 120_000 };

describe('numbers', PATIENCE, () => {
  it('are clipped, transformed, scaled and imputed; the target comes back in its own units', async () => {
    // ln y = 3 + 2 · ln x, over four orders of magnitude
    const rows = Array.from({ length: 200 }, (_, i) => {
      const x = Math.exp(i / 40);
      return `${i === 7 || i === 107 ? '' : x},${i === 0 ? 1e9 : i % 7},${Math.exp(3) * x ** 2}`;
    });
    const job = await train(`x,noise,y\n${rows.join('\n')}\n`, {
      inputs: [
        { column: 'x', transform: 'log', impute: 'median', missing_indicator: true },
        { column: 'noise', outliers: { type: 'iqr', action: 'drop' }, normalize: 'robust' },
      ],
      target: { column: 'y', transform: 'log' },
      model: linear,
      training: { epochs: 150, optimizer: { type: 'adam', learning_rate: 0.05 }, early_stopping: null },
    });
    expect(await messagesOf(job)).toContainEqual(expect.objectContaining({ code: 'dropped_outliers', rows: 1 }));
    const [at10, at100] = await predict(job, [
      { x: 10, noise: 3 },
      { x: 100, noise: 3 },
    ]);
    expect(Math.abs(at10.y / (Math.exp(3) * 100) - 1)).toBeLessThan(0.25);
    expect(Math.abs(at100.y / (Math.exp(3) * 10_000) - 1)).toBeLessThan(0.25);
    const answer = await call('POST', `${service.api}/jobs/${job.id}/predict`, { rows: [{ x: -1, noise: 3 }] });
    expect(answer.body).toMatchObject({ status: 422, code: 'invalid_rows' });
    expect(answer.body.errors).toMatchObject([{ pointer: '/rows/0/x', code: 'out_of_range' }]);
  });
});

describe('splits', PATIENCE, () => {
  it('keep groups whole, drop duplicates and balance classes, and train', async () => {
    const rows = Array.from({ length: 120 }, (_, i) => `${i % 60},g${i % 12},${i % 6 === 0 ? 'rare' : 'common'}`);
    const job = await train(`x,group,kind\n${rows.join('\n')}\n`, {
      target: 'kind',
      split: { group_by: 'group', duplicates: 'drop', balance: 'oversample', test: 0.2 },
      model: linear,
      training: { epochs: 2 },
    });
    expect(job.spec.inputs.map(({ column }) => column)).toEqual(['x']);
    // the target follows from the group, and x from both: of 120 rows every second is one of those before
    expect(await messagesOf(job)).toContainEqual(expect.objectContaining({ code: 'dropped_duplicates', rows: 60 }));
    expect(job.metrics).toHaveProperty(['test.accuracy']);
  });

  it('by time, by a column and in folds all train', async () => {
    const rows = Array.from(
      { length: 60 },
      (_, i) => `${i},2020-01-${String(1 + (i % 28)).padStart(2, '0')},${['train', 'test', 'valid'][i % 3]},${i % 2}`,
    );
    const csv = `x,day,part,y\n${rows.join('\n')}\n`;
    for (const split of [{ order_by: 'day' }, { given_by: 'part' }, { folds: 3, fold: 2 }]) {
      const job = await train(csv, { target: 'y', inputs: ['x'], split, model: linear, training: { epochs: 1 } });
      expect(job.metrics).toHaveProperty(['test.accuracy']);
    }
  });
});

describe('classes, dates and texts', PATIENCE, () => {
  it('are encoded, and predicted from', async () => {
    const rows = Array.from({ length: 150 }, (_, i) => {
      const size = ['small', 'medium', 'large'][i % 3]!;
      const day = new Date(Date.UTC(2020, 0, 1 + i)).toISOString().slice(0, 10);
      const note = `it is ${i % 2 === 0 ? 'very good' : 'rather bad'}, number ${i}`;
      return `${size},shop${i % 40},${day},"${note}",${i % 2 === 0 ? 'yes' : 'no'}`;
    });
    const job = await train(`size,shop,day,note,liked\n${rows.join('\n')}\n`, {
      target: 'liked',
      inputs: [
        { column: 'size', encoding: 'ordinal', order: ['small', 'medium', 'large'] },
        { column: 'shop', encoding: 'target' },
        { column: 'day', parts: ['weekday', 'elapsed'] },
        'note',
      ],
      model: linear,
      training: { epochs: 60, optimizer: { type: 'adam', learning_rate: 0.05 } },
    });
    expect(job.spec.inputs[3]).toMatchObject({ type: 'text', encoding: 'tfidf', tokenizer: { type: 'word' } });
    expect(job.metrics['test.accuracy']).toBe(1);
    const answers = await predict(job, [
      { size: 'large', shop: 'shop7', day: '2020-03-01', note: 'very good indeed' },
      { size: 'small', shop: 'a new one', day: 1_577_836_800_000, note: 'rather bad' },
      {},
    ]);
    expect(answers.map(({ liked }: { liked: string }) => liked).slice(0, 2)).toEqual(['yes', 'no']);
    const wrong = await call('POST', `${service.api}/jobs/${job.id}/predict`, {
      rows: [{ day: 'soon', note: 3, size: [] }],
    });
    expect(wrong.body.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual([
      '/rows/0/size',
      '/rows/0/day',
      '/rows/0/note',
    ]);
  });

  it('texts are tokens by byte pairs for an embedding, hashes of ids for another', async () => {
    const rows = Array.from(
      { length: 80 },
      (_, i) => `"${i % 2 === 0 ? 'good morning' : 'bad evening'} number ${i}",id-${i},${i % 2}`,
    );
    const job = await train(`note,id,y\n${rows.join('\n')}\n`, {
      target: { column: 'y', type: 'category' },
      inputs: [
        { column: 'note', encoding: 'index', tokenizer: 'bpe', vocabulary: 280, length: 12, into: 'words' },
        { column: 'id', type: 'category', encoding: 'hash_index', buckets: 16, into: 'who' },
      ],
      model: {
        layers: [
          { type: 'embedding', name: 'tokens', units: 8, padding: true, inputs: ['words'] },
          { type: 'lstm', name: 'read', units: 8 },
          { type: 'embedding', name: 'person', units: 2, inputs: ['who'] },
          { type: 'flatten', name: 'flat' },
          { type: 'concatenate', inputs: ['read', 'flat'] },
        ],
      },
      training: { epochs: 30, optimizer: { type: 'adam', learning_rate: 0.02 } },
    });
    expect(job.spec.model.layers).toMatchObject([{ vocabulary: 282 }, {}, { vocabulary: 17 }, {}, {}]);
    const answers = await predict(job, [
      { note: 'good morning number 5', id: 'id-3' },
      { note: 'bad evening number 4' },
    ]);
    expect(answers.map(({ y }: { y: string }) => y)).toEqual(['0', '1']);
  });
});
