import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PredictorTask } from '../../src/worker/predictor-messages.ts';
import { PredictorDiedError, PredictorSlot, type SlotOptions } from '../../src/worker/predictor-slot.ts';
import { waitFor } from '../support/wait-for.ts';

const TIMEOUT_MS = 400;
let slot: PredictorSlot;
let options: SlotOptions;
beforeEach(() => {
  const storage = { kind: 'disk', directory: '/nowhere', marked: false } as const;
  options = { storage, memoryBytes: 2 ** 20, timeoutMs: 60_000, logger: pino({ level: 'silent' }) };
  slot = new PredictorSlot(options);
});
afterEach(() => slot.close());

let id = 0;
const ask = () =>
  new Promise<Error>((resolve) => {
    const network = { storageKey: 'checkpoints/none', sha256: '' };
    const request = { network, source: { type: 'rows', json: '[]' }, answer: 'json', inline: false };
    const task = { id: id++, type: 'predict', request } as PredictorTask;
    slot.give(task, { bytes: 1, onReply: () => true, onError: resolve });
  });

describe('a place for a process that answers predictions', () => {
  it('ends one that is stuck, however much more it is asked', async () => {
    // the network is not there: the process lives, and says so
    expect(await ask()).not.toBeInstanceOf(PredictorDiedError);
    options.timeoutMs = TIMEOUT_MS;
    const stuck = slot.pid!;
    process.kill(stuck, 'SIGSTOP');
    const answers: Promise<Error>[] = [];
    const asking = setInterval(() => answers.push(ask()), TIMEOUT_MS / 8);
    try {
      await waitFor(() => slot.pid !== stuck, 'the end of the process that is stuck', 10 * TIMEOUT_MS);
      expect(await answers[0]).toBeInstanceOf(PredictorDiedError);
    } finally {
      clearInterval(asking);
      if (slot.pid === stuck) process.kill(stuck, 'SIGKILL');
    }
  });

  it('says so where no process can be started, and tries anew with the next task', async () => {
    const { execPath } = process;
    process.execPath = '/nowhere/node';
    try {
      expect(await ask()).toBeInstanceOf(PredictorDiedError);
      expect([slot.tasks, slot.load, slot.pid]).toEqual([0, 0, null]);
    } finally {
      process.execPath = execPath;
    }
    expect(await ask()).not.toBeInstanceOf(PredictorDiedError);
  });
});
