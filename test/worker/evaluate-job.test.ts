import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/spec/error-codes.ts';
import type { Evaluation } from '../../src/spec/evaluation.ts';
import type { Job } from '../../src/spec/job.ts';
import { runJob, type WorkerContext } from '../../src/worker/run-job.ts';
import { call, postJob, uploadCsv } from '../support/client.ts';
import { claimOrThrow } from '../support/jobs.ts';
import { expectProblem } from '../support/problem.ts';
import { type Service, startService } from '../support/service.ts';
import { workerOf } from '../support/worker.ts';

/** Jobs that judge a checkpoint: `kind: "evaluate"`. */
let service: Service;
let context: WorkerContext;
let penguins: string;
let trained: Job;
let checkpoint: string;
const CSV = readFileSync('examples/penguins.csv', 'utf8');
beforeAll(async () => {
  service = await startService();
  context = workerOf(service);
  penguins = await uploadCsv(service.api, 'penguins', CSV);
  const training = { epochs: 6, early_stopping: null };
  const wide = { type: 'dense', units: 128, activation: 'relu' };
  const target = { target: 'species', more_targets: ['body_mass'] };
  trained = await run({ dataset: penguins, ...target, model: { layers: [wide, wide] }, training });
  checkpoint = (await call('GET', `${service.api}/jobs/${trained.id}/checkpoints/best`)).body.id;
});
afterAll(() => service.close());

async function run(spec: object): Promise<Job> {
  const { id } = await postJob(service.api, spec);
  await runJob(context, await claimOrThrow(context.db, id), new AbortController().signal);
  const job: Job = (await call('GET', `${service.api}/jobs/${id}`)).body;
  expect([job.status, job.error]).toEqual(['succeeded', null]);
  return job;
}
const evaluationOf = async ({ id }: Job): Promise<Evaluation> =>
  (await call('GET', `${service.api}/jobs/${id}/evaluation`)).body;
const judge = (change: object = {}) => ({
  kind: 'evaluate',
  dataset: penguins,
  model: { from: checkpoint },
  ...change,
});
const metricsOf = ({ splits }: Evaluation, split: keyof Evaluation['splits']) => splits[split]!.targets;

