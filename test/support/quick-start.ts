import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

/**
 * Loaded before anything else in every process and thread that tests start: what packages.ts has written of packages with hundreds of files is taken
 * from there. To look for each of them, and for what kind of module it is, takes a good part of the time in which a process starts.
 */
const folder = new URL('../../node_modules/.cache/trainyard-tests/', import.meta.url);
const files = readFiles();

function readFiles(): Record<string, string> {
  try {
    return JSON.parse(readFileSync(new URL('index.json', folder), 'utf8')).files;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}

registerHooks({
  resolve(specifier, context, next) {
    const file = context.conditions?.includes('import') ? files[specifier] : undefined;
    if (file === undefined) return next(specifier, context);
    return { url: new URL(file, folder).href, format: 'module', shortCircuit: true };
  },
});
