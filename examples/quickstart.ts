import { createWriteStream, readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import asciichart from 'asciichart';
import { SingleBar } from 'cli-progress';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { readConfig } from '../src/config.ts';
import { type Stack, startStack } from '../src/main/all.ts';
import { createLogger } from '../src/observability/logger.ts';
import type { Job, Progress } from '../src/spec/job.ts';
import { showAnomalies, uploadOrdinaryDigits } from './anomalies.ts';
import { showStrikes, uploadStrikes } from './birdstrikes.ts';
import { say, send } from './client.ts';
import { showFolds } from './cross-validate.ts';
import { showDigits, uploadDigits } from './digits.ts';
import { showFineTuning } from './fine-tune.ts';
import { showMails, uploadMails } from './mails.ts';
import { showPenguins, uploadPenguins } from './penguins.ts';
import { showRatings, uploadRatings } from './ratings.ts';
import { showShakespeare, uploadShakespeare } from './shakespeare.ts';
import { showWeather, uploadWeather } from './weather.ts';

/**
 * From nothing to a trained network: starts the whole stack in a temporary folder, and then talks to it over HTTP alone, as any other service
 * would. `npm run example -- shakespeare-gpt` runs examples/shakespeare-gpt.json; `fine-tune` and `cross-validate` are several jobs; `--spec` takes any such file; `--keep`
 * leaves the stack running.
 */
/** What a spec's `metadata.data` names: how it is uploaded, and what is shown in the end. */
const DATA: Record<string, { upload(api: string): Promise<string>; show(api: string, job: Job): Promise<void> }> = {
  mnist: { upload: uploadDigits, show: showDigits },
  'shakespeare.txt': { upload: uploadShakespeare, show: showShakespeare },
  'seattle-weather.csv': { upload: uploadWeather, show: showWeather },
  'birdstrikes.csv': { upload: uploadStrikes, show: showStrikes },
  ratings: { upload: uploadRatings, show: showRatings },
  'digits-but-0': { upload: uploadOrdinaryDigits, show: showAnomalies },
  'spam-assassin': { upload: uploadMails, show: showMails },
  'penguins.csv': { upload: uploadPenguins, show: showPenguins },
};

/** Examples of several jobs. */
const SEVERAL: Record<string, (api: string) => Promise<void>> = {
  'fine-tune': showFineTuning,
  'cross-validate': showFolds,
};

/** What was asked for cannot be done. */
class UsageError extends Error {}

interface Asked {
  keep: boolean;
  /** what is done over HTTP */
  run(api: string): Promise<void>;
}

/** Throws UsageError, with the examples that there are. */
function readArguments(): Asked {
  const { values, positionals } = readOptions();
  const [name = 'mnist-mlp', ...more] = positionals;
  const specs = readdirSync(import.meta.dirname).filter((file) => file.endsWith('.json'));
  const names = [...specs.map((file) => basename(file, '.json')), ...Object.keys(SEVERAL)].sort();
  if (more.length > 0) throw new UsageError('one example at a time');
  const several = values.spec === undefined ? SEVERAL[name] : undefined;
  if (several !== undefined) return { keep: values.keep, run: several };
  if (values.spec === undefined && !names.includes(name))
    throw new UsageError(`there is no example "${name}"; there are ${names.join(', ')}`);
  const file = values.spec ?? join(import.meta.dirname, `${name}.json`);
  const spec = readSpec(file);
  return { keep: values.keep, run: (api) => run(api, basename(file, '.json'), spec) };
}

function readOptions() {
  const options = { keep: { type: 'boolean', default: false }, spec: { type: 'string' } } as const;
  try {
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    const [what] = (error as Error).message.split('. ');
    throw new UsageError(`${what}: npm run example -- [name] [--spec file] [--keep]`);
  }
}

interface Spec {
  metadata?: { data?: string };
}

function readSpec(file: string): Spec {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Spec;
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${(error as Error).message}`);
  }
}

async function main(): Promise<void> {
  const asked = readArguments();
  const folder = await mkdtemp(join(tmpdir(), 'trainyard-quickstart-'));
  // PostgreSQL may have to run as another user, who must be able to enter
  await chmod(folder, 0o755);
  say('Starting PostgreSQL, the API and a worker …');
  process.env.LOG_LEVEL ??= 'error';
  const config = readConfig({ ...process.env, DATA_DIR: folder, PORT: '0' });
  let stack: Stack | undefined;
  const stop = async () => {
    await stack?.close();
    await rm(folder, { recursive: true, force: true });
  };
  // npm hands on what the terminal sends to both: the same signal comes twice
  let isLeaving = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      if (isLeaving) return;
      isLeaving = true;
      void stop().finally(() => process.exit(128 + constants.signals[signal]));
    });
  try {
    stack = await startStack(config, createLogger(config.logLevel, 'all'));
    await asked.run(`${stack.url}/v1`);
  } catch (error) {
    await stop();
    throw error;
  }
  if (asked.keep) {
    say(
      `\nStill running: ${stack.url}/v1, its jobs at ${stack.url}/jobs, documentation at ${stack.url}/docs. Ctrl-C stops it and removes ${folder}.`,
    );
    return;
  }
  await stop();
}

async function run(api: string, name: string, spec: Spec): Promise<void> {
  const wanted = spec.metadata?.data ?? '';
  const data = DATA[wanted];
  if (data === undefined) throw new Error(`metadata.data is one of ${Object.keys(DATA).join(', ')}, not "${wanted}"`);
  const dataset = await data.upload(api);
  const job = await send<Job>('POST', `${api}/jobs`, { ...spec, dataset });
  say(`Training ${job.id}, whose curve grows at ${new URL(`/jobs/${job.id}`, api)}:`);
  await watch(api, job.id);
  const ended = await send<Job>('GET', `${api}/jobs/${job.id}`);
  if (ended.status !== 'succeeded')
    throw new Error(`the job ended ${ended.status}: ${ended.error?.message ?? ended.stop_reason}`);

  await sketch(api, job.id);
  if (ended.stop_reason === 'early_stopped')
    say('Training ended early: the validation split no longer got better, and the best weights are kept.');
  say(`Trained on ${ended.runtime?.threads} thread(s) with ${ended.runtime?.kernels} kernels.`);

  const file = resolve('.trainyard', `${name}.safetensors`);
  await mkdir(dirname(file), { recursive: true });
  const download = await fetch(`${api}/jobs/${job.id}/checkpoints/best/download?format=safetensors`);
  if (!download.ok || download.body === null) throw new Error(`download: ${download.status}`);
  await pipeline(Readable.fromWeb(download.body as Parameters<typeof Readable.fromWeb>[0]), createWriteStream(file));
  say(`The best weights are in ${file}.\n`);
  await data.show(api, ended);
}

/** Draws a progress bar from the job's event stream until the job has ended. */
async function watch(api: string, jobId: string): Promise<void> {
  const bar = new SingleBar({
    format:
      '  {bar} {percentage}% | {stage} | loss {loss} | validation {validation} | {rate} samples/s | {eta_s} s left',
    barsize: 24,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    noTTYOutput: true,
    notTTYSchedule: 2000,
    stopOnComplete: false,
  });
  const show = ({
    percentage,
    epoch,
    epochs,
    evaluation_percentage: judged,
    metrics,
    samples_per_s,
    eta_s,
  }: Progress) => {
    const number = (name: string, digits: number) => (name in metrics ? Number(metrics[name]).toFixed(digits) : '–');
    const figure = ['accuracy', 'loss'].find((name) => `validation.${name}` in metrics);
    bar.update(percentage, {
      stage: judged === undefined ? `epoch ${epoch}/${epochs}` : `judged ${Math.floor(judged)}%`,
      loss: number('train.loss', 4),
      validation: figure === undefined ? '–' : `${figure} ${number(`validation.${figure}`, 4)}`,
      rate: samples_per_s === null ? '–' : samples_per_s.toLocaleString('en-US'),
      eta_s: eta_s === null ? '–' : Math.ceil(eta_s),
    });
  };
  bar.start(100, 0, { stage: 'waiting for a worker', loss: '–', validation: '–', rate: '–', eta_s: '–' });
  const stream = await fetch(`${api}/jobs/${jobId}/events`, { headers: { accept: 'text/event-stream' } });
  if (!stream.ok || stream.body === null) throw new Error(`events: ${stream.status}`);
  const events = stream.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
  for await (const { event, data } of events) {
    if (event === 'job.started') bar.update({ stage: 'loading' });
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

try {
  await main();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
