import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FORMATS } from './formats.ts';
import { type Ground, layGround } from './ground.ts';
import { playTarget } from './play-target.ts';
import { READERS } from './readers.ts';
import { createRequestTargets, SPEC_TARGETS } from './requests.ts';
import type { AnyTarget } from './target.ts';

/** A few inputs of each target, the same each time; `npm run fuzz -- --inputs 100000` plays more. */
const INPUTS = 100;
const seed = 1;

let ground: Ground;
beforeAll(async () => {
  ground = await layGround();
});
afterAll(() => ground.service.close());

const play = async (target: AnyTarget) => {
  const { failure, outcomes, inputs } = await playTarget(target, { inputs: INPUTS, seed });
  expect(failure).toBeNull();
  // not all refused by the first check
  expect(outcomes.size).toBeGreaterThan(1);
  return inputs;
};

describe('whatever comes is read or refused', () => {
  it.each([...READERS, ...FORMATS, ...SPEC_TARGETS].map((target) => [target.name, target] as const))(
    '%s',
    async (_name, target) => {
      expect(await play(target)).toBeGreaterThanOrEqual(INPUTS);
    },
  );

  it.each(['jobs', 'rows', 'uploads', 'cursors', 'addresses', 'headers'])('requests: %s', async (name) => {
    await play(createRequestTargets(ground).find((target) => target.name === name)!);
  });
});

describe('what is broken is found', () => {
  const broken: AnyTarget = { ...READERS[0]!, play: async ({ bytes }) => String(bytes.indexOf(7)) };

  it('an error, with the smallest input', async () => {
    const target = {
      ...broken,
      async play({ bytes }: { bytes: Buffer }) {
        if (bytes.includes('"')) throw new Error('a quote');
        return 'read';
      },
    };
    const { failure } = await playTarget(target, { inputs: 1000, seed: 1 });
    expect(failure).toMatchObject({ seed: 1, error: expect.stringContaining('a quote') });
    const again = await playTarget(target, { inputs: 1, seed: 1, path: failure!.path });
    expect(again.failure?.input).toBe(failure!.input);
  });

  it('an event loop that is held up', async () => {
    const target = {
      ...broken,
      // nothing smaller to look for
      inputs: fc.constant({ bytes: Buffer.from('a'), sizes: [1] }),
      async play() {
        // of its own time, which others may stretch
        for (const begin = process.threadCpuUsage(); process.threadCpuUsage(begin).user < 300_000; );
        return 'read';
      },
    };
    const { failure } = await playTarget(target, { inputs: 1, seed: 1 });
    expect(failure?.error).toMatch(/held up for \d+ ms/);
  });
});
