import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { WorkerContext } from '../../src/worker/run-job.ts';
import { makeIdx } from '../data/sources.ts';
import { runOnnx } from '../export/run-onnx.ts';
import { call } from '../support/client.ts';
import { expectSameBitsResumed, train } from '../support/run-jobs.ts';
import { type Service, startService } from '../support/service.ts';
import { workerOf } from '../support/worker.ts';

/** Images that are changed anew in each epoch, through HTTP and a real training thread. */
let service: Service;
let context: WorkerContext;
let squares: string;
let colours: string;

const SIDE = 8;
/** Squares above or below the middle, on noise, as an IDX pair. */
async function upload(count: number, channels: 1 | 3): Promise<string> {
  const pixels = Uint8Array.from({ length: count * SIDE * SIDE * channels }, (_, i) => {
    const pixel = Math.floor(i / channels);
    const [row, y, x] = [Math.floor(pixel / 64), Math.floor(pixel / SIDE) % SIDE, pixel % SIDE];
    const isInside = Math.abs(y - (row % 2 === 0 ? 2 : 5)) < 2 && Math.abs(x - 3) < 2;
    return isInside ? 200 + (row % 50) - 60 * (i % channels) : (i * 7) % 30;
  });
  const dims = channels === 1 ? [count, SIDE, SIDE] : [count, SIDE, SIDE, channels];
  const labels = Uint8Array.from({ length: count }, (_, row) => row % 2);
  const form = new FormData();
  form.append('images', new Blob([new Uint8Array(makeIdx(dims, pixels))]));
  form.append('labels', new Blob([new Uint8Array(makeIdx([count], labels))]));
  const { status, body } = await call('POST', `${service.api}/datasets`, form);
  expect(status, JSON.stringify(body)).toBe(201);
  return body.id;
}

beforeAll(async () => {
  service = await startService({ predictProcesses: 1 });
  context = workerOf(service);
  squares = await upload(120, 1);
  colours = await upload(60, 3);
});
afterAll(() => service.close());
vi.setConfig({ testTimeout: 120_000 });

const augment = { flip: 'horizontal', shift: 1, crop: 0.1, rotate: 10, brightness: 0.1, cutout: 2, mixup: 0.2 };
const training = { epochs: 8, batch_size: 16, early_stopping: null, optimizer: { type: 'adam', learning_rate: 0.01 } };
const layers = [{ type: 'conv2d', filters: 4, activation: 'relu' }, { type: 'flatten' }];

describe('augmented images', () => {
  it('come to the same bits on two threads, and when training stops in the middle of an epoch and goes on', async () => {
    const spec = {
      ...{ dataset: squares, target: 'label', model: { layers }, training },
      inputs: [{ column: 'pixels', augment }],
      checkpoints: { every: 1, min_interval_s: 0 },
    };
    // 96 rows are 6 updates
    const job = await expectSameBitsResumed(service, context, spec, [8]);
    expect(job.metrics['test.accuracy']).toBe(1);
    // what is judged and what is predicted is as it was
    const { body } = await call('GET', `${service.api}/jobs/${job.id}/evaluation`);
    expect(body.splits.train.targets[0].metrics.accuracy.value).toBe(1);
    const square = Array.from({ length: 64 }, (_, i) => (i >= 8 && i < 32 && i % 8 > 1 && i % 8 < 5 ? 220 : 10));
    const rows = [{ pixels: square }, { pixels: square }];
    const answer = await call('POST', `${service.api}/jobs/${job.id}/predict`, { rows });
    expect(answer.body.predictions[0]).toEqual(answer.body.predictions[1]);
    expect(answer.body.predictions[0].label).toBe('0');
  });

  it('are mixed with what is told of them; channels have means of their own, in ONNX too', async () => {
    const job = await train(service, context, {
      ...{ dataset: colours, target: 'label', model: { layers } },
      training: { ...training, loss: 'binary_cross_entropy' },
      inputs: [{ column: 'pixels', per_channel: true, augment: { saturation: 0.3, mixup: 1 } }],
    });
    expect(job).toMatchObject({ status: 'succeeded', error: null });
    expect(job.spec.inputs[0]).toMatchObject({
      normalize: 'standard',
      per_channel: true,
      augment: { mixup: 1, flip: 'none' },
    });
    const pixels = Array.from({ length: 192 }, (_, i) => (i * 31) % 256);
    const answer = await call('POST', `${service.api}/jobs/${job.id}/predict`, { rows: [{ pixels }] });
    const response = await fetch(`${service.api}/jobs/${job.id}/checkpoints/best/download?format=onnx`);
    expect(response.status).toBe(200);
    const feed = { pixels: { type: 'uint8' as const, dims: [1, 8, 8, 3], data: Uint8Array.from(pixels) } };
    const [outputs] = await runOnnx(new Uint8Array(await response.arrayBuffer()), [feed]);
    const told = outputs!['label.probabilities']!.data as Float32Array;
    const { probabilities } = answer.body.predictions[0];
    expect(Math.abs(told[0]! - probabilities['0'])).toBeLessThan(1e-4);
  });
});
