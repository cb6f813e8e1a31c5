import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Job } from '../../src/spec/job.ts';
import type { WorkerContext } from '../../src/worker/run-job.ts';
import { runOnnx } from '../export/run-onnx.ts';
import { call, uploadCsv } from '../support/client.ts';
import { expectSameBitsResumed, train } from '../support/run-jobs.ts';
import { type Service, startService } from '../support/service.ts';
import { workerOf } from '../support/worker.ts';

/** Series from a plain table to forecasts: through HTTP, a real training thread and a real prediction process. */
let service: Service;
let context: WorkerContext;
let dataset: string;

const DAYS = 120;
const TOWNS = ['north', 'south'];
/** A wave over a rising line, whose level differs by town; the wind has a spike now and then. */
const rows = Array.from({ length: DAYS }, (_, day) =>
  TOWNS.map((town, i) => ({
    day: new Date(Date.UTC(2020, 0, 1 + day)).toISOString().slice(0, 10),
    town,
    high: 20 * i + day / 10 + 5 * Math.sin((2 * Math.PI * day) / 12),
    wind: day % 9 === 0 ? 50 : 3 + (day % 2),
  })),
).flat();
const toCsv = (some: typeof rows) =>
  ['day,town,high,wind', ...some.map((row) => Object.values(row).join(',')), ''].join('\n');

beforeAll(async () => {
  service = await startService({ predictProcesses: 1 });
  context = workerOf(service);
  dataset = await uploadCsv(service.api, 'towns', toCsv(rows));
  const lines = rows.map(({ day, town }) => `${day},${town},${skyOf(day)}`);
  skies = await uploadCsv(service.api, 'skies', ['day,town,sky', ...lines, ''].join('\n'));
  const days = rows.filter(({ town }) => town === 'north').map(({ day }, i) => `${day},${i % 7 < 5 ? 'grey' : 'blue'}`);
  weekends = await uploadCsv(service.api, 'weekends', ['day,sky', ...days, ''].join('\n'));
});
afterAll(() => service.close());
vi.setConfig({ testTimeout: 120_000 });

/** Two days each of three skies, one after the other. */
const skyOf = (day: string) => ['rain', 'sun', 'fog'][Math.floor((Date.parse(day) / 86_400_000 / 2) % 3)]!;
let skies: string;
let weekends: string;
const classes = () => ({
  ...spec(),
  ...{ dataset: skies, target: 'sky', inputs: ['sky'], forecast: { ...forecast, window: 6 } },
});

const forecast = { order_by: 'day', group_by: 'town', window: 12, horizon: 3 };
const inputs = ['high', { column: 'wind', smooth: { type: 'median', span: 3 } }];
const spec = () => ({
  ...{ dataset, target: 'high', inputs, forecast, model: { layers: [] }, split: { validation: 0.15, test: 0.2 } },
  training: { epochs: 12, batch_size: 16, optimizer: { type: 'adam', learning_rate: 0.02 }, early_stopping: null },
  checkpoints: { every: 1, min_interval_s: 0 },
});
const plain = rows.map(({ day, town, high, wind }) => ({ day, town, high, wind }));
const predict = (job: Job, some: object[]) => call('POST', `${service.api}/jobs/${job.id}/predict`, { rows: some });

/** Of the last 24 days of each town, whose windows of 14 tell 3: from a day that is known to the one that is told first. */
function meanChange(): number {
  const changes = ['north', 'south'].flatMap((name) => {
    const days = plain.filter(({ town }) => town === name).slice(-24);
    return days.slice(13, -3).map((day, i) => Math.abs(days[14 + i]!.high - day.high));
  });
  return changes.reduce((sum, change) => sum + change, 0) / changes.length;
}

