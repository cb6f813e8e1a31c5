import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { getDataset } from '../../src/db/datasets.ts';
import type { Estimate } from '../../src/spec/estimate.ts';
import type { Job } from '../../src/spec/job.ts';
import { medianOfEpochs, medianOfSteps } from '../../src/worker/measure-training.ts';
import { runJob, type WorkerContext } from '../../src/worker/run-job.ts';
import { call, postJob, uploadCsv } from '../support/client.ts';
import { claimOrThrow, TENANT } from '../support/jobs.ts';
import { expectProblem } from '../support/problem.ts';
import { type Service, startService } from '../support/service.ts';
import { spirals } from '../support/spirals.ts';
import { workerOf } from '../support/worker.ts';

/** What a job would take, by HTTP and a process of its own; beside what it takes. */
let service: Service;
let context: WorkerContext;
let dataset: string;
beforeAll(async () => {
  service = await startService();
  context = workerOf(service);
  // a text of its own for the width that only the rows tell
  const lines = spirals(400).trimEnd().split('\n');
  const csv = lines.map((line, i) => `${line},${i === 0 ? 'place' : `p${i % 7}`}\n`).join('');
  dataset = await uploadCsv(service.api, 'spirals', csv);
});
afterAll(async () => {
  await context.trainers.close();
  await service.close();
});

const ask = (spec: object) => call<Estimate>('POST', `${service.api}/jobs/estimate`, { dataset, ...spec });

async function train(spec: object): Promise<Job> {
  const { id } = await postJob(service.api, { dataset, ...spec });
  await runJob(context, await claimOrThrow(context.db, id), new AbortController().signal);
  return (await call<Job>('GET', `${service.api}/jobs/${id}`)).body;
}

describe('what is measured', () => {
  /** Seconds at which updates are over: one of `step` each, `between` more before the first of each further epoch; `slow` of them ten times as long. */
  const timeSteps = (
    count: number,
    stepsPerEpoch: number,
    step: number,
    between: number,
    slow = (_: number) => false,
  ) => {
    const times = [0];
    for (let n = 1; n <= count; n++) {
      const own = slow(n) ? 10 * step : step;
      times.push(times[n - 1]! + own + (n > 1 && (n - 1) % stepsPerEpoch === 0 ? between : 0));
    }
    return times;
  };

  it('is an epoch with all that lies between two, whatever else the machine does for a while', () => {
    const quiet = timeSteps(4000, 4, 0.0002, 0.0003);
    expect(medianOfEpochs(quiet, 102, 4)).toBeCloseTo(4 * 0.0002 + 0.0003, 6);
    const disturbed = timeSteps(4000, 4, 0.0002, 0.0003, (n) => n > 1000 && n < 1200);
    expect(medianOfEpochs(disturbed, 102, 4)! / (4 * 0.0002 + 0.0003)).toBeCloseTo(1, 1);
    expect(medianOfEpochs(quiet.slice(0, 20), 2, 4)).toBeNull();
    expect(medianOfEpochs(timeSteps(3, 1, 0.4, 0.1), 0, 1)).toBeCloseTo(0.5);
  });

  it('is an update alone where epochs are long, however few there were', () => {
    expect(medianOfSteps(timeSteps(100, 40, 0.02, 0.5), 10, 40)).toBeCloseTo(0.02);
    expect(
      medianOfSteps(
        timeSteps(100, 40, 0.02, 0.5, (n) => n < 10),
        10,
        40,
      ),
    ).toBeCloseTo(0.02);
    expect(medianOfSteps(timeSteps(1, 40, 3, 0), 0, 40)).toBeCloseTo(3);
    expect(medianOfSteps([0], 0, 40)).toBe(0);
  });
});

