import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CurvePoint, diagnoseCurve, extendCurve } from '../../src/judging/diagnose-curve.ts';
import type { Job } from '../../src/spec/job.ts';
import { runJob, type WorkerContext } from '../../src/worker/run-job.ts';
import { call, postJob, uploadCsv } from '../support/client.ts';
import { claimOrThrow } from '../support/jobs.ts';
import { type Service, startService } from '../support/service.ts';
import { workerOf } from '../support/worker.ts';

/** What is said of jobs that really go wrong in each way. */
let service: Service;
let context: WorkerContext;
beforeAll(async () => {
  service = await startService();
  context = workerOf(service);
});
afterAll(() => service.close());

/** Evenly spread over [−1, 1), the same each time (Weyl's sequence). */
const spread = (i: number, by: number) => 2 * ((i * by) % 1) - 1;
function table(rows: number, target: (a: number, b: number, i: number) => number | string): string {
  const lines = Array.from({ length: rows }, (_, i) => {
    const [a, b] = [spread(i + 1, Math.SQRT2), spread(i + 1, Math.sqrt(3))];
    const y = target(a, b, i);
    return `${a.toFixed(6)},${b.toFixed(6)},${typeof y === 'number' ? y.toFixed(6) : y}`;
  });
  return `a,b,y\n${lines.join('\n')}\n`;
}

async function run(csv: string, spec: { training: object; model?: object }): Promise<Job> {
  const dataset = await uploadCsv(service.api, 'points', csv);
  const { training, ...rest } = spec;
  const posted = {
    dataset,
    target: 'y',
    split: { validation: 0.3, test: 0.1 },
    training: { batch_size: 32, early_stopping: null, ...training },
    ...rest,
  };
  const { id } = await postJob(service.api, posted);
  await runJob(context, await claimOrThrow(context.db, id), new AbortController().signal);
  const job: Job = (await call('GET', `${service.api}/jobs/${id}`)).body;
  if (job.status === 'succeeded')
    expect((await call('GET', `${service.api}/jobs/${id}/evaluation`)).body.diagnosis).toEqual(job.diagnosis);
  return job;
}
const layers = (...units: number[]) => ({
  layers: units.map((n) => ({ type: 'dense', units: n, activation: 'tanh' })),
});
const adam = (rate: number) => ({ type: 'adam', learning_rate: rate });

describe('the diagnosis of a job', () => {
  it('that hardly learns is underfitting', async () => {
    const { diagnosis } = await run(
      table(200, (a, b) => a + b),
      { model: layers(8), training: { epochs: 8, optimizer: adam(1e-5) } },
    );
    expect(diagnosis).toMatchObject({ verdict: 'underfitting', advice: expect.stringMatching(/learning rate/) });
  });

  it('that ends while it still learns is underfitting', async () => {
    const { diagnosis } = await run(
      table(200, (a, b) => a + b),
      { model: layers(8), training: { epochs: 10, optimizer: adam(3e-3) } },
    );
    expect(diagnosis).toMatchObject({ verdict: 'underfitting', reason: expect.stringMatching(/still falls/) });
  });

  it('that learns rows by heart is overfitting', async () => {
    const { diagnosis } = await run(
      table(100, (_a, _b, i) => (spread(i + 1, Math.PI) > 0 ? 'yes' : 'no')),
      { model: layers(64, 64), training: { epochs: 200, optimizer: adam(1e-2) } },
    );
    expect(diagnosis).toMatchObject({ verdict: 'overfitting', reason: expect.stringMatching(/validation loss/) });
  });

  it('whose network cannot do more is at a plateau', async () => {
    // a quarter of the variance is linear, and a network without hidden layers sees no more
    const { diagnosis } = await run(
      table(300, (a, b) => a + 3 * a * b),
      { model: { layers: [] }, training: { epochs: 40, optimizer: adam(3e-2) } },
    );
    expect(diagnosis).toMatchObject({ verdict: 'plateau', reason: expect.stringMatching(/stands still/) });
  });

  it('that goes well is a good fit, and nothing need be done', async () => {
    const { diagnosis } = await run(
      table(300, (a, b) => 2 * a - b),
      { model: layers(16), training: { epochs: 40, optimizer: adam(1e-2) } },
    );
    expect(diagnosis).toMatchObject({ verdict: 'good_fit', advice: null });
  });

  it('whose numbers overflow has diverged, with what the error says', async () => {
    const { diagnosis, error, status } = await run(
      table(100, (a, b) => a + b),
      { model: layers(8), training: { epochs: 8, optimizer: { type: 'sgd', learning_rate: 1000 } } },
    );
    expect(status).toBe('failed');
    expect(diagnosis).toEqual({ verdict: 'diverged', reason: error!.message, advice: error!.hint });
  });

  const off = {
    type: 'dense',
    name: 'off',
    units: 8,
    activation: 'relu',
    bias_init: { type: 'constant', value: -100 },
  };
  it('whose hidden units are all off has diverged: no gradient reaches them, and a constant is all that is learnt', async () => {
    const { diagnosis, error, status, stop_reason, progress } = await run(
      table(200, (a, b) => a + b),
      {
        model: { layers: [...layers(6).layers, off] },
        training: { epochs: 500, optimizer: { type: 'sgd', learning_rate: 0.05 } },
      },
    );
    expect({ status, stop_reason, code: error?.code }).toEqual({
      ...{ status: 'failed', stop_reason: 'diverged', code: 'diverged' },
    });
    expect(error!.message).toMatch(
      /^Training diverged at step \d+, after epoch \d+: the loss stands still, and no gradient reaches the layer "off" nor what lies before it\. The weights are kept as they are\.$/,
    );
    expect(error!.hint).toMatch(/always off.*leaky_relu/);
    expect(diagnosis).toEqual({ verdict: 'diverged', reason: error!.message, advice: error!.hint });
    expect(progress!.step).toBeLessThan(500);
  });

  it('in which some units are off, and others learn, goes on, and says which have no gradient', async () => {
    const [on] = layers(6).layers;
    const model = {
      layers: [off, { ...on, name: 'on', inputs: ['input'] }, { type: 'concatenate', inputs: ['off', 'on'] }],
    };
    const { id, status } = await run(
      table(100, (a, b) => a + b),
      { model, training: { epochs: 3, optimizer: { type: 'sgd', learning_rate: 1e-7 } } },
    );
    expect(status).toBe('succeeded');
    const events: { data: { parameters?: string[] } }[] = (await call('GET', `${service.api}/jobs/${id}/events`)).body
      .data;
    expect(events.flatMap(({ data }) => data.parameters ?? [])).toEqual(['off.weight', 'off.bias']);
  });

  it('of a few epochs is undecided', async () => {
    const { diagnosis } = await run(
      table(60, (a) => a),
      { model: layers(4), training: { epochs: 3 } },
    );
    expect(diagnosis).toMatchObject({ verdict: 'undecided', reason: expect.stringMatching(/3 epochs/) });
  });
});

