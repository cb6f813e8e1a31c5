import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { adviseHugePages } from '../../src/engine/team/huge-pages.ts';

/** KiB of this process's mappings that huge pages are asked for: flag hg of proc_pid_smaps(5). */
function kibAdvised(): number {
  const mappings = readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const advised = mappings.filter((mapping) => /^VmFlags:.* hg( |$)/m.test(mapping));
  return advised.reduce((sum, mapping) => sum + Number(/^Size:\s+(\d+) kB/m.exec(mapping)![1]), 0);
}

const createMemory = (pages: number) => new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });

it.runIf(process.platform === 'linux')('asks for huge pages under a large memory alone, without a word', () => {
  const warnings: unknown[] = [];
  const { emitWarning } = process;
  process.emitWarning = (warning) => void warnings.push(warning);
  try {
    const before = kibAdvised();
    adviseHugePages(createMemory(16));
    expect(kibAdvised()).toBe(before);
    adviseHugePages(createMemory(512));
    expect(kibAdvised() - before).toBe(512 * 64);
  } finally {
    process.emitWarning = emitWarning;
  }
  expect(warnings).toEqual([]);
});
