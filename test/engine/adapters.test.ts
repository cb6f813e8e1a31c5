import { describe, expect, it } from 'vitest';
import { mergeAdapters } from '../../src/checkpoints/merge-adapters.ts';
import { chooseKernels } from '../../src/engine/kernels/load.ts';
import type { AdaptersDescription } from '../../src/engine/layers/context.ts';
import type { JobSpec } from '../../src/spec/job-spec.ts';
import { FAMILIES } from '../support/families.ts';
import { createTrainer, type NetworkOptions } from '../support/networks.ts';

const { compiled } = chooseKernels();
const ALPHA = 6;
const RANK = 3;
const adapters: AdaptersDescription = { rank: RANK, scale: ALPHA / RANK, dropout: 0, isAdapted: () => true };
const isAdapter = (name: string) => /\.lora_[ab]$/.test(name);
/** without dropout, whose draws differ from pass to pass, and without the edges of relu and of maxima */
const still = (family: NetworkOptions): NetworkOptions => ({
  ...family,
  clipNorm: undefined,
  layers: family.layers
    .filter(({ type }) => type !== 'dropout')
    .map(
      (layer) =>
        ({
          ...layer,
          ...('dropout' in layer && { dropout: 0 }),
          ...(layer.type === 'max_pool2d' && { type: 'average_pool2d' }),
          ...('activation' in layer && layer.activation.type === 'relu' && { activation: { type: 'tanh' } }),
        }) as typeof layer,
    ),
});
const families = ['perceptron', 'convolutional', 'transformer'].map((name) => [name, still(FAMILIES[name]!)] as const);

function create(family: NetworkOptions, change: Partial<NetworkOptions> = {}) {
  const trainer = createTrainer(compiled, 1, { ...family, adapters, isFrozen: (name) => !isAdapter(name), ...change });
  trainer.initialize();
  return trainer;
}
/** B begins at zero; here it is something. */
function fillB(trainer: ReturnType<typeof create>): void {
  for (const { name } of trainer.parameters.filter((p) => p.name.endsWith('.lora_b'))) {
    const b = trainer.tensor(name);
    for (let i = 0; i < b.length; i++) b[i] = 0.1 * Math.sin(i + 1);
  }
}

describe.each(families)('low-rank adapters in a %s', (_name, family) => {
  it('begin without a change, leave the weights as they are, and make none of their gradients', async () => {
    const trainer = create(family);
    const plain = createTrainer(compiled, 1, family);
    plain.initialize();
    const names = plain.parameters.map(({ name }) => name);
    for (const name of names) trainer.tensor(name).set(plain.tensor(name));
    expect(trainer.evaluate(0, 10).loss).toBe(plain.evaluate(0, 10).loss);
    const before = new Map(names.map((name) => [name, [...trainer.tensor(name)]]));
    for (let step = 0; step < 3; step++) trainer.step(0, 4, step, 0.05);
    trainer.settle();
    for (const [name, values] of before) expect([...trainer.tensor(name)], name).toEqual(values);
    expect(trainer.slots.map(({ parameterName }) => parameterName).every(isAdapter)).toBe(true);
    expect(trainer.evaluate(0, 10).loss).not.toBe(plain.evaluate(0, 10).loss);
    await Promise.all([trainer.close(), plain.close()]);
  });

  it('have the gradients that finite differences find', async () => {
    const sgd = { optimizer: { type: 'sgd', weightDecay: 0 }, batchRows: 10 } as const;
    const trainer = create(family, sgd);
    fillB(trainer);
    const names = trainer.parameters.map(({ name }) => name).filter(isAdapter);
    const begin = new Map(names.map((name) => [name, Float32Array.from(trainer.tensor(name))]));
    const rate = 1e-3;
    trainer.step(0, 10, 0, rate);
    trainer.settle();
    const slopes = new Map(
      names.map((name) => [name, trainer.tensor(name).map((value, i) => (begin.get(name)![i]! - value) / rate)]),
    );
    for (const [name, values] of begin) trainer.tensor(name).set(values);
    const h = 2e-2;
    for (const name of names) {
      const values = trainer.tensor(name);
      // a few elements of each
      for (const i of [0, Math.floor(values.length / 2), values.length - 1]) {
        const kept = values[i]!;
        const lossAt = (value: number) => {
          values[i] = value;
          return trainer.evaluate(0, 10).loss;
        };
        const slope =
          (8 * (lossAt(kept + h) - lossAt(kept - h)) - (lossAt(kept + 2 * h) - lossAt(kept - 2 * h))) / (12 * h);
        values[i] = kept;
        expect(Math.abs(slopes.get(name)![i]! - slope), `${name} ${i}: ${slope}`).toBeLessThan(
          2e-3 + 0.02 * Math.abs(slope),
        );
      }
    }
    await trainer.close();
  });

  it('merged into the weights tell the same, within 1e-5', async () => {
    const adapted = create(family);
    fillB(adapted);
    const spec = { model: { lora: { rank: RANK, alpha: ALPHA, dropout: 0, targets: ['*'] } } } as unknown as JobSpec;
    const merged = mergeAdapters({
      weights: new Map(adapted.parameters.map(({ name }) => [name, Float32Array.from(adapted.tensor(name))])),
      shapes: new Map(adapted.parameters.map(({ name, shape }) => [name, [...shape]])),
      spec,
    });
    const plain = createTrainer(compiled, 1, family);
    expect([...merged.keys()].sort()).toEqual(plain.parameters.map(({ name }) => name).sort());
    for (const [name, values] of merged) plain.tensor(name).set(values);
    const outputs = (trainer: typeof plain) => {
      const all: number[] = [];
      trainer.evaluate(0, 10, (values, _first, rows) => all.push(...values.subarray(0, rows * 3)));
      return all;
    };
    const [a, b] = [outputs(adapted), outputs(plain)];
    expect(Math.max(...a.map((value, i) => Math.abs(value - b[i]!)))).toBeLessThan(1e-5);
    await Promise.all([adapted.close(), plain.close()]);
  });
});