describe('an evaluate job', () => {
  it('judges the test split of the checkpoint’s own dataset, to the same figures as the job that trained it', async () => {
    const job = await run(judge());
    expect(job.spec).toMatchObject({ kind: 'evaluate', evaluate_on: 'test', target: trained.spec.target });
    expect(job.metrics).toEqual(
      Object.fromEntries(Object.entries(trained.metrics).filter(([name]) => name.startsWith('test.'))),
    );
    const [own, whole] = [await evaluationOf(job), await evaluationOf(trained)];
    expect(metricsOf(own, 'test')).toEqual(metricsOf(whole, 'test'));
    expect(own.importance).toEqual(whole.importance);
    const { step, epoch } = whole.weights;
    expect(own.weights).toEqual({ which: 'given', checkpoint, step, epoch });
    const { progress, diagnosis } = job;
    expect([progress!.percentage, diagnosis]).toEqual([100, null]);
  });

  it('judges another split, or all rows of another dataset; its spec posted again says the same', async () => {
    const validation = await run(judge({ evaluate_on: 'validation' }));
    expect(validation.metrics['validation.loss']).toBe(trained.metrics['best.validation.loss']);
    const { importance, notes } = await evaluationOf(validation);
    expect(importance!.split).toBe('validation');
    // rows of the other splits were not left out by the split
    expect(notes!.map(({ code }) => code)).toEqual(['dropped_rows']);
    const [head, ...lines] = CSV.trim().split('\n');
    const some = await uploadCsv(service.api, 'some', `${[head, ...lines.slice(0, 50)].join('\n')}\n`);
    const job = await run(judge({ dataset: some }));
    const evaluation = await evaluationOf(job);
    expect(Object.keys(evaluation.splits)).toEqual(['all']);
    // a row of the first 50 has no sex, which a network can do without
    expect(evaluation.splits.all!.rows).toBeGreaterThan(45);
    // where there are no training rows, as many columns can be shuffled
    expect(evaluation.importance!.columns).toHaveLength(5);
    const clone = await call('POST', `${service.api}/jobs/${job.id}/clone`, {});
    expect([clone.status, { ...clone.body.spec, start_at: null }]).toEqual([201, job.spec]);
  });

  it('tells of classes that no training row had', async () => {
    const [head, ...lines] = CSV.trim().split('\n');
    const strange = lines.slice(0, 20).map((line) => line.replace(/Torgersen|Biscoe|Dream/, 'Atlantis'));
    const dataset = await uploadCsv(service.api, 'strange', `${[head, ...strange].join('\n')}\n`);
    const { notes, splits } = await evaluationOf(await run(judge({ dataset })));
    const { rows } = splits.all!;
    expect(notes?.filter(({ code }) => code === 'unknown_classes')).toEqual([
      {
        code: 'unknown_classes',
        message: `${rows} of ${rows} rows have a class in "island" that no training row had ("Atlantis"): it is taken as missing.`,
        data: { column: 'island', rows },
      },
    ]);
  });

  it('is refused where the dataset lacks columns, has other types or classes the network does not know', async () => {
    const bad = [
      'species,island,bill_length,body_mass,sex,flipper_length',
      'Emperor,Dream,long,3000,male,190',
      'Adelie,Dream,short,3100,male,190',
      'Adelie,Dream,tall,3100,female,190',
    ];
    const dataset = await uploadCsv(service.api, 'bad', `${bad.join('\n')}\n`);
    const answer = await call('POST', `${service.api}/jobs`, judge({ dataset }));
    expectProblem(answer, 'shape_mismatch');
    const details = answer.body.errors.map(({ detail }: { detail: string }) => detail).join('\n');
    expect(details).toMatch(/no column "bill_depth"/);
    expect(details).toMatch(/"bill_length" is category, and cannot be taken as number/);
    expect(details).toMatch(/class "Emperor"/);
  });

  it('takes arrays that all end earlier than those of training, and refuses longer ones', async () => {
    const upload = async (lengths: number[]) => {
      const rows = lengths.map((length, i) => ({
        x: Array.from({ length }, (_, t) => ((i + t * t) % 7) / 2),
        y: i % 2,
      }));
      const lines = rows.map((row) => JSON.stringify(row)).join('\n');
      const headers = { 'content-type': 'application/jsonl' };
      return (await call('POST', `${service.api}/datasets?name=arrays`, lines, headers)).body.id as string;
    };
    const lengthsTo = (most: number) => Array.from({ length: 40 }, (_, i) => i % (most + 1));
    const parent = await run({ dataset: await upload(lengthsTo(4)), target: 'y', training: { epochs: 2 } });
    const from = (await call('GET', `${service.api}/jobs/${parent.id}/checkpoints/best`)).body.id;
    const judgeRows = async (most: number) => ({
      ...{ kind: 'evaluate', dataset: await upload(lengthsTo(most)), model: { from } },
    });
    const job = await run(await judgeRows(2));
    expect((await evaluationOf(job)).splits.all!.rows).toBe(40);
    const answer = await call('POST', `${service.api}/jobs`, await judgeRows(5));
    expectProblem(answer, 'shape_mismatch');
    expect(answer.body.errors).toMatchObject([
      { pointer: '/dataset', detail: expect.stringMatching(/^x_4: behind the end/) },
    ]);
  });

  it.each<[object, ErrorCode, string]>([
    [{ model: {} }, 'invalid_spec', '/model/from'],
    [{ model: { from: 'ckpt_01h455vb4pex5vsknk084sn02q' } }, 'invalid_spec', '/model/from'],
    [{ target: 'island' }, 'shape_mismatch', '/target'],
    [{ split: { test: 0.5 } }, 'invalid_spec', '/split'],
    [{ evaluate_on: 'tets' }, 'invalid_spec', '/evaluate_on'],
    [{ kind: 'fine_tune', evaluate_on: 'test' }, 'invalid_spec', '/evaluate_on'],
    [{ start_at: 'tomorrow' }, 'invalid_spec', '/start_at'],
  ])('%j is refused as %s at %s', async (change, code, pointer) => {
    const answer = await call('POST', `${service.api}/jobs`, judge(change));
    expectProblem(answer, code);
    expect(answer.body.errors.map((error: { pointer: string }) => error.pointer)).toContain(pointer);
  });

  it('judges a language model on the part of a text it was held back, and on another text', async () => {
    const upload = async (text: string) =>
      (await call('POST', `${service.api}/datasets?name=text`, text, { 'content-type': 'text/plain' })).body.id;
    const dataset = await upload('the cat sat on the mat and the dog sat on the log. '.repeat(60));
    const layers = [
      { type: 'embedding', units: 8 },
      { type: 'gru', units: 16, returns: 'sequence' },
    ];
    const training = { epochs: 2, batch_size: 8 };
    const parent = await run({ dataset, inputs: [{ column: 'text', context: 16 }], model: { layers }, training });
    const from = (await call('GET', `${service.api}/jobs/${parent.id}/checkpoints/best`)).body.id;
    const same = await run({ kind: 'evaluate', dataset, model: { from } });
    expect(same.metrics['test.perplexity']).toBe(parent.metrics['test.perplexity']);
    const [judged] = (await evaluationOf(same)).splits.test!.targets;
    const { perplexity, accuracy, loss } = judged!.metrics;
    // who knows how frequent letters are, and nothing else, tells spaces, and less than who knows all their entropy
    expect(accuracy!.baseline).toBeCloseTo(12 / 51, 1);
    expect(loss!.baseline).toBeGreaterThan(2);
    expect(loss!.baseline).toBeLessThan(Math.log(51));
    expect(perplexity!.value).toBeCloseTo(parent.metrics['test.perplexity'] as number, 4);
    const other = await run({
      kind: 'evaluate',
      dataset: await upload('the dog sat on the cat. '.repeat(20)),
      model: { from },
    });
    expect(other.metrics['all.bits_per_character']).toBeGreaterThan(0);
    expectProblem(
      await call('POST', `${service.api}/jobs`, { kind: 'evaluate', dataset: penguins, model: { from } }),
      'invalid_spec',
    );
  });
});
