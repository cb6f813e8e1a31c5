import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { loadCheckpoint } from '../../src/checkpoints/checkpoint-file.ts';
import { decodeSafetensors } from '../../src/checkpoints/safetensors.ts';
import { writeExport } from '../../src/export/write-export.ts';
import type { Job } from '../../src/spec/job.ts';
import type { WorkerContext } from '../../src/worker/run-job.ts';
import { call, digestTensors, uploadCsv } from '../support/client.ts';
import { expectProblem } from '../support/problem.ts';
import { expectSameBitsResumed, train } from '../support/run-jobs.ts';
import { type Service, startService } from '../support/service.ts';
import { spirals } from '../support/spirals.ts';
import { workerOf } from '../support/worker.ts';

// several jobs each, on a machine that may have much else to do
vi.setConfig({ testTimeout: 120_000 });

/** Jobs that go on from a checkpoint, from the POST to their end. */
let service: Service;
let context: WorkerContext;
let parent: Job;
let checkpoint: string;
let arms: string;
let others: string;

const trained = { epochs: 30, batch_size: 32, seed: 5, early_stopping: null };
/** a rate at which few epochs are enough */
const quick = { ...trained, epochs: 12, optimizer: { type: 'adam', learning_rate: 0.02 } };
const LAYERS = [
  { type: 'dense', units: 24, activation: 'tanh' },
  { type: 'dense', units: 16, activation: 'tanh' },
];

beforeAll(async () => {
  service = await startService();
  context = workerOf(service);
  arms = await uploadCsv(service.api, 'spirals', spirals(400));
  others = await uploadCsv(service.api, 'clouds', clouds());
  parent = await train(service, context, {
    dataset: arms,
    target: 'arm',
    model: { layers: LAYERS },
    training: trained,
  });
  expect(parent.status).toBe('succeeded');
  checkpoint = (await call('GET', `${service.api}/jobs/${parent.id}/checkpoints/best`)).body.id;
});
afterAll(async () => {
  await context.trainers.close();
  await service.close();
});

/** The same columns on another scale: three clouds, and the number of each. */
function clouds(): string {
  const lines = Array.from({ length: 240 }, (_, i) => {
    const [cloud, angle] = [i % 3, i * 0.37];
    const [x, y] = [
      10 * Math.cos(2.1 * cloud) + 2 * Math.sin(angle),
      10 * Math.sin(2.1 * cloud) + 2 * Math.cos(1.7 * angle),
    ];
    return `${x.toFixed(4)},${y.toFixed(4)},${['near', 'middle', 'far'][cloud]},${cloud}`;
  });
  return `x,y,cloud,number\n${lines.join('\n')}\n`;
}

const tune = (model: object, rest: object = {}) => ({
  kind: 'fine_tune',
  dataset: others,
  target: 'cloud',
  model: { from: checkpoint, replace_head: true, ...model },
  training: { ...trained, epochs: 12 },
  checkpoints: { every: 7, min_interval_s: 0 },
  ...rest,
});
const weightsOf = (id: string) => digestTensors(service.api, id, 'latest');
const checkpointOf = async (id: string, reference = 'latest') =>
  (await call('GET', `${service.api}/jobs/${id}/checkpoints/${reference}`)).body.id;
const mistakesOf = async (body: object) => {
  const answer = await call('POST', `${service.api}/jobs`, body);
  expect([400, 422]).toContain(answer.status);
  return answer.body.errors.map(({ pointer }: { pointer: string }) => pointer);
};

describe('a head made anew', () => {
  it('tells other classes from weights that are there; what is frozen stays, inputs are scaled as they were or anew', async () => {
    const kept = await train(service, context, tune({ freeze: ['dense_*'] }));
    expect(kept).toMatchObject({ status: 'succeeded', error: null });
    expect(kept.runtime).toMatchObject({ parameters: 24 * 3 + 16 * 25 + 3 * 17, trained_parameters: 3 * 17 });
    const [before, after] = [await digestTensors(service.api, parent.id, 'best'), await weightsOf(kept.id)];
    for (const name of ['dense_1.weight', 'dense_2.bias']) expect(after[name]).toBe(before[name]);
    expect(after['output.weight']).not.toBe(before['output.weight']);

    const [known, own, refitted] = await Promise.all(
      [parent, kept, await train(service, context, tune({ refit_inputs: true }))].map(async ({ id }) => {
        const { rows } = await context.db.pool.query(
          'select preparation from checkpoints where job_id = $1 and is_latest',
          [id],
        );
        return rows[0].preparation;
      }),
    );
    expect(own.inputs).toEqual(known.inputs);
    expect(own.target.classes).toEqual(['far', 'middle', 'near']);
    // several times as wide
    expect(refitted.inputs[0].scale).toBeLessThan(known.inputs[0].scale / 2);
    expect(refitted.target).toEqual(own.target);
  });

  it('tells numbers where there were classes', async () => {
    const job = await train(
      service,
      context,
      tune({ refit_inputs: true }, { target: { column: 'number', type: 'number' }, training: quick }),
    );
    expect(job).toMatchObject({ status: 'succeeded', spec: { training: { loss: { type: 'mse' } } } });
    expect(job.metrics['test.loss']).toBeLessThan(0.5);
  });
});

