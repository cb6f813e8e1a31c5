import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { decodeSafetensors } from '../../src/checkpoints/safetensors.ts';
import type { Tensor } from '../../src/checkpoints/tensor.ts';
import type { Job } from '../../src/spec/job.ts';
import { call, uploadCsv } from '../support/client.ts';
import { expectProblem } from '../support/problem.ts';
import { train } from '../support/run-jobs.ts';
import { rawSafetensors, safetensorsOf } from '../support/safetensors.ts';
import { type Service, startService } from '../support/service.ts';
import { spirals } from '../support/spirals.ts';
import { workerOf } from '../support/worker.ts';

// several jobs each, on a machine that may have much else to do
vi.setConfig({ testTimeout: 120_000 });

let service: Service;
let dataset: string;
beforeAll(async () => {
  service = await startService();
  dataset = await uploadCsv(service.api, 'spirals', spirals(300));
});
afterAll(() => service.close());

const TYPE = { 'content-type': 'application/octet-stream' };
const upload = (bytes: Uint8Array, headers = {}) =>
  call('POST', `${service.api}/weights?name=mine`, bytes, { ...TYPE, ...headers });
const f32 = (name: string, shape: number[], values?: number[]): Tensor => {
  const size = shape.reduce((product, n) => product * n, 1);
  return { name, dtype: 'F32', shape, data: Float32Array.from({ length: size }, (_, i) => values?.[i] ?? i / size) };
};

