import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import type { PredictorTask } from '../../src/worker/predictor-messages.ts';
import { PredictorDiedError, PredictorSlot } from '../../src/worker/predictor-slot.ts';
import { waitFor } from '../support/wait-for.ts';

const TIMEOUT_MS = 400;
const opened: PredictorSlot[] = [];
const openSlot = () => {
  const slot = new PredictorSlot({
    storage: { kind: 'disk', directory: '/nowhere' },
    memoryBytes: 2 ** 20,
    timeoutMs: TIMEOUT_MS,
    logger: pino({ level: 'silent' }),
  });
  opened.push(slot);
  return slot;
};
afterEach(() => Promise.all(opened.splice(0).map((slot) => slot.close())));

let id = 0;
const ask = (slot: PredictorSlot) =>
  new Promise<Error>((resolve) => {
    const network = { storageKey: 'checkpoints/none', sha256: '' };
    const request = { network, source: { type: 'rows', json: '[]' }, answer: 'json', inline: false };
    const task = { id: id++, type: 'predict', request } as PredictorTask;
    slot.give(task, { bytes: 1, onReply: () => true, onError: resolve });
  });

describe('a place for a process that answers predictions', () => {
  it('ends one that is stuck, however much more it is asked', async () => {
    const slot = openSlot();
    // the network is not there: the process lives, and says so
    expect(await ask(slot)).not.toBeInstanceOf(PredictorDiedError);
    const stuck = slot.pid!;
    process.kill(stuck, 'SIGSTOP');
    const answers: Promise<Error>[] = [];
    const asking = setInterval(() => answers.push(ask(slot)), TIMEOUT_MS / 8);
    try {
      await waitFor(() => slot.pid !== stuck, 'the end of the process that is stuck', 10 * TIMEOUT_MS);
      expect(await answers[0]).toBeInstanceOf(PredictorDiedError);
    } finally {
      clearInterval(asking);
      if (slot.pid === stuck) process.kill(stuck, 'SIGKILL');
    }
  });

  it('says so where no process can be started, and tries anew with the next task', async () => {
    const slot = openSlot();
    const { execPath } = process;
    process.execPath = '/nowhere/node';
    try {
      expect(await ask(slot)).toBeInstanceOf(PredictorDiedError);
      expect([slot.tasks, slot.load, slot.pid]).toEqual([0, 0, null]);
    } finally {
      process.execPath = execPath;
    }
    expect(await ask(slot)).not.toBeInstanceOf(PredictorDiedError);
  });
});