describe('layers that are unfrozen one after the other', () => {
  const unfrozen = { unfreeze: 'gradual', refit_inputs: true };
  it('stay as they are until their epoch; the schedule comes back written out', async () => {
    // two epochs of six updates
    const training = { ...trained, epochs: null, max_steps: 12 };
    const short = await train(service, context, tune(unfrozen, { training }));
    expect(short.spec.model.unfreeze).toEqual([
      { epoch: 1, layers: ['dense_2'] },
      { epoch: 2, layers: ['dense_1'] },
    ]);
    const [before, after] = [await digestTensors(service.api, parent.id, 'best'), await weightsOf(short.id)];
    expect(after['dense_1.weight']).toBe(before['dense_1.weight']);
    expect(after['dense_2.weight']).not.toBe(before['dense_2.weight']);
  });

  it('come to the same bits through stops in every stage, with rates that fall from the head down', async () => {
    const training = { ...trained, epochs: 12, layer_decay: 0.4, optimizer: { type: 'nadam', learning_rate: 0.01 } };
    const spec = tune({ unfreeze: [{ epoch: 3, layers: ['dense_*'] }], refit_inputs: true }, { training });
    const job = await expectSameBitsResumed(service, context, spec, [7, 42]);
    expect(job.metrics['test.accuracy']).toBeGreaterThan(0.8);
    const even = await train(service, context, { ...spec, training: { ...training, layer_decay: null } });
    expect((await weightsOf(even.id))['dense_1.weight']).not.toBe((await weightsOf(job.id))['dense_1.weight']);
  });

  it.each([
    ['no such layer', { unfreeze: [{ epoch: 1, layers: ['dense_9'] }] }, {}, ['/model/unfreeze/0/layers/0']],
    ['an epoch too late', { unfreeze: [{ epoch: 12, layers: ['dense_1'] }] }, {}, ['/model/unfreeze/0/epoch']],
    [
      'a layer twice',
      {
        unfreeze: [
          { epoch: 1, layers: ['dense_*'] },
          { epoch: 2, layers: ['dense_1'] },
        ],
      },
      {},
      ['/model/unfreeze/1/layers/0'],
    ],
    ['nothing left to begin with', { unfreeze: [{ epoch: 1, layers: ['*'] }] }, {}, ['/model/unfreeze']],
    [
      'an optimizer that searches',
      { unfreeze: 'gradual' },
      { training: { optimizer: 'lbfgs', layer_decay: 0.5 } },
      ['/model/unfreeze', '/training/layer_decay'],
    ],
    ['another word', { unfreeze: 'slowly' }, {}, ['/model/unfreeze']],
  ])('%s is a mistake, and named', async (_name, model, rest, pointers) => {
    expect(await mistakesOf(tune(model, rest))).toEqual(pointers);
  });
});

