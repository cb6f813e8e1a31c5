import { describe, expect, it } from 'vitest';
import { chooseKernels } from '../../src/engine/kernels/load.ts';
import type { LayerDescription } from '../../src/engine/layers/description.ts';
import { createTrainer, dense, type NetworkOptions } from '../support/networks.ts';

/** Numerical accidents: a step stops before any weight changes, and a replay tells where numbers stopped being finite. */
const { compiled } = chooseKernels();
const he = { type: 'he_normal', gain: 1 } as const;
const [ROWS, WIDTH] = [7, 4];
const constant = (value: number) => ({ type: 'uniform', low: value, high: value * 1.001 }) as const;

function create(layers: LayerDescription[], more: Partial<NetworkOptions> = {}, threads = 2) {
  const trainer = createTrainer(compiled, threads, {
    layers,
    loss: { type: 'mae' },
    optimizer: { type: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, amsgrad: false },
    input: [WIDTH],
    rows: ROWS,
    batchRows: ROWS,
    x: Float32Array.from({ length: ROWS * WIDTH }, (_, i) => 1 + Math.sin(i)),
    values: { width: 1, data: Float32Array.from({ length: ROWS }, (_, i) => i / 3) },
    ...more,
  });
  trainer.initialize();
  return trainer;
}

/** One step that must stop, and change nothing; what the replay found. */
async function stop(layers: LayerDescription[], more: Partial<NetworkOptions> = {}, threads = 2) {
  const trainer = create(layers, more, threads);
  const read = () => [
    ...trainer.parameters.map(({ name }) => trainer.tensor(name).slice()),
    ...trainer.slots.map(({ node }) => trainer.tensor(node.attributes.name as string).slice()),
  ];
  const before = read();
  expect(trainer.step(0, ROWS, 0, 0.1)).toBeNaN();
  trainer.settle();
  expect(read()).toEqual(before);
  const replay = trainer.replay(0, ROWS, 0);
  await trainer.close();
  return replay!.finding;
}

describe('the first values that are not finite are found', () => {
  it('in the inputs, with their rows', async () => {
    const x = Float32Array.from({ length: ROWS * WIDTH }, (_, i) => (i === 9 ? Number.NaN : 1));
    expect(await stop([dense('a', 3, 'relu', he), dense('b', 1, 'linear', he)], { x })).toEqual({
      what: 'inputs',
      name: null,
      rows: [2],
    });
  });

  it('in the layer that overflows, not in those after it', async () => {
    const layers = [
      dense('a', 3, 'relu', constant(1e30)),
      dense('b', 3, 'linear', constant(1e30)),
      dense('c', 1, 'linear', he),
    ];
    expect(await stop(layers)).toMatchObject({ what: 'outputs', name: 'b', rows: [0, 1, 2] });
  });

  it('in an embedding that has no row for an index', async () => {
    const layers: LayerDescription[] = [
      { type: 'embedding', name: 'e', vocabulary: 3, units: 2, init: he, padding: false },
      { type: 'flatten', name: 'f' },
      dense('b', 1, 'linear', he),
    ];
    const x = Float32Array.from({ length: ROWS * WIDTH }, (_, i) => (i === 14 ? 7 : i % 3));
    expect(await stop(layers, { x })).toEqual({ what: 'outputs', name: 'e', rows: [3] });
  });

  it('in the loss alone', async () => {
    const loss = { type: 'poisson' } as const;
    expect(await stop([dense('a', 1, 'linear', constant(100))], { loss })).toMatchObject({ what: 'loss' });
  });

  it.each([1, 2])('in a gradient where the loss is finite, with %i threads: no weight has changed', async (threads) => {
    const layers = [
      dense('a', 2, 'linear', constant(1e-38)),
      dense('b', 2, 'linear', constant(1e30)),
      dense('c', 1, 'linear', constant(1e30)),
    ];
    expect(await stop(layers, {}, threads)).toMatchObject({ what: 'flow', name: 'a' });
  });

  it('in weights that an earlier update has spoilt', async () => {
    const trainer = create([dense('a', 1, 'linear', he)]);
    expect(trainer.hasFiniteWeights()).toBe(true);
    trainer.tensor('a.weight')[1] = Number.NaN;
    expect(trainer.step(0, ROWS, 0, 0.1)).toBeNaN();
    trainer.settle();
    expect(trainer.hasFiniteWeights()).toBe(false);
    expect(trainer.replay(0, ROWS, 0)?.finding).toEqual({ what: 'weights', name: 'a.weight', rows: [] });
    await trainer.close();
  });

  it('of a batch in parts, of an average and of weighted rows; and nowhere in a step that goes well', async () => {
    const layers: LayerDescription[] = [
      dense('a', 3, 'relu', he),
      { type: 'dropout', name: 'd', rate: 0.3 },
      dense('b', 1, 'linear', he),
    ];
    const more = { batchRows: 3, accumulateSteps: 3, averaging: { decay: 0.9 }, weights: [1, 2, 0, 1, 1, 3, 1] };
    const trainer = create(layers, more);
    expect(trainer.step(0, ROWS, 0, 0.1)).toBeGreaterThan(0);
    expect(trainer.replay(0, ROWS, 1)).toMatchObject({ finding: null, dead: [] });
    trainer.settle();
    trainer.features[5 * WIDTH] = Number.NaN;
    expect(trainer.step(0, ROWS, 1, 0.1)).toBeNaN();
    expect(trainer.replay(0, ROWS, 1)?.finding).toEqual({ what: 'inputs', name: null, rows: [5] });
    await trainer.close();
  });
});

