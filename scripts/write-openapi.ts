import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { buildApp } from '../src/api/app.ts';
import type { ApiDeps } from '../src/api/deps.ts';
import { createApiMetrics } from '../src/observability/api-metrics.ts';

/**
 * `npm run openapi` writes openapi/openapi.json from the routes' schemas; with `--check` it only compares, and fails on a difference.
 */
const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
const file = new URL('../openapi/openapi.json', import.meta.url);

/** The document follows from the schemas alone: nothing is connected, and nothing is called. */
const secret = {
  orm: {
    insert: () => ({ values: () => ({ onConflictDoNothing: async () => {} }) }),
    select: () => ({ from: () => ({ where: async () => [{ value: Buffer.alloc(32) }] }) }),
  },
};
const deps = {
  db: secret,
  logger: pino({ level: 'silent' }),
  metrics: createApiMetrics(),
  config: { maxUploadBytes: 1, trustProxy: [] },
  version: '1',
} as unknown as ApiDeps;

const app = await buildApp(deps);
await app.ready();
const text = `${JSON.stringify(app.swagger(), null, 2)}\n`;
await app.close();

if (values.check) {
  const committed = await readFile(file, 'utf8').catch(() => '');
  if (committed !== text) {
    console.error('openapi/openapi.json is not what the schemas say: run `npm run openapi` and commit it');
    process.exitCode = 1;
  } else console.log('openapi/openapi.json is up to date');
} else {
  await mkdir(new URL('.', file), { recursive: true });
  await writeFile(file, text);
  console.log(`openapi/openapi.json: ${Object.keys(app.swagger().paths ?? {}).length} paths`);
}
