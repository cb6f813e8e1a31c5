import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// code that one process has compiled is not compiled again by the hundreds of processes and threads that tests start
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('build/compile-cache', import.meta.url));

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    // processes, not threads: some tests set V8 flags, send signals or change what is global to a process
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    reporters: ['default', ['json', { outputFile: 'build/test-report.json' }]],
  },
});