describe('a forecast', () => {
  let job: Job;

  it('comes to the same bits on two threads and when it is taken up again', async () => {
    job = await expectSameBitsResumed(service, context, spec(), [5]);
    expect(job.metrics['test.mae']).toBeLessThan(0.5);
    // of each town: 78 days for training, and windows of 14 that tell 3
    const { body } = await call('GET', `${service.api}/jobs/${job.id}/evaluation`);
    expect(body.splits.test.targets.map(({ name }: { name: string }) => name)).toEqual(['high+1', 'high+2', 'high+3']);
    expect(body.splits.train.rows).toBe(2 * (78 - 16));
    // values and not changes are judged
    expect(body.splits.test.targets[0].metrics.r2.value).toBeGreaterThan(0.98);
    // beside one who says that nothing changes
    const [{ baseline, metrics }] = body.splits.test.targets;
    expect(baseline).toBe('the last known value');
    expect(metrics.mae.baseline).toBeGreaterThan(metrics.mae.value);
    expect(metrics.mae.baseline).toBeCloseTo(meanChange(), 6);
    // a step shuffled among others tells nothing of the next
    const { columns } = body.importance;
    expect(columns.map(({ column }: { column: string }) => column).sort()).toEqual(['high', 'wind']);
    expect(columns[0]).toMatchObject({ column: 'high' });
    expect(columns[0].loss_increase).toBeGreaterThan(0.1);
  });

  it('tells the next values after each row that has enough before it, of every series', async () => {
    const { body } = await predict(job, plain.slice(-32));
    expect(body.predictions).toHaveLength(2 * 3);
    const [first] = body.predictions;
    expect(first).toEqual({ after_row: 26, high: [expect.any(Number), expect.any(Number), expect.any(Number)] });
    body.predictions.slice(0, 2).forEach(({ high, after_row: row }: { high: number[]; after_row: number }) => {
      // known: two days later in the same town
      expect(Math.abs(high[1]! - plain.slice(-32)[row + 4]!.high)).toBeLessThan(1.5);
    });
    // what lies further back changes nothing, and neither does the other town
    const alone = await predict(job, plain.filter(({ town }) => town === 'south').slice(-14));
    expect(alone.body.predictions).toEqual([{ ...body.predictions.at(-1), after_row: 13 }]);
  });

  it('says what is wrong with rows', async () => {
    const south = plain.filter(({ town }) => town === 'south');
    const pointers = async (some: object[]) => {
      const { status, body } = await predict(job, some);
      expect(status).toBe(422);
      return body.errors.map(({ pointer, code }: Record<string, string>) => [pointer, code]);
    };
    expect(await pointers(south.slice(-13))).toEqual([['/rows/0', 'too_few_rows']]);
    expect(await pointers(south.slice(-14).reverse())).toHaveLength(13);
    const gap = south.slice(-14).map((row, i) => (i === 13 ? { ...row, high: null } : row));
    expect(await pointers(gap)).toEqual([['/rows/13/high', 'invalid_type']]);
    // of a gap before the end alone nothing is told
    const early = await predict(
      job,
      south.slice(-16).map((row, i) => (i === 13 ? { ...row, high: null } : row)),
    );
    expect(early.body.predictions.map((one: Record<string, number>) => one.after_row)).toEqual([14, 15]);
    expect(early.body.warnings).toContainEqual(expect.objectContaining({ pointer: '/rows/13/high', code: 'no_base' }));
    expect(await pointers([...south.slice(-14), { hgih: 1 }])).toContainEqual(['/rows/14/hgih', 'unknown_column']);
  });

  it('is told from CSV and JSON lines, too', async () => {
    const ask = (body: string, type: string, accept = 'application/json') =>
      call('POST', `${service.api}/jobs/${job.id}/predict`, body, { 'content-type': type, accept });
    const some = plain.slice(-32);
    const { body: expected } = await predict(job, some);
    const lines = some.map((row) => JSON.stringify(row)).join('\n');
    expect((await ask(lines, 'application/x-ndjson')).body.predictions).toEqual(expected.predictions);
    const csv = toCsv(rows.slice(-32));
    expect((await ask(csv, 'text/csv')).body.predictions).toEqual(expected.predictions);
    const { body: table } = await ask(csv, 'text/csv', 'text/csv');
    // by the names under which the steps are judged
    expect(table.split('\n')[0]).toBe('after_row,high+1,high+2,high+3,error,warnings');
    // a header and 27 rows: too few of each town; and a field that is no number
    const short = (await ask(csv.split('\n').slice(0, 28).join('\n'), 'text/csv')).body;
    expect(short).toMatchObject({ status: 422, code: 'invalid_rows' });
    expect(short.errors[0].detail).toMatch(/^line \d+: the series that begins here has 13 rows/);
    const long = await ask(
      csv +
        toCsv(Array.from({ length: 1000 }, () => rows[0]!))
          .split('\n')
          .slice(1)
          .join('\n'),
      'text/csv',
    );
    expect(long.body.errors[0]).toMatchObject({ code: 'too_many_rows' });
  });

  it('judges another dataset, and answers by tensors', async () => {
    const other = await uploadCsv(service.api, 'later', toCsv(rows.slice(-60)));
    const { body: best } = await call('GET', `${service.api}/jobs/${job.id}/checkpoints/best`);
    const judged = await train(service, context, { kind: 'evaluate', model: { from: best.id }, dataset: other });
    expect(judged).toMatchObject({ status: 'succeeded', error: null });
    expect(judged.metrics['all.mae']).toBeLessThan(0.5);
    const lacking = await uploadCsv(service.api, 'no towns', 'day,high,wind\n2020-01-01,1,2\n2020-01-02,2,3\n');
    const refused = await call('POST', `${service.api}/jobs`, {
      ...{ kind: 'evaluate', model: { from: best.id }, dataset: lacking },
    });
    expect(JSON.stringify(refused.body.errors)).toContain('no column \\"town\\"');
    await call('POST', `${service.api}/models`, { name: 'towns' });
    await call('POST', `${service.api}/models/towns/versions`, { checkpoint: best.id });
    const { body: metadata } = await call('GET', `${service.url}/v2/models/towns`);
    expect(metadata.outputs).toEqual([{ name: 'high', datatype: 'FP64', shape: [-1, 3] }]);
    const south = plain.filter(({ town }) => town === 'south').slice(-15);
    const tensor = (name: 'high' | 'wind' | 'day' | 'town', datatype: string) => ({
      ...{ name, datatype, shape: [15], data: south.map((row) => row[name]) },
    });
    const tensors = [tensor('high', 'FP64'), tensor('wind', 'FP64'), tensor('day', 'BYTES'), tensor('town', 'BYTES')];
    const { body } = await call('POST', `${service.url}/v2/models/towns/infer`, { inputs: tensors });
    const { body: told } = await predict(job, south);
    expect(body.outputs).toMatchObject([
      { name: 'high', shape: [2, 3], data: told.predictions.flatMap(({ high }: { high: number[] }) => high) },
    ]);
  });
});

