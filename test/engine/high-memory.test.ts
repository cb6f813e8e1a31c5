import { expect, it } from 'vitest';
import { chooseKernels, compileKernels } from '../../src/engine/kernels/load.ts';
import { FAMILIES } from '../support/families.ts';
import { createTrainer, type NetworkOptions } from '../support/networks.ts';

/**
 * A network whose weights, optimizer state and values all lie above 2 GiB, and whose rows are read there, learns the same to the last bit.
 * The dataset is long enough to push them up, but only its last rows are ever touched.
 */
const STEPS = 4;
const ABOVE = 2 ** 31;
const { compiled } = chooseKernels();
const NAIVE = compileKernels({ build: 'naive' });

async function trainAndRead(options: NetworkOptions, naive: boolean, rowsBefore: number) {
  const { x, labels, rows } = options;
  const trainer = createTrainer(naive ? NAIVE : compiled, 2, {
    ...{ ...options, rows: rowsBefore + rows, orderRows: rows, x: [], labels: [] },
  });
  trainer.features.set(x, rowsBefore * options.input[0]!);
  trainer.labels.set(labels!, rowsBefore);
  for (const order of [trainer.trainOrder, trainer.evaluationOrder])
    order.set(Array.from({ length: rows }, (_, i) => rowsBefore + i));
  trainer.initialize();
  const losses = Array.from({ length: STEPS }, (_, step) => trainer.step(step % 2 === 0 ? 0 : 4, 4, step, 0.01));
  trainer.settle();
  const names = [
    ...trainer.parameters.map((p) => p.name),
    ...trainer.slots.map((s) => s.node.attributes.name as string),
  ];
  const lowest = Math.min(...names.map((name) => trainer.tensor(name).byteOffset));
  const tensors = names.map((name) => trainer.tensor(name).slice());
  const evaluation = trainer.evaluate(0, rows);
  await trainer.close();
  return { lowest, state: { losses, tensors, evaluation } };
}

it.each(
  Object.entries(FAMILIES).flatMap(([family, options]) => [
    [family, 'best', options] as const,
    [family, 'naive', options] as const,
  ]),
)('a %s network on %s kernels above 2 GiB', async (_, build, options) => {
  const low = await trainAndRead(options, build === 'naive', 0);
  const high = await trainAndRead(options, build === 'naive', Math.ceil(ABOVE / (4 * options.input[0]!)));
  expect(low.lowest).toBeLessThan(ABOVE);
  expect(high.lowest).toBeGreaterThan(ABOVE);
  expect(low.state.losses.every(Number.isFinite)).toBe(true);
  expect(high.state).toEqual(low.state);
});
