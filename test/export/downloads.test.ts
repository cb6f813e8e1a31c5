import { strFromU8, unzipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { decodeSafetensors } from '../../src/checkpoints/safetensors.ts';
import { findExport, storeExport } from '../../src/export/exported-files.ts';
import type { Preparation } from '../../src/spec/preparation.ts';
import { call } from '../support/client.ts';
import { expectProblem } from '../support/problem.ts';
import { type Service, startService } from '../support/service.ts';
import { addTrained } from '../support/trained.ts';

/** Exports as files over HTTP; what is in them is other tests' matter. */
const PREPARATION: Preparation = {
  inputs: [{ column: 'x', type: 'number', scale: 0.5, shift: -1, missing: 0 }],
  target: { type: 'number', columns: [{ column: 'y', scale: 2, shift: 1 }] },
  inputWidth: 1,
  outputWidth: 1,
};
const WEIGHTS = [
  { name: 'output.weight', shape: [1, 1], data: Float32Array.of(3) },
  { name: 'output.bias', shape: [1], data: Float32Array.of(0.25) },
];
let service: Service;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.close());

/** A job of one dense layer with a checkpoint; its download's address. */
async function addNetwork(preparation: Preparation = PREPARATION): Promise<string> {
  const { jobId } = await addTrained(service, { preparation, layers: [], weights: WEIGHTS, learningRate: 0.0031 });
  return `${service.api}/jobs/${jobId}/checkpoints/best/download`;
}

// each is made in a process of its own: on a busy machine it takes its time
vi.setConfig({ testTimeout: 90_000 });

describe('an export', () => {
  it('has ETag, length, name and ranges; is the same when it is made again', async () => {
    const url = `${await addNetwork()}?format=onnx`;
    const response = await fetch(url);
    const bytes = Buffer.from(await response.arrayBuffer());
    const etag = response.headers.get('etag')!;
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-length': String(bytes.length),
      'content-disposition': expect.stringMatching(/^attachment; filename="ckpt_\w+\.onnx"$/),
      'repr-digest': expect.stringMatching(/^sha-256=:/),
    });
    const part = await fetch(url, { headers: { range: 'bytes=5-9', 'if-range': etag } });
    expect([part.status, Buffer.from(await part.arrayBuffer())]).toEqual([206, bytes.subarray(5, 10)]);
    expect((await fetch(url, { headers: { 'if-none-match': etag } })).status).toBe(304);

    const keys = await Array.fromAsync(service.deps.storage.list('exports/'));
    expect(keys).toHaveLength(1);
    await service.deps.storage.remove(keys[0]!);
    const again = await fetch(url, { method: 'HEAD' });
    expect([again.headers.get('etag'), again.headers.get('content-length')]).toEqual([etag, String(bytes.length)]);
  });

  it('as safetensors for PyTorch, and as npz', async () => {
    const url = await addNetwork();
    const load = async (query: string) => new Uint8Array(await (await fetch(`${url}?${query}`)).arrayBuffer());
    const { tensors } = decodeSafetensors(await load('layout=torch'));
    expect([...tensors].map(([name, { shape, data }]) => [name, shape, [...data]])).toEqual([
      ['output.bias', [1], [0.25]],
      ['output.weight', [1, 1], [3]],
    ]);
    const code = await fetch(`${url}?format=pytorch`);
    const name = /filename="(.*)\.py"/.exec(code.headers.get('content-disposition')!)![1];
    expect(await code.text()).toContain(`load_file('${name}.torch.safetensors')`);
    const arrays = unzipSync(await load('format=npz'));
    expect(Object.keys(arrays).sort()).toEqual(['output.bias.npy', 'output.weight.npy']);
  });

  it('as a bundle of everything, the same bytes each time, also of a model’s version', async () => {
    const url = await addNetwork();
    const load = async (from: string) => {
      const response = await fetch(`${from}?format=bundle`);
      expect(response.status).toBe(200);
      return { bytes: new Uint8Array(await response.arrayBuffer()), name: response.headers.get('content-disposition') };
    };
    const { bytes } = await load(url);
    const files = unzipSync(bytes);
    expect(Object.keys(files)).toEqual([
      'README.md',
      'metrics.json',
      'model.bare.onnx',
      'model.onnx',
      'preparation.json',
      'pytorch.py',
      'pytorch.safetensors',
      'spec.json',
      'weights.safetensors',
    ]);
    expect(JSON.parse(strFromU8(files['preparation.json']!))).toEqual(PREPARATION);
    expect(JSON.parse(strFromU8(files['metrics.json']!)).metrics).toEqual({ 'validation.loss': 0.5 });
    const card = strFromU8(files['README.md']!);
    for (const part of [
      ...['Predicts y.', '| x | number |', '| output | dense | 1 | 2 |', '| validation.loss | 0.5 |'],
      'learning rate 0.0031, found by a range test',
    ])
      expect(card).toContain(part);
    for await (const key of service.deps.storage.list('exports/')) await service.deps.storage.remove(key);
    expect(Buffer.compare((await load(url)).bytes, bytes)).toBe(0);

    await call('POST', `${service.api}/models`, { name: 'lines' });
    const { body } = await call('GET', url.slice(0, -'/download'.length));
    expect((await call('POST', `${service.api}/models/lines/versions`, { checkpoint: body.id })).status).toBe(201);
    const version = await load(`${service.api}/models/lines/versions/latest/download`);
    expect(version.name).toBe('attachment; filename="lines-1.zip"');
    expect(Object.keys(unzipSync(version.bytes))).toEqual(Object.keys(files));
  });

  it('that a format cannot say is refused, with what would do', async () => {
    const inputs = [{ column: 'x', type: 'horoscope' }] as unknown as Preparation['inputs'];
    const url = await addNetwork({ ...PREPARATION, inputs });
    const problem = expectProblem(await call('GET', `${url}?format=onnx`), 'not_exportable');
    expect(problem.detail).toMatch(/"x".*preparation=false/);
  });

  it('of a damaged checkpoint says so', async () => {
    const url = await addNetwork();
    await service.database.db.pool.query("update checkpoints set sha256 = 'ab'");
    expectProblem(await call('GET', `${url}?format=onnx`), 'checkpoint_damaged');
  });
});

it('files that were made are found today and tomorrow', async () => {
  const { storage } = service.deps;
  const made = await storeExport(storage, 'ckpt_a/onnx', Buffer.from('abc'), Date.UTC(2026, 0, 1));
  expect(made).toMatchObject({
    sizeBytes: 3,
    sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  });
  expect(await findExport(storage, 'ckpt_a/onnx', Date.UTC(2026, 0, 2, 23))).toEqual(made);
  expect(await findExport(storage, 'ckpt_a/onnx', Date.UTC(2026, 0, 3))).toBeNull();
  expect(await findExport(storage, 'ckpt_a/onn', Date.UTC(2026, 0, 1))).toBeNull();
});