describe('a forecast of classes', () => {
  let job: Job;
  const south = () =>
    plain.filter(({ town }) => town === 'south').map(({ day, town }) => ({ day, town, sky: skyOf(day) }));

  it('is judged step by step', async () => {
    job = await train(service, context, classes());
    expect(job.error).toBeNull();
    const { body } = await call('GET', `${service.api}/jobs/${job.id}/evaluation`);
    const { targets } = body.splits.test;
    expect(targets.map(({ name }: { name: string }) => name)).toEqual(['sky+1', 'sky+2', 'sky+3']);
    // the sky follows a cycle of six days that the window shows
    for (const { metrics } of targets) expect(metrics.accuracy.value).toBeGreaterThan(0.9);
    expect(job.metrics).toMatchObject({
      'test.accuracy': expect.any(Number),
      'test.step_1.loss': expect.any(Number),
      'test.step_3.accuracy': expect.any(Number),
    });
  });

  it('tells the next classes with their probabilities, from JSON, JSON lines, CSV and tensors', async () => {
    const rows = south().slice(-8);
    const { body } = await predict(job, rows);
    expect(body.predictions).toHaveLength(3);
    const [told] = body.predictions;
    expect(told.after_row).toBe(5);
    expect(told.sky.slice(0, 2)).toEqual(rows.slice(6, 8).map(({ sky }) => sky));
    expect(told.probabilities).toHaveLength(3);
    const [next] = told.probabilities;
    expect(Object.keys(next).sort()).toEqual(['fog', 'rain', 'sun']);
    expect(next.fog + next.rain + next.sun).toBeCloseTo(1, 9);
    const ask = (text: string, type: string, accept = 'application/json') =>
      call('POST', `${service.api}/jobs/${job.id}/predict`, text, { 'content-type': type, accept });
    const lines = rows.map((row) => JSON.stringify(row)).join('\n');
    expect((await ask(lines, 'application/x-ndjson')).body.predictions).toEqual(body.predictions);
    const csv = ['day,town,sky', ...rows.map(({ day, town, sky }) => `${day},${town},${sky}`), ''].join('\n');
    expect((await ask(csv, 'text/csv')).body.predictions).toEqual(body.predictions);
    const { body: table } = await ask(csv, 'text/csv', 'text/csv');
    const headings = table.split('\n')[0]!.split(',');
    expect(headings.slice(0, 5)).toEqual(['after_row', 'sky+1', 'sky+2', 'sky+3', 'probabilities.sky+1.fog']);
    expect(headings).toHaveLength(1 + 3 + 3 * 3 + 2);
    const { body: best } = await call('GET', `${service.api}/jobs/${job.id}/checkpoints/best`);
    await call('POST', `${service.api}/models`, { name: 'skies' });
    await call('POST', `${service.api}/models/skies/versions`, { checkpoint: best.id });
    const { body: metadata } = await call('GET', `${service.url}/v2/models/skies`);
    expect(metadata.outputs).toMatchObject([
      { name: 'sky', datatype: 'BYTES', shape: [-1, 3] },
      { name: 'sky.probabilities', datatype: 'FP64', shape: [-1, 3, 3] },
    ]);
    const tensor = (name: 'day' | 'town' | 'sky') => ({
      ...{ name, datatype: 'BYTES', shape: [rows.length], data: rows.map((row) => row[name]) },
    });
    const inputs = [tensor('day'), tensor('town'), tensor('sky')];
    const { body: answer } = await call('POST', `${service.url}/v2/models/skies/infer`, { inputs });
    expect(answer.outputs[0].data).toEqual(body.predictions.flatMap(({ sky }: { sky: string[] }) => sky));
    expect(answer.outputs[1]).toMatchObject({ shape: [3, 3, 3] });
    expect(answer.outputs[1].data.slice(0, 3)).toEqual(
      metadata.outputs[1].classes?.map((c: string) => next[c]) ?? expect.anything(),
    );
  });

  it('says what it takes as missing', async () => {
    const rows = south()
      .slice(-7)
      .map((row, i) => (i === 1 ? { ...row, sky: 'hail' } : row));
    const { body } = await predict(job, rows);
    expect(body.warnings).toMatchObject([{ pointer: '/rows/1/sky', code: 'unknown_class' }]);
    const lines = rows.map((row) => JSON.stringify(row)).join('\n');
    const told = await call('POST', `${service.api}/jobs/${job.id}/predict`, lines, {
      'content-type': 'application/x-ndjson',
    });
    const [first, second] = told.body
      .trim()
      .split('\n')
      .map((line: string) => JSON.parse(line));
    expect(first.warnings).toMatchObject([{ pointer: '/rows/1/sky', code: 'unknown_class' }]);
    expect(second.warnings).toBeUndefined();
  });

  it('is exported, and judged on another dataset', async () => {
    const rows = south().slice(-6);
    const { body } = await predict(job, rows);
    const response = await fetch(`${service.api}/jobs/${job.id}/checkpoints/best/download?format=onnx`);
    expect(response.status).toBe(200);
    const feeds = { sky: { type: 'string' as const, dims: [1, 6], data: rows.map(({ sky }) => sky) } };
    const [outputs] = await runOnnx(new Uint8Array(await response.arrayBuffer()), [feeds]);
    expect(outputs!['sky.labels']).toMatchObject({ dims: [1, 3], data: body.predictions[0].sky });
    const probabilities = outputs!['sky.probabilities']!;
    expect(probabilities.dims).toEqual([1, 3, 3]);
    const expected = body.predictions[0].probabilities.flatMap((one: Record<string, number>) =>
      ['fog', 'rain', 'sun'].map((name) => one[name]!),
    );
    const told = [...(probabilities.data as Float32Array)];
    told.forEach((value, i) => {
      expect(Math.abs(value - expected[i])).toBeLessThan(1e-4);
    });
    const { body: best } = await call('GET', `${service.api}/jobs/${job.id}/checkpoints/best`);
    const judged = await train(service, context, {
      ...{ kind: 'evaluate', model: { from: best.id }, dataset: skies, evaluate_on: 'all' },
    });
    expect(judged.error).toBeNull();
    expect(judged.metrics['all.accuracy']).toBeGreaterThan(0.9);
    const foreign = await uploadCsv(
      service.api,
      'hail',
      ['day,town,sky', ...rows.map(({ day, town }, i) => `${day},${town},${i % 2 ? 'hail' : 'sun'}`), ''].join('\n'),
    );
    const evaluation = { kind: 'evaluate', model: { from: best.id }, dataset: foreign };
    const refused = await call('POST', `${service.api}/jobs`, evaluation);
    expect(refused.body.errors).toMatchObject([{ pointer: '/dataset', detail: expect.stringContaining('"hail"') }]);
  });

  it('of two classes is told by one logit, with weights of classes where it is one step', async () => {
    const two = await train(service, context, {
      ...classes(),
      ...{ dataset: weekends, target: 'sky', inputs: ['sky'], forecast: { order_by: 'day', window: 7, horizon: 2 } },
      training: { ...classes().training, loss: 'binary_cross_entropy' },
    });
    expect(two.error).toBeNull();
    expect(two.metrics['test.accuracy']).toBeGreaterThan(0.9);
    expect(two.metrics['test.step_2.accuracy']).toBeGreaterThan(0.9);
    const balanced = await train(service, context, {
      ...classes(),
      ...{ forecast: { ...forecast, window: 6, horizon: 1 } },
      training: { ...classes().training, loss: { type: 'cross_entropy', class_weights: 'balanced' } },
    });
    expect(balanced.error).toBeNull();
    expect(balanced.metrics['test.accuracy']).toBeGreaterThan(0.9);
  });
});

