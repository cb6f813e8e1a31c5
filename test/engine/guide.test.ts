import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

/** The example that ends the guide through the engine runs as it stands there. */
it('the small network of src/engine/README.md learns', async () => {
  const guide = readFileSync(new URL('../../src/engine/README.md', import.meta.url), 'utf8');
  const [, code] = /```ts\n([^`]+)```/.exec(guide)!;
  const absolute = code!.replaceAll("from './", `from '${new URL('../../src/engine/', import.meta.url)}`);
  const args = ['--input-type=module-typescript', '--eval', absolute];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const [loss, size, ...weights] = stdout.match(/-?[\d.]+(e-\d+)?/g)!.map(Number);
  expect(loss).toBeLessThan(1e-8);
  expect(size).toBe(32);
  expect(weights[1]).toBeCloseTo(3, 3);
  expect(weights[2]).toBeCloseTo(-1, 3);
});
