import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../src/config.ts';
import { startStack } from '../src/main/all.ts';
import { createLogger } from '../src/observability/logger.ts';
import { tidyUp } from '../test/support/tidy-up.ts';

/** The whole service in a temporary folder. */
export interface BenchStack extends AsyncDisposable {
  api: string;
}

export async function openStack(): Promise<BenchStack> {
  const opened = new AsyncDisposableStack();
  const close = tidyUp(() => opened.disposeAsync());
  try {
    const folder = await mkdtemp(join(tmpdir(), 'trainyard-bench-'));
    opened.defer(() => rm(folder, { recursive: true, force: true }));
    // PostgreSQL may have to run as another user, who must be able to enter
    await chmod(folder, 0o755);
    // of its workers too
    process.env.LOG_LEVEL ??= 'error';
    const config = readConfig({ ...process.env, DATA_DIR: folder, PORT: '0' });
    const stack = opened.adopt(await startStack(config, createLogger(config.logLevel, 'all')), (one) => one.close());
    return { api: `${stack.url}/v1`, [Symbol.asyncDispose]: async () => void (await close()) };
  } catch (error) {
    await close();
    throw error;
  }
}