describe('exports of a forecast', () => {
  it('take the last rows of each column, and give the next values', async () => {
    const layers = [{ type: 'gru', units: 4 }];
    const columns = [
      'high',
      { column: 'wind', transform: 'log1p', missing_indicator: true },
      { column: 'town', encoding: 'ordinal' },
    ];
    const job = await train(service, context, {
      ...spec(),
      ...{ inputs: columns, model: { layers }, forecast: { ...forecast, window: 5 } },
      training: { max_steps: 10 },
    });
    expect(job.error).toBeNull();
    const south = plain
      .filter(({ town }) => town === 'south')
      .slice(-7)
      .map((row, i) => (i === 1 ? { ...row, wind: null } : row));
    const { body } = await predict(job, south);
    const response = await fetch(`${service.api}/jobs/${job.id}/checkpoints/best/download?format=onnx`);
    expect(response.status).toBe(200);
    const windows = [0, 1, 2].map((first) => south.slice(first, first + 5));
    const doubles = (name: 'high' | 'wind') => ({
      ...{ type: 'float64' as const, dims: [3, 5] },
      data: Float64Array.from(windows.flatMap((window) => window.map((row) => row[name] ?? Number.NaN))),
    });
    const towns = {
      type: 'string' as const,
      dims: [3, 5],
      data: windows.flatMap((window) => window.map(({ town }) => town)),
    };
    const feeds = { high: doubles('high'), wind: doubles('wind'), town: towns };
    const [outputs] = await runOnnx(new Uint8Array(await response.arrayBuffer()), [feeds]);
    expect(outputs!['high.values']!.dims).toEqual([3, 3]);
    const told = body.predictions.flatMap(({ high }: { high: number[] }) => high);
    Array.from(outputs!['high.values']!.data as Float64Array).forEach((value, i) => {
      expect(Math.abs(value - told[i])).toBeLessThan(1e-4);
    });
    const bundle = await fetch(`${service.api}/jobs/${job.id}/checkpoints/best/download?format=bundle`);
    expect(bundle.status).toBe(200);
  });
});
