import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';

// code that one process has compiled is not compiled again by the hundreds of processes and threads that tests start
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('build/compile-cache', import.meta.url));

/** A test that mocks a module needs a process where nobody has loaded it. */
const ALONE = ['test/spec/many-mistakes.test.ts'];

export default defineConfig({
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    projects: [
      { extends: true, test: { name: 'alone', include: ALONE } },
      // to load the service takes longer than many a test of it: a process loads it once, and takes file after file
      { extends: true, test: { name: 'together', include: ['test/**/*.test.ts'], exclude: ALONE, isolate: false } },
    ],
    // processes, not threads: some tests set V8 flags, send signals or change what is global to a process
    pool: 'forks',
    // Node reads TypeScript by itself, as it does in production
    experimental: { viteModuleRunner: false },
    execArgv: ['--import', fileURLToPath(new URL('test/support/quick-start.ts', import.meta.url))],
    // of a machine with two cores: some wait most of the time
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    // a busy machine takes long over what is quick elsewhere
    testTimeout: 60_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 30_000 } },
    reporters: ['default', ['json', { outputFile: 'build/test-report.json' }]],
  },
});