describe('an estimate', () => {
  it('tells parameters, memory and steps as the job has them, and makes no job', async () => {
    const spec = {
      target: 'arm',
      training: { epochs: 3, batch_size: 50, accumulate_steps: 3, early_stopping: null, ema: { decay: 0.9 } },
    };
    const { status, body } = await ask(spec);
    expect(status).toBe(200);
    expect((await call('GET', `${service.api}/jobs`)).body.data).toEqual([]);
    const job = await train(spec);
    expect(job.status).toBe('succeeded');
    const { parameters, memory_bytes, threads, kernels } = job.runtime!;
    expect(body).toMatchObject({ fits: true, parameters, memory_bytes, threads, kernels });
    expect(body).toMatchObject({
      ...{ rows: { train: 320, validation: 40, test: 40 }, steps_per_epoch: 3, total_steps: 9 },
      ...{ spec: job.spec, choices: job.choices.map((choice) => ({ ...choice, value: expect.anything() })) },
    });
    expect(job.progress).toMatchObject({ step: body.total_steps, total_steps: body.total_steps });
    expect(body.flops_per_epoch).toBe(3 * body.flops_per_step!);
    // three parts of 50 rows, each at least two operations for a weight, forth and back
    expect(body.flops_per_step!).toBeGreaterThan(150 * 2 * 3 * 64 * 64);
    expect(body.measured_steps).toBeGreaterThan(3);
    expect(body.seconds_per_epoch!).toBeGreaterThan(0);
    // three epochs, and the updates of a range test before them
    expect(body.seconds!).toBeGreaterThan(3 * body.seconds_per_epoch!);
  }, 60_000);

  it('of weights that are only judged tells the time without an epoch, and of weights that teach what they take', async () => {
    const parent = await train({ target: 'arm', training: { epochs: 1 } });
    const { body: from } = await call('GET', `${service.api}/jobs/${parent.id}/checkpoints/best`);
    const { status, body } = await ask({ kind: 'fine_tune', model: { from: from.id }, training: { max_steps: 0 } });
    expect([status, body.total_steps, body.measured_steps, body.seconds_per_epoch]).toEqual([200, 0, 0, 0]);
    expect(body.seconds).toBeGreaterThan(0);
    expect(body.seconds).toBeLessThan(10);
    const adapted = { from: from.id, replace_head: true, lora: { rank: 1 } };
    const { body: lora } = await ask({ kind: 'fine_tune', target: 'arm', model: adapted, training: { max_steps: 0 } });
    expect(lora.trained_parameters! / lora.parameters).toBeLessThan(0.2);
    const taught = {
      ...{ target: 'arm', model: { layers: [{ type: 'dense', units: 8 }] } },
      training: { epochs: 2, early_stopping: null, distillation: { teacher: from.id } },
    };
    const [{ body: told }, job] = [await ask(taught), await train(taught)];
    expect(told.parameters).toBe(job.runtime!.parameters);
    expect(told.memory_bytes).toBe(job.runtime!.memory_bytes);
    expect(told.seconds).toBeGreaterThan(0);
  }, 60_000);

  it('of what does not fit says so, with both figures, and measures nothing', async () => {
    const wide = { type: 'dense', units: 12_000 };
    const { body } = await ask({ target: 'arm', model: { layers: [wide, wide] } });
    expect(body).toMatchObject({ fits: false, limit_bytes: 2 ** 30, measured_steps: 0, seconds_per_epoch: null });
    // x, y and seven places
    expect(body.parameters).toBe(9 * 12_000 + 12_000 + 12_000 * 12_000 + 12_000 + 12_000 * 2 + 2);
    expect(body.memory_bytes).toBeGreaterThan(4 * 4 * body.parameters);
  }, 60_000);

  it('of a dataset whose file is damaged says so', async () => {
    const own = await uploadCsv(service.api, 'spirals', spirals(100));
    const { files } = (await getDataset(service.database.db, TENANT, own))!;
    await writeFile(join(service.folder, files[0]!.key), 'x,y,arm\n1,2,a\n');
    const { detail } = expectProblem(await ask({ dataset: own, target: 'arm' }), 'invalid_spec');
    expect(detail).toContain('not what was uploaded');
  });

  it('refuses what a job is refused for, and what only its rows tell', async () => {
    expectProblem(await ask({ target: 'arms' }), 'invalid_spec');
    const lines = Array.from({ length: 40 }, (_, i) => `${i},${i % 3},${i < 35 ? 0 : 1}`);
    const weighted = await uploadCsv(service.api, 'weighted', `x,y,w\n${lines.join('\n')}\n`);
    const split = { shuffle: false, validation: 0, test: 0.25 };
    const body = { dataset: weighted, target: 'y', split, training: { sample_weight: 'w' } };
    const { detail } = expectProblem(await call('POST', `${service.api}/jobs/estimate`, body), 'invalid_spec');
    expect(detail).toMatch(/gives no row of the train split a weight above 0/);
  }, 60_000);
});