describe('a curve', () => {
  const extend = (epochs: number) => {
    let points: CurvePoint[] = [];
    for (let epoch = 1; epoch <= epochs; epoch++)
      points = extendCurve(points, { epoch, train: 1 / epoch, validation: null });
    return points;
  };

  it.each([1, 2, 200, 201, 202, 399, 400, 401, 5000, 12_345])(
    'of %i epochs stays short, even, and knows its ends',
    (epochs) => {
      const points = extend(epochs).map(({ epoch }) => epoch);
      expect(points.length).toBeLessThanOrEqual(200);
      expect(points.length).toBeGreaterThanOrEqual(Math.min(epochs, 100));
      expect([points[0], points.at(-1)]).toEqual([1, epochs]);
      const steps = new Set(points.slice(1, -1).map((epoch, i) => epoch - points[i]!));
      expect(steps.size).toBeLessThanOrEqual(1);
    },
  );

  it('whose best weights are no better than a constant is no good fit', () => {
    const points = extend(20).map((point) => ({ ...point, train: 0.65, validation: 0.69 }));
    const end = { reference: 0.692, stoppedEarly: true };
    const none = { ...end, result: { train: 0.6, validation: 0.7 } };
    expect(
      diagnoseCurve(
        points.map((point, i) => ({ ...point, train: 0.69 - i / 50 })),
        none,
      ),
    ).toMatchObject({
      verdict: 'overfitting',
      reason: expect.stringContaining('nothing is learnt that holds'),
    });
    const some = { ...end, result: { train: 0.2, validation: 0.3 } };
    expect(
      diagnoseCurve(
        points.map((point) => ({ ...point, train: 0.2 })),
        some,
      ).verdict,
    ).toBe('good_fit');
  });

  it('that stands still with noise is at a plateau, though some epoch is the best so far', () => {
    const points = Array.from({ length: 40 }, (_, i) => ({
      ...{ epoch: i + 1, train: 0.7 + 0.03 * spread(i, Math.PI), validation: 0.62 },
    }));
    const end = { reference: 1, stoppedEarly: false };
    expect(diagnoseCurve([{ epoch: 0, train: 4, validation: 1 }, ...points], end).verdict).toBe('plateau');
  });

  it('without a validation split says what to do about it', () => {
    const points = extend(20).map((point) => ({ ...point, train: 0.2 }));
    expect(diagnoseCurve(points, { reference: 1, stoppedEarly: false })).toMatchObject({
      verdict: 'undecided',
      advice: expect.stringMatching(/split\.validation/),
    });
  });

  it('that is not finite, or of a loss below 0, is undecided', () => {
    const end = { stoppedEarly: false };
    expect(diagnoseCurve(extend(20), { ...end, reference: -3 }).verdict).toBe('undecided');
    expect(diagnoseCurve(extend(20), { ...end, reference: Number.NaN }).verdict).toBe('undecided');
    expect(diagnoseCurve([], { ...end, reference: 1 }).verdict).toBe('undecided');
  });
});
