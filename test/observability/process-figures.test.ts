import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createLogger } from '../../src/observability/logger.ts';
import { watchProcess } from '../../src/observability/process-figures.ts';

test('an event loop that was held up is measured and warned of; the next reading begins anew', async () => {
  const lines: string[] = [];
  const figures = watchProcess(createLogger('warn', 'worker', { write: (line) => void lines.push(line) }));
  await sleep(50);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1200);
  await sleep(50);
  const { event_loop_delay_max_s: delay, memory_bytes, cpu_s } = figures.read();
  expect(delay).toBeGreaterThan(1.1);
  expect(Math.min(memory_bytes, cpu_s)).toBeGreaterThan(0);
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ msg: expect.stringContaining('held up') }]);
  await sleep(50);
  expect(figures.read().event_loop_delay_max_s).toBeLessThan(delay);
});
