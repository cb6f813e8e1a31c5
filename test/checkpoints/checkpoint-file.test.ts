import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CheckpointContent,
  DamagedCheckpointError,
  loadCheckpoint,
  saveCheckpoint,
} from '../../src/checkpoints/checkpoint-file.ts';
import { parseState, stringifyState } from '../../src/checkpoints/resume-json.ts';
import { decodeSafetensors } from '../../src/checkpoints/safetensors.ts';
import type { JobSpec } from '../../src/spec/job-spec.ts';
import { openDiskStorage } from '../../src/storage/disk.ts';
import { makeFolder } from '../storage/temporary-storage.ts';

const content: CheckpointContent = {
  weights: [
    {
      name: 'dense_1.weight',
      shape: [2, 3],
      data: Float32Array.of(1, -0, 3e-45, Number.NaN, Number.POSITIVE_INFINITY, 0.1),
    },
    { name: 'dense_1.bias', shape: [3], data: Float32Array.of(1, 2, 3) },
  ],
  optimizerState: [{ name: 'optimizer/adam/m/dense_1.weight', shape: [2, 3], data: new Float32Array(6).fill(0.25) }],
  resume: { step: 12, best: { value: Number.POSITIVE_INFINITY }, metrics: { 'train.loss': -0 }, stopping: null },
  spec: { kind: 'train', name: 'ø', dataset: 'ds_1' } as unknown as JobSpec,
  preparation: {
    inputs: [{ column: 'x', type: 'category', classes: ['a', 'b'] }],
    target: { type: 'number', columns: [{ column: 'y', scale: 0.1, shift: -3 }] },
    inputWidth: 2,
    outputWidth: 1,
  },
};
const key = 'checkpoints/job_1/ckpt_1.safetensors';

async function saveOne(changes: Partial<CheckpointContent> = {}) {
  const folder = await makeFolder();
  const storage = openDiskStorage(folder);
  const blob = await saveCheckpoint(storage, key, { ...content, ...changes });
  return { storage, blob, path: join(folder, key) };
}

describe('a checkpoint', () => {
  it('comes back to the bit', async () => {
    const { storage, blob } = await saveOne();
    const loaded = await loadCheckpoint(storage, key, blob);
    for (const [tensors, found] of [
      [content.weights, loaded.weights],
      [content.optimizerState!, loaded.optimizerState],
    ] as const) {
      expect([...found.keys()].sort()).toEqual(tensors.map(({ name }) => name).sort());
      for (const { name, data, shape } of tensors) {
        expect(new Uint32Array(found.get(name)!.slice().buffer)).toEqual(new Uint32Array(data.buffer));
        expect(loaded.shapes.get(name)).toEqual(shape);
      }
    }
    expect(loaded.resume).toStrictEqual(content.resume);
    expect(loaded.spec).toEqual(content.spec);
    expect(loaded.preparation).toEqual(content.preparation);
  });

  it('is a safetensors file with plain names, saved alike each time', async () => {
    const { blob, path } = await saveOne();
    const { tensors, metadata } = decodeSafetensors(await readFile(path));
    expect([...tensors.keys()]).toEqual(['dense_1.bias', 'dense_1.weight', 'optimizer/adam/m/dense_1.weight']);
    expect(Object.keys(metadata).sort()).toEqual(
      ['format', 'preparation', 'resume', 'spec'].map((name) => `trainyard.${name}`),
    );
    expect((await saveOne()).blob.sha256).toBe(blob.sha256);
  });

  it('may be without what a resume needs', async () => {
    const { storage, blob } = await saveOne({ resume: null, optimizerState: undefined });
    const loaded = await loadCheckpoint(storage, key, blob);
    expect(loaded.resume).toBeNull();
    expect(loaded.optimizerState.size).toBe(0);
  });

  it('may have a header above 1 MB: a preparation of many classes', async () => {
    const classes = Array.from({ length: 60_000 }, (_, i) => `class number ${i}`);
    const { storage, blob } = await saveOne({
      preparation: { ...content.preparation, target: { type: 'category', column: 'y', classes } },
    });
    expect((await loadCheckpoint(storage, key, blob)).preparation.target).toEqual({
      type: 'category',
      column: 'y',
      classes,
    });
  });

  it('keeps weights and optimizer state apart by name', async () => {
    const [tensor] = content.weights as [CheckpointContent['weights'][0]];
    await expect(saveOne({ weights: [{ ...tensor, name: 'optimizer/x' }] })).rejects.toThrow(RangeError);
    await expect(saveOne({ optimizerState: [{ ...tensor, name: 'dense_1.m' }] })).rejects.toThrow(RangeError);
  });
});

describe('a damaged checkpoint is never handed out', () => {
  it('any byte changed', async () => {
    const { storage, blob, path } = await saveOne();
    const bytes = await readFile(path);
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const changed = Buffer.from(bytes);
        changed[at]! ^= change;
        await writeFile(path, changed);
        await expect(loadCheckpoint(storage, key, blob)).rejects.toMatchObject({ reason: 'digest' });
      }),
      { numRuns: 30 },
    );
  });

  it('cut off, longer, empty', async () => {
    const { storage, blob, path } = await saveOne();
    for (const length of [blob.sizeBytes + 8, blob.sizeBytes - 1, 0]) {
      await truncate(path, length);
      await expect(loadCheckpoint(storage, key, blob)).rejects.toThrow(DamagedCheckpointError);
    }
  });

  it('gone', async () => {
    const { storage, blob } = await saveOne();
    await storage.remove(key);
    await expect(loadCheckpoint(storage, key, blob)).rejects.toMatchObject({ reason: 'missing', key });
  });

  it('of the right digest, and not a checkpoint', async () => {
    const { storage } = await saveOne();
    const blob = await storage.put(key, Buffer.from('nonsense, but just what was stored'));
    await expect(loadCheckpoint(storage, key, blob)).rejects.toMatchObject({
      reason: 'content',
      code: 'checkpoint_damaged',
    });
  });
});

describe('state as JSON', () => {
  it('gives back every number as it was', () => {
    const number = fc.double();
    const value = fc.dictionary(
      fc.string().filter((name) => name !== '$number' && name !== '__proto__'),
      fc.oneof(number, fc.array(number), fc.string(), fc.constant(null), fc.boolean()),
    );
    fc.assert(
      fc.property(value, (state) => {
        expect(parseState(stringifyState(state))).toStrictEqual({ ...state });
      }),
    );
  });

  it('refuses what would come back as something else', () => {
    expect(() => stringifyState({ a: { $number: '1' } })).toThrow(TypeError);
    expect(() => stringifyState({ a: new Float32Array(2) })).toThrow(TypeError);
    expect(() => stringifyState({ a: () => 1 })).toThrow(TypeError);
  });
});
