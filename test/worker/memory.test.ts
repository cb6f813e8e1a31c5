import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const run = promisify(execFile);

/** As the image and the one-command service set it: glibc then gives large blocks back when they are freed. Code that a cache gives takes less room. */
const { NODE_COMPILE_CACHE: _, ...inherited } = process.env;
const env = { ...inherited, MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '131072' };

async function measure(script: string, ...args: number[]): Promise<{ said: number; took: number }> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const { stdout } = await run(process.execPath, [path, ...args.map(String)], { env });
  return JSON.parse(stdout);
}

// RSS is read from /proc
const onLinux = it.runIf(process.platform === 'linux');

onLinux.each([1, 2])(
  'a trainer on %i threads takes the memory that it says, to 5 %',
  async (threads) => {
    const { said, took } = await measure('../engine/run-trainer.ts', 3400, threads);
    expect(said).toBeGreaterThan(200 * 2 ** 20);
    expect(said / took).toBeGreaterThan(0.95);
    expect(said / took).toBeLessThan(1.05);
  },
  60_000,
);

// its table is a tenth of that: it must not stay beside the rows that were made from it
onLinux(
  'a job takes beyond an idle worker what it says, to 5 %',
  async () => {
    const { said, took } = await measure('./run-thread.ts', 40_000, 3400, 1);
    expect(said).toBeGreaterThan(250 * 2 ** 20);
    expect(said / took).toBeGreaterThan(0.95);
    expect(said / took).toBeLessThan(1.05);
  },
  60_000,
);