describe('parameters that no gradient reaches', () => {
  it('are those behind units that are always off', async () => {
    const off = {
      ...dense('a', 3, 'relu', he),
      biasInit: { type: 'uniform', low: -90, high: -80 },
    } as LayerDescription;
    const trainer = create([dense('first', 4, 'tanh', he), off, dense('b', 1, 'linear', he)]);
    const { finding, dead, alive } = trainer.replay(0, ROWS, 0)!;
    expect(finding).toBeNull();
    expect(alive).toEqual(['b.bias']);
    expect(dead).toEqual(['first.weight', 'first.bias', 'a.weight', 'a.bias', 'b.weight']);
    await trainer.close();
  });
});

describe('penalties', () => {
  const sgd = { type: 'sgd', weightDecay: 0 } as const;
  const stepOnce = async (layers: LayerDescription[], penaltyFor?: NetworkOptions['penaltyFor'], threads = 1) => {
    const trainer = create(
      layers,
      { optimizer: sgd, loss: { type: 'mse' }, ...(penaltyFor && { penaltyFor }) },
      threads,
    );
    const before = trainer.tensor('a.weight').slice();
    const loss = trainer.step(0, ROWS, 0, 0.1);
    trainer.settle();
    const weights = trainer.tensor('a.weight').slice();
    const x = trainer.features.slice() as Float32Array;
    const penalty = trainer.penalty();
    await trainer.close();
    return { before, weights, loss, x, penalty };
  };

  it('on weights move them by −rate·(l1·sign(w) + 2·l2·w) besides, and are in no reported loss', async () => {
    const layers = [dense('a', 1, 'linear', he)];
    const plain = await stepOnce(layers);
    const penalty = { l1: 0.3, l2: 0.7 };
    const penalized = await stepOnce(layers, (name) => (name === 'a.weight' ? penalty : null));
    expect(penalized.loss).toBe(plain.loss);
    plain.weights.forEach((value, i) => {
      const w = plain.before[i]!;
      expect(penalized.weights[i]).toBeCloseTo(value - 0.1 * (0.3 * Math.sign(w) + 2 * 0.7 * w), 5);
    });
    const sum = penalized.weights.reduce((total, w) => total + 0.3 * Math.abs(w) + 0.7 * w * w, 0);
    expect(penalized.penalty).toBeCloseTo(sum, 6);
    expect((await stepOnce(layers, (name) => (name === 'a.weight' ? penalty : null), 3)).weights).toEqual(
      penalized.weights,
    );
  });

  it('on activities move weights by the mean of l1·sign(y) + 2·l2·y besides', async () => {
    const plain = await stepOnce([dense('a', 1, 'linear', he)]);
    const penalized = await stepOnce([
      dense('a', 1, 'linear', he),
      { type: 'activity_regularization', name: 'p', l1: 0.3, l2: 0.7 },
    ]);
    expect(penalized.loss).toBe(plain.loss);
    const y = Array.from({ length: ROWS }, (_, r) =>
      plain.before.reduce((sum, w, j) => sum + w * plain.x[r * WIDTH + j]!, 0),
    );
    plain.weights.forEach((value, j) => {
      const slope = y.reduce((sum, v, r) => sum + plain.x[r * WIDTH + j]! * (0.3 * Math.sign(v) + 1.4 * v), 0) / ROWS;
      expect(penalized.weights[j]).toBeCloseTo(value - 0.1 * slope, 4);
    });
  });
});
