import { expect, it, vi } from 'vitest';
import type { GenerateRequest } from '../../src/spec/prediction.ts';
import type { Preparation } from '../../src/spec/preparation.ts';
import { GrowingTexts } from '../../src/worker/growing-texts.ts';
import type { WarmNetworks } from '../../src/worker/warm-networks.ts';

/** Texts that nobody waits for any more while their network is being loaded. */

const request: GenerateRequest = {
  network: { storageKey: 'checkpoints/a', sha256: '' },
  ...{ prompt: 'ab', maxTokens: 5, temperature: 0, topK: 0, topP: 1, seed: 1, stop: [], inPieces: true },
};
const preparation = { inputs: [{ type: 'text', column: 'text', tokenizer: { type: 'byte' }, context: 8 }] };

/** Networks of which each is there when `load` is called; its predictor tells the token 99 each time. */
function openNetworks() {
  const waiting: (() => void)[] = [];
  const logits = Float32Array.from({ length: 256 }, (_, i) => Number(i === 99));
  const predictor = {
    isEndless: false,
    takeSlot: () => 0,
    freeSlot: vi.fn(),
    advance: vi.fn((texts: { unread: number[] }[]) => texts.map(({ unread }) => ({ read: unread.length, logits }))),
  };
  const findContinuing = () =>
    new Promise((resolve) => {
      waiting.push(() => resolve({ predictor, preparation: preparation as unknown as Preparation }));
    });
  const load = async (work: Promise<void>) => {
    for (const go of waiting.splice(0)) go();
    await work;
  };
  return { networks: { findContinuing } as unknown as WarmNetworks, predictor, load };
}

it('one that is dropped before it has begun never begins', async () => {
  const { networks, load } = openNetworks();
  const fail = vi.fn();
  const texts = new GrowingTexts(networks, () => {}, fail);
  const beginning = texts.begin(1, request);
  texts.drop(1);
  await load(beginning);
  expect([texts.count, fail.mock.calls]).toEqual([0, []]);
});

it('one that is dropped while its network is loaded anew is gone, and the others go on', async () => {
  const { networks, predictor, load } = openNetworks();
  const told: [number, string][] = [];
  const texts = new GrowingTexts(networks, (id, { text }) => told.push([id, text]), vi.fn());
  for (const id of [1, 2]) await load(texts.begin(id, request));
  expect(texts.count).toBe(2);
  const growing = texts.grow();
  texts.drop(1);
  await load(growing);
  expect([texts.count, told]).toEqual([1, [[2, 'c']]]);
  expect(predictor.advance.mock.calls[0]![0]).toHaveLength(1);
});
