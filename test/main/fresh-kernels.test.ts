import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freshenKernels, StaleKernelsError } from '../../src/main/fresh-kernels.ts';

/** What a start does about kernels that are older than their sources; the builders here only tell that they were asked. */
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trainyard-builder-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function writeBuilder(name: string, isFresh: boolean, status = 0) {
  const [file, asked] = [join(folder, `${name}.ts`), join(folder, `${name}.asked`)];
  await writeFile(
    file,
    `import { writeFileSync } from 'node:fs';
    export const areKernelsFresh = (): boolean => ${isFresh};
    if (import.meta.main) { writeFileSync(${JSON.stringify(asked)}, 'yes'); process.exit(${status}); }`,
  );
  return { url: pathToFileURL(file), wasAsked: () => readFileSync(asked, 'utf8') === 'yes' };
}

it('builds those that are older, and leaves others alone', async () => {
  const [stale, fresh] = [await writeBuilder('stale', false), await writeBuilder('fresh', true)];
  await freshenKernels(stale.url);
  expect(stale.wasAsked()).toBe(true);
  await freshenKernels(fresh.url);
  expect(fresh.wasAsked).toThrow(/ENOENT/);
});

it('starts nothing with those that cannot be built, and says what to do', async () => {
  const { url } = await writeBuilder('broken', false, 1);
  const error = await freshenKernels(url).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(StaleKernelsError);
  expect((error as Error).message).toMatch(/Run `npm ci`/);
});

it('asks nothing of an image, which comes without the builder', async () => {
  await freshenKernels(new URL('nothing.ts', pathToFileURL(`${folder}/`)));
});
