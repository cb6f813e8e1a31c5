import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../../src/db/embedded/start.ts';
import { migrateDatabase } from '../../src/db/migrate.ts';
import { readOptions } from '../support/read-options.ts';
import { tidyUp } from '../support/tidy-up.ts';
import { FORMATS } from './formats.ts';
import { layGround } from './ground.ts';
import { playTarget } from './play-target.ts';
import { READERS } from './readers.ts';
import { createRequestTargets, describePlayed, SPEC_TARGETS } from './requests.ts';
import type { AnyTarget } from './target.ts';

/**
 * `npm run fuzz -- --inputs N [--seed S] [--target csv,headers]`: N inputs for each target (fewer where one takes long). What breaks a rule is printed
 * with its seed and as the smallest input that was found; `--path` leads to it again.
 */
const values = readOptions('npm run fuzz -- [--inputs 10000] [--seed S] [--target csv,headers] [--path P]', {
  inputs: { type: 'string', default: '10000' },
  seed: { type: 'string' },
  target: { type: 'string' },
  path: { type: 'string' },
});
const log = (line: string) => void process.stdout.write(`${line}\n`);
const inputs = Number(values.inputs);
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
const REQUESTS = ['jobs', 'rows', 'uploads', 'cursors', 'addresses', 'headers'];
const all = [...[...READERS, ...FORMATS, ...SPEC_TARGETS].map(({ name }) => name), ...REQUESTS];
const wanted = values.target?.split(',') ?? all;
const unknown = wanted.find((name) => !all.includes(name));
if (!Number.isSafeInteger(inputs) || inputs < 1 || !Number.isSafeInteger(seed) || unknown !== undefined) {
  process.stderr.write(`--inputs and --seed are whole numbers; --target is of ${all.join(', ')}\n`);
  process.exit(2);
}

const PROGRESS_MS = 10_000;
let current: { target: AnyTarget; input: unknown; count: number } | null = null;
// what is thrown past every promise ends a service: the input that did it is told
process.on('uncaughtException', (error) => {
  log(
    `CRASH  ${error.stack}\n${current === null ? '' : `${current.target.name}, seed ${seed}, input ${current.count}: ${current.target.show(current.input)}`}`,
  );
  process.exit(1);
});

async function play(target: AnyTarget): Promise<boolean> {
  const timer = setInterval(
    () => log(`${target.name.padEnd(12)} ${String(current?.count ?? 0).padStart(8)} …`),
    PROGRESS_MS,
  );
  current = { target, input: null, count: 0 };
  const onInput = (input: unknown) => {
    current = { target, input, count: current!.count + 1 };
  };
  const played = await playTarget(target, {
    inputs,
    seed,
    onInput,
    ...(values.path !== undefined && { path: values.path }),
  });
  clearInterval(timer);
  log(describePlayed(played));
  const { failure } = played;
  if (failure === null) return true;
  log(`FAILED ${target.name}: --target ${target.name} --seed ${failure.seed} --path ${failure.path}`);
  log(`smallest input, after ${failure.shrunkTimes} steps: ${failure.input}\n${failure.error}`);
  return false;
}

async function playRequests(names: string[]): Promise<boolean> {
  const made = new AsyncDisposableStack();
  const close = tidyUp(() => made.disposeAsync());
  try {
    const folder = await mkdtemp(join(tmpdir(), 'trainyard-fuzz-'));
    made.defer(() => rm(folder, { recursive: true, force: true }));
    const postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'postgres') });
    made.defer(() => postgres.stop());
    await migrateDatabase(postgres.url);
    const ground = await layGround(postgres.url);
    let holds = true;
    for (const target of createRequestTargets(ground).filter(({ name }) => names.includes(name)))
      holds = (await play(target)) && holds;
    await ground.service.close();
    return holds;
  } finally {
    await close();
  }
}

log(`seed ${seed}`);
let holds = true;
for (const target of [...READERS, ...FORMATS, ...SPEC_TARGETS])
  if (wanted.includes(target.name)) holds = (await play(target)) && holds;
const requests = wanted.filter((name) => REQUESTS.includes(name));
if (requests.length > 0) holds = (await playRequests(requests)) && holds;
log(holds ? 'every rule held' : 'something is broken');
process.exit(holds ? 0 : 1);
