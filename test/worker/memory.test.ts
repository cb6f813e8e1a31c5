import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import type { Trainer } from '../../src/engine/trainer.ts';
import type { LoadedRows } from '../../src/worker/loaded-rows.ts';
import { memoryOfJob } from '../../src/worker/memory-of-job.ts';

const run = promisify(execFile);

/** As the image and the one-command service set it: glibc then gives large blocks back when they are freed. Code that a cache gives takes less room. */
const { NODE_COMPILE_CACHE: _, ...inherited } = process.env;
const env = { ...inherited, MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '131072' };

async function measure(script: string, ...args: number[]): Promise<{ said: number; took: number }> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const { stdout } = await run(
    process.execPath,
    ['--expose-gc', '--max-semi-space-size=4', path, ...args.map(String)],
    { env },
  );
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
  120_000,
);

it('counts what was read where that is more than what comes after it', () => {
  const mib = 2 ** 20;
  const trainer = { threads: 1, memoryBytes: 100 * mib, rowBytes: 90 * mib, parameterCount: mib, slots: [] };
  const say = (readMib: number) =>
    memoryOfJob(trainer as unknown as Trainer, { readBytes: readMib * mib } as LoadedRows) / mib;
  // the plan, the best weights, and as much for writing them; the rest is threads
  expect(say(10)).toBeGreaterThan(100 + 4 + 4 + 30);
  expect(say(10)).toBe(say(50));
  expect(say(720)).toBe(720 + 90);
});