describe('weights that are uploaded', () => {
  it('are looked at, listed and deleted; a repeated request gets the same', async () => {
    const bytes = await safetensorsOf([
      f32('w', [2, 3]),
      { ...f32('n', [1]), dtype: 'I64', data: BigInt64Array.of(7n) },
    ]);
    const key = { 'idempotency-key': 'weights-1' };
    const made = await upload(bytes, key);
    expect(made).toMatchObject({ status: 201, body: { name: 'mine', size_bytes: bytes.length } });
    expect(made.body.tensors).toEqual([
      { name: 'n', dtype: 'I64', shape: [1] },
      { name: 'w', dtype: 'F32', shape: [2, 3] },
    ]);
    expect((await upload(bytes, key)).body).toEqual(made.body);
    const at = `${service.api}/weights/${made.body.id}`;
    expect((await call('GET', at)).body).toEqual(made.body);
    expect((await call('GET', `${service.api}/weights`)).body.data).toEqual([made.body]);
    expect((await call('DELETE', at)).status).toBe(204);
    expectProblem(await call('GET', at), 'weights_not_found');
    expect(await Array.fromAsync(service.deps.storage.list('weights/'))).toEqual([]);
  });

  const entry = (dtype: string, shape: number[], from: number, to: number) => ({
    dtype,
    shape,
    data_offsets: [from, to],
  });
  const file = (header: object, data = new Uint8Array(8)) => rawSafetensors(JSON.stringify(header), data);
  it.each<[string, Uint8Array, RegExp]>([
    ['too short for a header', new Uint8Array(5), /has 5 bytes/],
    ['a header of more than 1 MB', rawSafetensors(`{${' '.repeat(2 ** 20)}}`), /at most 1048576/],
    ['a header that does not end', rawSafetensors('{"w":').subarray(0, 11), /ends at byte 11/],
    ['no JSON', rawSafetensors('{"w":}'), /not JSON/],
    [
      'a name twice',
      rawSafetensors(
        '{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
        new Uint8Array(8),
      ),
      /given twice/,
    ],
    ['an overlap', file({ a: entry('F32', [1], 0, 4), b: entry('F32', [1], 2, 6) }), /inside the tensor before/],
    ['a hole', file({ a: entry('F32', [1], 4, 8) }), /belong to no tensor/],
    ['bytes at the end', file({ a: entry('F32', [1], 0, 4) }), /at the end belong to no tensor/],
    ['a tensor beyond the end', file({ a: entry('F32', [3], 0, 12) }), /file's data at 8/],
    ['a type that is not known', file({ a: entry('F7', [2], 0, 8) }), /"F7" is not one of/],
    ['a negative size', file({ a: entry('F32', [-2], 0, 8) }), /whole numbers/],
    ['a size beyond counting', file({ a: entry('F32', [2 ** 40, 2 ** 40], 0, 8) }), /more elements/],
    ['no tensors', file({}, new Uint8Array(0)), /no tensors/],
    [
      'a NaN',
      file({ a: entry('F32', [2], 0, 8) }, new Uint8Array(Float32Array.of(1, Number.NaN).buffer)),
      /not finite/,
    ],
    [
      'an infinity in 16 bits',
      file({ a: entry('BF16', [4], 0, 8) }, new Uint8Array(Uint16Array.of(0, 0, 0, 0x7f80).buffer)),
      /not finite/,
    ],
    [
      '64 bits beyond 32',
      file({ a: entry('F64', [1], 0, 8) }, new Uint8Array(Float64Array.of(1e300).buffer)),
      /too large for 32 bits/,
    ],
  ])('%s is refused, and nothing is kept', async (_name, bytes, detail) => {
    const answer = await upload(bytes);
    expect(expectProblem(answer, 'invalid_safetensors').detail).toMatch(detail);
    expect(await Array.fromAsync(service.deps.storage.list('weights/'))).toEqual([]);
  });
});

describe('a job that begins from them', () => {
  const layers = [{ type: 'dense', units: 3, activation: 'tanh' }];
  const body = (from: string, mapping?: object, model: object = {}) => ({
    kind: 'fine_tune',
    dataset,
    target: 'arm',
    model: { from, layers, ...(mapping !== undefined && { mapping }), ...model },
    training: { epochs: 1, optimizer: { type: 'sgd', learning_rate: 1e-9 } },
  });
  const post = async (from: string, mapping?: object) => await call('POST', `${service.api}/jobs`, body(from, mapping));

  it('says what matches: by name, renamed, or in order; what does not; and shapes', async () => {
    const { id } = (
      await upload(await safetensorsOf([f32('net.0.weight', [2, 3]), f32('net.0.bias', [4]), f32('extra', [9])]))
    ).body;
    const none = await post(id);
    const mistake = expectProblem(none, 'shape_mismatch').errors[0]!;
    expect(mistake).toMatchObject({ pointer: '/model/mapping' });
    expect(mistake.detail).toMatch(/none of the tensors fits/);
    const rename = [{ from: 'net.0.*', to: 'dense_1.*' }];
    const renamed = await post(id, { rename });
    expect(renamed.body.transfer).toEqual({
      matched: [{ parameter: 'dense_1.weight', tensors: ['net.0.weight'], shape: [2, 3] }],
      misfits: [{ parameter: 'dense_1.bias', tensor: 'net.0.bias', expected: [3], shape: [4] }],
      missing: ['output.weight', 'output.bias'],
      unused: ['extra'],
    });
    expect((await post(id, { by: 'order' })).body.transfer.matched).toMatchObject([{ parameter: 'dense_1.weight' }]);
    const strict = expectProblem(await post(id, { rename, strict: true }), 'shape_mismatch').errors[0]!;
    expect(strict).toMatchObject({ pointer: '/model/mapping/strict' });
    expect(strict.detail).toMatch(
      /net.0.bias is \(4\) and dense_1.bias takes \(3\).*no tensor for output.weight.*no parameter for extra/,
    );
    const stars = [{ from: 'net.*', to: '*.*' }];
    expect((await post(id, { rename: stars })).body.errors[0].pointer).toBe('/model/mapping/rename/0/to');
    const noTarget = await call('POST', `${service.api}/jobs`, { kind: 'fine_tune', dataset, model: { from: id } });
    expect(noTarget.body.errors[0].pointer).toBe('/target');
    // jobs wait for it
    expectProblem(await call('DELETE', `${service.api}/weights/${id}`), 'weights_in_use');
  });

  it('a mapping is for uploaded weights, and they must be there', async () => {
    const missing = expectProblem(await post('wts_01h455vb4pex5vsknk084sn02q'), 'invalid_spec');
    expect(missing.errors[0]).toMatchObject({ pointer: '/model/from' });
    const plain = { dataset, target: 'arm', model: { mapping: {} } };
    expect((await call('POST', `${service.api}/jobs`, plain)).body.errors[0].pointer).toBe('/model/mapping');
  });

  it('tells what the network told that they are of, from PyTorch’s layout, half precision and all', async () => {
    const context = workerOf(service);
    const parent = await train(service, context, {
      dataset,
      target: 'arm',
      model: { layers },
      training: { epochs: 40, early_stopping: null },
    });
    const answer = await fetch(`${service.api}/jobs/${parent.id}/checkpoints/latest/download`);
    const { tensors } = decodeSafetensors(new Uint8Array(await answer.arrayBuffer()), { largestHeaderBytes: 1e7 });
    const weights = [...tensors.values()].filter(({ name }) => !name.startsWith('optimizer/'));
    const transposed = weights.map(({ name, shape, data }): Tensor => {
      const [rows, columns = 1] = shape as [number, number?];
      const values =
        shape.length === 1
          ? data
          : Float32Array.from(data as Float32Array, (_, i) =>
              Number(data[(i % rows) * columns + Math.floor(i / rows)]),
            );
      const half = name === 'output.bias';
      return {
        name: `module.${name}`,
        dtype: half ? 'F16' : 'F32',
        shape: shape.toReversed(),
        data: half ? new Uint16Array(Float16Array.from(values as Float32Array).buffer) : (values as Float32Array),
      };
    });
    const { id } = (await upload(await safetensorsOf(transposed))).body;
    const mapping = { layout: 'torch', rename: [{ from: 'module.*', to: '*' }], strict: true };
    const job: Job = await train(service, context, body(id, mapping));
    expect(job).toMatchObject({ status: 'succeeded', error: null, transfer: { misfits: [], missing: [], unused: [] } });
    const loss = (one: Job) => Number(one.progress!.metrics['validation.loss']);
    expect(Math.abs(loss(job) - loss(parent))).toBeLessThan(1e-3);
    const { data: events } = (await call('GET', `${service.api}/jobs/${job.id}/events`)).body;
    expect(events).toContainEqual(
      expect.objectContaining({ data: expect.objectContaining({ matched: 4, unused: 0 }) }),
    );

    // without an update they stay as they are, and become a version of a model
    const kept: Job = await train(service, context, { ...body(id, mapping), training: { max_steps: 0 } });
    expect(kept).toMatchObject({ status: 'succeeded', progress: { percentage: 100, step: 0 } });
    expect(kept.metrics['test.accuracy']).toBeCloseTo(Number(parent.metrics['test.accuracy']), 2);
    const checkpoint = (await call('GET', `${service.api}/jobs/${kept.id}/checkpoints/latest`)).body.id;
    await call('POST', `${service.api}/models`, { name: 'brought' });
    const version = await call('POST', `${service.api}/models/brought/versions`, { checkpoint });
    expect(version).toMatchObject({ status: 201, body: { version: 1 } });
    await context.trainers.close();
  });

  it('without an update is no way to begin from nothing', async () => {
    const answer = await call('POST', `${service.api}/jobs`, { dataset, target: 'arm', training: { max_steps: 0 } });
    expect(expectProblem(answer, 'invalid_spec').errors[0]).toMatchObject({ pointer: '/training/max_steps' });
  });
});
