import { describe, expect, it } from 'vitest';
import { chooseKernels } from '../../src/engine/kernels/load.ts';
import { FAMILIES } from '../support/families.ts';
import { createTrainer, type NetworkOptions } from '../support/networks.ts';

const { compiled } = chooseKernels();

async function train(options: NetworkOptions, steps: number, threads = 1): Promise<Map<string, number[]>> {
  const trainer = createTrainer(compiled, threads, options);
  trainer.initialize();
  for (let step = 0; step < steps; step++) trainer.step(4 * (step % 2), 4, step, 0.01);
  trainer.settle();
  const weights = new Map(trainer.parameters.map(({ name }) => [name, [...trainer.tensor(name)]]));
  await trainer.close();
  return weights;
}

const isHead = (name: string) => name.startsWith('out.');

describe.each(Object.entries(FAMILIES))('%s: parameters that are trained from a later update on', (_name, family) => {
  const late = { ...family, beginsAt: (name: string) => (isHead(name) ? 0 : 3) };

  it('stay as they are until then, as if they were frozen', async () => {
    expect(await train(late, 3)).toEqual(await train({ ...family, isFrozen: (name) => !isHead(name) }, 3));
    const [before, after] = [await train(late, 3), await train(late, 4)];
    for (const [name, values] of after) expect(values, name).not.toEqual(before.get(name));
  });

  it('are the same bits for any number of threads, and in parts', async () => {
    const alone = await train(late, 6);
    expect(await train(late, 6, 3)).toEqual(alone);
    const parts = { ...late, batchRows: 2, accumulateSteps: 2 };
    expect(await train(parts, 6, 2)).toEqual(await train(parts, 6));
  });
});

describe('an optimizer', () => {
  const family = FAMILIES.perceptron!;
  // without dropout and clipping, whose draws and norms would differ
  const plain = { ...family, clipNorm: undefined, layers: family.layers.filter(({ type }) => type !== 'dropout') };
  it.each(['adam', 'nadam', 'radam', 'adamax'] as const)(
    '%s begins to count where it begins to train',
    async (type) => {
      const optimizer = { type, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, momentumDecay: 0.004 };
      const options = { ...plain, optimizer } as NetworkOptions;
      // nothing is trained before, so the network is as it was drawn
      const late = createTrainer(compiled, 1, { ...options, beginsAt: () => 5 });
      const early = createTrainer(compiled, 1, options);
      for (const [trainer, first] of [
        [late, 5],
        [early, 0],
      ] as const) {
        trainer.initialize();
        for (let step = 0; step < 4; step++) trainer.step(0, 4, first + step, 0.01);
        trainer.settle();
      }
      for (const { name } of early.parameters) expect([...late.tensor(name)], name).toEqual([...early.tensor(name)]);
      await Promise.all([late.close(), early.close()]);
    },
  );
});

describe('what is frozen', () => {
  it('below all that is trained costs its forward pass alone', async () => {
    const sizes = {
      rows: 256,
      batchRows: 256,
      input: [256],
      x: new Float32Array(256 * 256),
      labels: new Int32Array(256),
    };
    const layer = (name: string, units: number) => ({ ...FAMILIES.perceptron!.layers[0]!, name, units });
    const layers = [layer('low', 256), layer('middle', 256), layer('out', 3)] as NetworkOptions['layers'];
    const options = { ...FAMILIES.perceptron!, ...sizes, layers };
    const flops = async (isFrozen: (name: string) => boolean) => {
      const trainer = createTrainer(compiled, 1, { ...options, isFrozen });
      await trainer.close();
      return trainer.stepFlops;
    };
    const forward = 2 * 256 * 256 * 256;
    const all = await flops(() => false);
    const head = await flops((name) => !isHead(name));
    const top = await flops((name) => name.startsWith('low'));
    // forward, and of the gradients those of weights (two layers) and of what comes in (one)
    expect(all).toBeGreaterThan(5 * forward);
    // the head's own products are small
    expect(head).toBeLessThan(2.2 * forward);
    expect(top).toBeLessThan(3.2 * forward);
    // in the middle: the gradient flows through what is above, and makes none of its weights
    expect(await flops((name) => !name.startsWith('low'))).toBeLessThan(4.2 * forward);
  });
});
