import { describe, expect, it } from 'vitest';
import { askProcess } from '../../src/offload/ask-process.ts';
import { TooLateError } from '../../src/offload/too-late-error.ts';
import { Turns } from '../../src/offload/turns.ts';

describe('turns', () => {
  it('come in order, so many at once; one that fails, and one who leaves the line, hold nobody up', async () => {
    const turns = new Turns(2, 3);
    const done: string[] = [];
    const ends: (() => void)[] = [];
    const abort = new AbortController();
    const run = (name: string, signal?: AbortSignal) =>
      turns.run(async () => {
        await new Promise<void>((resolve) => ends.push(resolve));
        done.push(name);
        if (name === 'b') throw new Error('b fails');
      }, signal);
    const all = [run('a'), run('b'), run('c'), run('left', abort.signal)];
    expect(turns.isFull).toBe(false);
    all.push(run('d'));
    expect(turns.isFull).toBe(true);
    abort.abort(new Error('left'));
    expect(turns.isFull).toBe(false);
    const settled = Promise.allSettled(all);
    while (done.length < 4) {
      expect(ends.length).toBeLessThanOrEqual(2);
      ends.shift()?.();
      await new Promise(setImmediate);
    }
    expect(done).toEqual(['a', 'b', 'c', 'd']);
    expect((await settled).map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    await expect(run('late', AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
  });
});

describe('a process that is asked', () => {
  const code = (text: string) => new URL(`./processes/${text}.ts`, import.meta.url);
  const never = new AbortController().signal;

  it('answers once, and is ended then', async () => {
    const { got, pid } = await askProcess<{ got: object; pid: number }>(
      code('echo'),
      { n: Number.NaN },
      { timeoutMs: 10_000, signal: never },
    );
    expect(got).toEqual({ n: Number.NaN });
    expect(() => process.kill(pid, 0)).toThrow();
  });

  it('that is too late, is told to stop, dies, or cannot be started, is told of as that', async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error('the service stops')), 200);
    const silent = (timeoutMs: number, signal = never) => askProcess(code('silent'), {}, { timeoutMs, signal });
    await expect(silent(200)).rejects.toThrow(TooLateError);
    await expect(silent(10_000, stop.signal)).rejects.toThrow('the service stops');
    await expect(askProcess(code('nowhere'), {}, { timeoutMs: 10_000, signal: never })).rejects.toThrow(
      'a process ended without an answer (1)',
    );
    const { execPath } = process;
    process.execPath = '/nowhere/node';
    const started = silent(10_000);
    process.execPath = execPath;
    await expect(started).rejects.toThrow('ENOENT');
  });
});