describe('low-rank adapters', () => {
  const lora = { rank: 4, alpha: 8, targets: ['dense_*'] };
  const adapted = () =>
    tune(
      { lora, refit_inputs: true },
      { training: { ...trained, epochs: 12, optimizer: { type: 'adam', learning_rate: 0.02 } } },
    );
  let job: Job;

  it('are trained in place of the weights, and come to the same bits through stops', async () => {
    job = await expectSameBitsResumed(service, context, adapted(), [7, 42]);
    expect(job.metrics['test.accuracy']).toBeGreaterThan(0.6);
    const adapters = 4 * (2 + 24) + 4 * (24 + 16);
    expect(job.runtime!.trained_parameters).toBe(adapters + 3 * 17);
    const [before, after] = [await digestTensors(service.api, parent.id, 'best'), await weightsOf(job.id)];
    for (const name of ['dense_1.weight', 'dense_1.bias', 'dense_2.weight']) expect(after[name]).toBe(before[name]);
    const state = Object.keys(after).filter((name) => name.startsWith('optimizer/adam/m/'));
    expect(state.map((name) => name.slice('optimizer/adam/m/'.length)).sort()).toEqual([
      'dense_1.lora_a',
      'dense_1.lora_b',
      'dense_2.lora_a',
      'dense_2.lora_b',
      'output.bias',
      'output.weight',
    ]);
  });

  it('are handed out alone, with the head that was made anew; or merged into the weights', async () => {
    const load = async (id: string) => {
      const { rows } = await context.db.pool.query(
        'select storage_key, sha256 from checkpoints where job_id = $1 and is_latest',
        [id],
      );
      return loadCheckpoint(service.deps.storage, rows[0].storage_key, { sha256: rows[0].sha256 });
    };
    const read = async (weights: 'adapter' | 'merged', id = job.id) =>
      decodeSafetensors(await writeExport(await load(id), { format: 'safetensors', layout: 'trainyard', weights }))
        .tensors;
    expect([...(await read('adapter')).keys()].sort()).toEqual([
      ...['dense_1.lora_a', 'dense_1.lora_b', 'dense_2.lora_a', 'dense_2.lora_b', 'output.bias', 'output.weight'],
    ]);
    const merged = await read('merged');
    const [before] = [await load(parent.id)];
    expect([...merged.keys()].sort()).toEqual([...before!.weights.keys()].sort());
    expect(merged.get('dense_1.weight')!.data).not.toEqual(before!.weights.get('dense_1.weight'));
    await expect(read('adapter', parent.id)).rejects.toThrow(/no adapters/);
  });

  it('that were handed out alone and come again, on what they were trained on, tell the same; others are refused', async () => {
    const download = `${service.api}/jobs/${job.id}/checkpoints/latest/download?weights=adapter`;
    const file = new Uint8Array(await (await fetch(download)).arrayBuffer());
    const { metadata } = await decodeSafetensors(file);
    expect(metadata).toMatchObject({ base: checkpoint, lora: JSON.stringify(lora) });
    const octets = { 'content-type': 'application/octet-stream' };
    const { id: uploaded } = (await call('POST', `${service.api}/weights`, file, octets)).body;
    const again = (own: object) =>
      tune({ lora: { ...lora, from: uploaded, ...own }, refit_inputs: true }, { training: { max_steps: 0 } });
    const loaded = await train(service, context, again({}));
    expect(loaded).toMatchObject({ status: 'succeeded', error: null });
    const [before, after] = [await weightsOf(job.id), await weightsOf(loaded.id)];
    for (const name of Object.keys(after).filter((tensor) => !tensor.startsWith('optimizer/')))
      expect([name, after[name]]).toEqual([name, before[name]]);

    const refused = async (own: object) => {
      const { status, body } = await call('POST', `${service.api}/jobs`, again(own));
      expect([status, new Set(body.errors.map(({ pointer }: { pointer: string }) => pointer))]).toEqual([
        422,
        new Set(['/model/lora/from']),
      ]);
      return body.errors.map(({ detail }: { detail: string }) => detail).join('; ');
    };
    expect(await refused({ rank: 5 })).toMatch(/dense_1.lora_a is \(2, 4\) and dense_1.lora_a takes \(2, 5\)/);
    expect(await refused({ targets: ['dense_1'] })).toMatch(/dense_2.lora_a, dense_2.lora_b: not trained here/);
    expect(await refused({ from: 'wts_01h455vb4pex5vsknk084sn02q' })).toMatch(/There are no weights/);
    // while a job that has not ended needs it, it stays
    const { body: waiting } = await call('POST', `${service.api}/jobs`, again({}));
    expectProblem(await call('DELETE', `${service.api}/weights/${uploaded}`), 'weights_in_use');
    await call('POST', `${service.api}/jobs/${waiting.id}/cancel`);
    expect((await call('DELETE', `${service.api}/weights/${uploaded}`)).status).toBe(204);
    // and what came of it is judged without it
    const evaluation = { kind: 'evaluate', dataset: others, model: { from: await checkpointOf(loaded.id) } };
    expect((await train(service, context, evaluation)).status).toBe('succeeded');
  });

  it('are part of the weights that another fine-tuning starts from', async () => {
    const from = await checkpointOf(job.id);
    const onward = {
      kind: 'fine_tune',
      dataset: others,
      model: { from },
      training: { ...trained, epochs: 1, optimizer: { type: 'sgd', learning_rate: 1e-9 } },
    };
    const next = await train(service, context, onward);
    expect(next.status).toBe('succeeded');
    expect(Object.keys(await weightsOf(next.id)).some((name) => name.includes('lora'))).toBe(false);
    const [adaptedLoss, mergedLoss] = [job, next].map(({ progress }) => Number(progress!.metrics['validation.loss']));
    expect(Math.abs(adaptedLoss! - mergedLoss!)).toBeLessThan(1e-5);
  });

  it.each([
    ['targets that fit nothing', { lora: { ...lora, targets: ['conv_1'] } }, ['/model/lora/targets/0']],
    ['the head that is made anew', { lora: { ...lora, targets: ['output'] } }, ['/model/lora/targets/0']],
    ['a rank of 0', { lora: { rank: 0 } }, ['/model/lora/rank']],
  ])('%s: a mistake, and named', async (_name, model, pointers) => {
    expect(await mistakesOf(tune(model))).toEqual(pointers);
  });

  it('are for weights that are there', async () => {
    const answer = await call('POST', `${service.api}/jobs`, {
      dataset: others,
      target: 'cloud',
      model: { lora, replace_head: true, refit_inputs: true, layers: LAYERS },
    });
    const problem = expectProblem(answer, 'invalid_spec');
    expect(problem.errors!.map(({ pointer }) => pointer)).toEqual([
      '/model/replace_head',
      '/model/refit_inputs',
      '/model/lora',
    ]);
  });
});

