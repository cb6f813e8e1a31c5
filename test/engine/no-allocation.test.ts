import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

/**
 * A step allocates nothing, on no thread. V8 counts what is allocated by the pages it is allocated from: a page of 256 KiB that is begun counts
 * in full, and code that is optimized late takes some. So two pages are noise, and what a step allocates, it allocates every time, so the
 * least of a few goes counts: two boxed numbers a step would be seen in 10,000 steps, and any object.
 */
const NOISE_BYTES = 2 * 256 * 1024;
const script = fileURLToPath(new URL('./count-allocations.ts', import.meta.url));

it.each([
  ['perceptron', 1, 10_000],
  ['convolutional', 1, 10_000],
  ['recurrent', 1, 10_000],
  ['transformer', 1, 10_000],
  // an object a step would still be seen, on each of the two
  ['perceptron', 2, 4000],
])('a %s network on %i thread(s): %i steps allocate nothing', { timeout: 120_000 }, async (...parameters) => {
  const args = [script, ...parameters, NOISE_BYTES].map(String);
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', ...args]);
  const least = JSON.parse(stdout) as { allocated: number; grown: number }[];
  expect(least).toHaveLength(parameters[1]);
  for (const { allocated, grown } of least) {
    expect(allocated).toBeLessThan(NOISE_BYTES);
    expect(grown).toBeLessThan(NOISE_BYTES / 16);
  }
});
