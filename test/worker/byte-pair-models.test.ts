import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Job } from '../../src/spec/job.ts';
import type { WorkerContext } from '../../src/worker/run-job.ts';
import { call } from '../support/client.ts';
import { expectSameBitsResumed, train } from '../support/run-jobs.ts';
import { type Service, startService } from '../support/service.ts';
import { workerOf } from '../support/worker.ts';

/** A language model over byte pairs, from a plain text to generated text. */
let service: Service;
let context: WorkerContext;
let job: Job;

const LINES = ['the naïve cat sat on the mat\n', 'the hat of the cat was flat\n', 'a café for a cat in a hat\n'];
/** The end has words that training never sees. */
const TEXT = `${LINES.join('').repeat(60)}${'zebra quagga okapi '.repeat(28)}\n`;
const upload = async (text: string) => {
  const headers = { 'content-type': 'text/plain' };
  const { status, body } = await call('POST', `${service.api}/datasets?name=lines`, text, headers);
  expect(status).toBe(201);
  return body.id as string;
};

beforeAll(async () => {
  service = await startService({ predictProcesses: 1 });
  context = workerOf(service);
});
afterAll(() => service.close());
vi.setConfig({ testTimeout: 120_000 });

const spec = {
  inputs: [{ column: 'text', tokenizer: 'bpe', vocabulary: 300, context: 12 }],
  model: {
    layers: [
      { type: 'embedding', units: 16 },
      { type: 'lstm', units: 32, returns: 'sequence' },
    ],
  },
  training: { epochs: 16, batch_size: 8, optimizer: { type: 'adam', learning_rate: 0.01 }, early_stopping: null },
  checkpoints: { every: 1, min_interval_s: 0 },
};

describe('a language model over byte pairs', () => {
  it('learns them on the training split alone, and comes to the same bits when it is taken up again', async () => {
    job = await expectSameBitsResumed(service, context, { dataset: await upload(TEXT), ...spec }, [20]);
    expect(job.spec.model.layers[0]).toMatchObject({ vocabulary: 300 });
    const { body: best } = await call('GET', `${service.api}/jobs/${job.id}/checkpoints/best`);
    const response = await fetch(`${service.api}/jobs/${job.id}/checkpoints/${best.id}/download?format=safetensors`);
    const held = Buffer.from(await response.arrayBuffer()).toString('latin1');
    expect(held).not.toContain('Ġzebra');
    // words of training are a token or two: fewer bits a character than a token
    const ratio =
      Number(job.metrics['validation.bits_per_character']) / (Number(job.metrics['validation.loss']) / Math.LN2);
    expect(ratio).toBeLessThan(0.5);
    expect(Number(job.metrics['test.loss'])).toBeGreaterThan(2 * Number(job.metrics['validation.loss']));
  });

  it('goes on with a text, and tells what comes next', async () => {
    const ask = (prompt: string) =>
      call('POST', `${service.api}/jobs/${job.id}/generate`, { prompt, max_tokens: 8, temperature: 0 });
    const { status, body } = await ask('the naïve cat sat on');
    expect(status).toBe(200);
    expect(body.text).toMatch(/^ the mat\n/);
    expect((await ask('the naïve cat sat on')).body.text).toBe(body.text);
    // bytes are there for every text
    expect((await ask('日本 🦜')).status).toBe(200);
    const told = await call('POST', `${service.api}/jobs/${job.id}/predict`, {
      rows: [{ text: 'the naïve cat sat on the' }],
    });
    expect(told.body.predictions[0].next_token).toBe(' mat');
  });

  it('is judged on another text, and goes on with its tokens there', async () => {
    const other = await upload(LINES[1]!.repeat(60));
    const { body: best } = await call('GET', `${service.api}/jobs/${job.id}/checkpoints/best`);
    const judged = await train(service, context, { kind: 'evaluate', model: { from: best.id }, dataset: other });
    expect(judged).toMatchObject({ status: 'succeeded', error: null });
    expect(judged.metrics['all.perplexity']).toBeLessThan(20);
    const tuned = await train(service, context, {
      ...{ kind: 'fine_tune', dataset: other, model: { from: best.id }, training: { max_steps: 3 } },
    });
    expect(tuned).toMatchObject({ status: 'succeeded', error: null });
    expect(tuned.spec.inputs[0]).toMatchObject({ tokenizer: { type: 'bpe' }, vocabulary: 300 });
  });

  it('says what makes no sense', async () => {
    const dataset = await upload(LINES[0]!.repeat(9));
    const post = (input: object) =>
      call('POST', `${service.api}/jobs`, { dataset, inputs: [{ column: 'text', ...input }] });
    for (const [input, pointer] of [
      [{ tokenizer: 'bpe', vocabulary: 100 }, '/inputs/0/vocabulary'],
      [{ tokenizer: 'bpe', vocabulary: 70_000 }, '/inputs/0/vocabulary'],
      [{ tokenizer: 'byte', vocabulary: 300 }, '/inputs/0/vocabulary'],
      [{ tokenizer: 'word' }, '/inputs/0/tokenizer'],
    ] as const) {
      const { status, body } = await post(input);
      expect([status, body.errors.map((error: { pointer: string }) => error.pointer)]).toEqual([422, [pointer]]);
    }
    const short = await train(service, context, { dataset, ...spec, inputs: [{ ...spec.inputs[0], context: 60 }] });
    expect(short).toMatchObject({ status: 'failed', error: { code: 'dataset_not_usable' } });
  });
});