describe('a teacher', () => {
  const follow = (distillation: object, rest: object = {}) => ({
    dataset: arms,
    target: 'arm',
    model: { layers: [{ type: 'dense', units: 12, activation: 'tanh' }] },
    training: { ...quick, distillation: { teacher: checkpoint, ...distillation } },
    checkpoints: { every: 7, min_interval_s: 0 },
    ...rest,
  });

  it('is followed, to the same bits through stops and on two threads', async () => {
    const job = await expectSameBitsResumed(service, context, follow({ temperature: 4, alpha: 0.7 }), [14, 50]);
    expect(job.runtime!.trained_parameters).toBe(12 * 3 + 2 * 13);
    const { rows } = await context.db.pool.query(
      'select distinct preparation from checkpoints where job_id = any($1)',
      [[job.id, parent.id]],
    );
    expect(rows).toHaveLength(1);
    const alone = await train(service, context, { ...follow({}), training: quick });
    expect((await weightsOf(alone.id))['output.weight']).not.toBe((await weightsOf(job.id))['output.weight']);
  });

  it('without any share of the loss changes nothing but the bits', async () => {
    const [job, alone] = [
      await train(service, context, follow({ alpha: 0 })),
      await train(service, context, { ...follow({}), training: quick }),
    ];
    expect(job.metrics['test.loss']).toBeCloseTo(Number(alone.metrics['test.loss']), 4);
  });

  it('keeps its job from being deleted while it teaches one that has not ended', async () => {
    const teaching = await train(service, context, { dataset: arms, target: 'arm', training: { ...quick, epochs: 1 } });
    const teacher = await checkpointOf(teaching.id);
    const { status, body } = await call('POST', `${service.api}/jobs`, follow({ teacher }));
    expect(status).toBe(201);
    expectProblem(await call('DELETE', `${service.api}/jobs/${teaching.id}`), 'job_in_use');
    await call('POST', `${service.api}/jobs/${body.id}/cancel`);
    expect((await call('DELETE', `${service.api}/jobs/${teaching.id}`)).status).toBe(204);
  });

  const WRONG: [string, object, { target?: string; training?: object }, string[]][] = [
    ['that is not there', { teacher: 'ckpt_01h455vb4pex5vsknk084sn02q' }, {}, ['/training/distillation/teacher']],
    ['of other columns', {}, { target: 'x' }, ['/target']],
    ['and a loss of another kind', {}, { training: { loss: 'binary_cross_entropy' } }, ['/training/loss']],
    [
      'and factors of classes',
      {},
      { training: { loss: { type: 'cross_entropy', class_weights: 'balanced' } } },
      ['/training/loss/class_weights'],
    ],
    ['and an optimizer that searches', {}, { training: { optimizer: 'lbfgs' } }, ['/training/distillation']],
    ['at no temperature', { temperature: 0 }, {}, ['/training/distillation/temperature']],
  ];
  it.each(WRONG)('%s is a mistake, and named', async (_name, distillation, { training = {}, ...rest }, pointers) => {
    const body = follow(distillation, rest);
    expect(await mistakesOf({ ...body, training: { ...body.training, ...training } })).toEqual(pointers);
  });
});
