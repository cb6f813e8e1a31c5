import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';

const MODULE = new URL('../../src/main/stop-signal.ts', import.meta.url).href;

/** A process whose stop takes so long; told to stop twice, `pauseMs` apart. */
async function stopTwice(stopMs: number, pauseMs: number): Promise<{ code: number | null; said: string }> {
  const program = `
    import { onStopSignal } from '${MODULE}';
    const logger = { info() {}, error() {} };
    onStopSignal(logger, () => new Promise((done) => setTimeout(() => { console.log('stopped'); done(); }, ${stopMs})));
    setInterval(() => {}, 1000);
    console.log('ready');
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit') as Promise<[number | null]>;
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk;
  });
  await once(child.stdout, 'data');
  child.kill('SIGINT');
  await sleep(pauseMs);
  child.kill('SIGINT');
  const [code] = await ended;
  return { code, said };
}

it('a Ctrl-C that npm hands on as well is one', async () => {
  expect(await stopTwice(300, 20)).toEqual({ code: 0, said: 'ready\nstopped\n' });
});

it('a second Ctrl-C ends a stop that takes too long', async () => {
  expect(await stopTwice(20_000, 1300)).toEqual({ code: 1, said: 'ready\n' });
});
