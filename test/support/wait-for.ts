import { setTimeout as sleep } from 'node:timers/promises';

/** Asks until the answer is neither false, null nor undefined; throws after the limit. */
export async function waitFor<T>(ask: () => T | Promise<T>, what: string, limitMs = 30_000): Promise<NonNullable<T>> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer !== false && answer !== null && answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`waited ${limitMs} ms for ${what}`);
    await sleep(10);
  }
}
