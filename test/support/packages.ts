import { existsSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

/** Packages of hundreds of small files, by the names under which they are imported. */
const NAMES = [
  'drizzle-orm',
  'drizzle-orm/node-postgres',
  'drizzle-orm/node-postgres/migrator',
  'drizzle-orm/pg-core',
  'typebox',
  'typebox/compile',
  'typebox/format',
  'typebox/value',
  'typeid-js',
];
const WITH_THEM = ['uuid'];

const MODULES = new URL('../../node_modules/', import.meta.url);
const FOLDER = new URL('.cache/trainyard-tests/', MODULES);

/**
 * Writes each of them as a few files, code for code, where quick-start.ts finds them: to load typebox takes 15 ms then and not 150, and tests start
 * hundreds of processes and threads that load it.
 */
export async function bundlePackages(): Promise<void> {
  const owners = [...new Set([...NAMES.map((name) => name.split('/')[0]!), ...WITH_THEM])];
  const versions = Object.fromEntries(
    owners.map((name) => [name, JSON.parse(readFileSync(new URL(`${name}/package.json`, MODULES), 'utf8')).version]),
  );
  const index = new URL('index.json', FOLDER);
  const files = Object.fromEntries(NAMES.map((name) => [name, `${name.replaceAll('/', '.')}.mjs`]));
  const text = JSON.stringify({ versions, files });
  if (existsSync(index) && readFileSync(index, 'utf8') === text) return;
  await rm(FOLDER, { recursive: true, force: true });
  const bundle = await rolldown({
    input: Object.fromEntries(NAMES.map((name) => [files[name]!.slice(0, -'.mjs'.length), name])),
    platform: 'node',
    treeshake: false,
    external: (id) => /^[a-z@]/.test(id) && !owners.some((name) => id === name || id.startsWith(`${name}/`)),
  });
  await bundle.write({ dir: fileURLToPath(FOLDER), entryFileNames: '[name].mjs', chunkFileNames: 'shared-[hash].mjs' });
  await bundle.close();
  await writeFile(index, text);
}
