import { describe, expect, it } from 'vitest';
import { chooseKernels } from '../../src/engine/kernels/load.ts';
import { Trainer } from '../../src/engine/trainer.ts';
import { dense } from '../support/networks.ts';

const { compiled } = chooseKernels();
const he = { type: 'he_normal', gain: 1 } as const;
const ROWS = 6;
const WIDTH = 4;
const CLASSES = 3;
const TEMPERATURE = 3;
const ALPHA = 0.6;
const x = Float32Array.from({ length: ROWS * WIDTH }, (_, i) => Math.sin(i * 0.9));
const labels = Int32Array.from({ length: ROWS }, (_, i) => i % CLASSES);
const teacherWeights = new Map([
  ['out.weight', Float32Array.from({ length: WIDTH * CLASSES }, (_, i) => Math.cos(i * 1.3))],
  ['out.bias', Float32Array.from([0.1, -0.2, 0.3])],
]);

function create(kind: 'classes' | 'values'): Trainer {
  const isOfClasses = kind === 'classes';
  const trainer = new Trainer(
    {
      rows: {
        count: ROWS,
        features: { dims: [WIDTH], element: 'f32' },
        target: isOfClasses ? { kind: 'labels' } : { kind: 'values', width: CLASSES },
        trainOrder: ROWS,
        evaluationOrder: ROWS,
      },
      layers: [dense('out', CLASSES, 'linear', he)],
      loss: isOfClasses ? { type: 'cross_entropy' } : { type: 'mse' },
      optimizer: { type: 'sgd', weightDecay: 0 },
      ...{ clipNorm: null, clipValue: null, batchRows: ROWS, seed: 3 },
      distillation: { layers: [dense('out', CLASSES, 'linear', he)], kind, temperature: TEMPERATURE, alpha: ALPHA },
    },
    { compiled, threads: 1, maxThreads: 1 },
  );
  trainer.features.set(x);
  if (isOfClasses) trainer.labels.set(labels);
  else trainer.values.set(x.subarray(0, ROWS * CLASSES));
  trainer.trainOrder.set([0, 1, 2, 3, 4, 5]);
  trainer.initialize();
  trainer.setTeacher(teacherWeights);
  return trainer;
}

const linear = (w: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from({ length: ROWS }, (_, r) =>
    Array.from({ length: CLASSES }, (_, c) => {
      let sum = b[c]!;
      for (let k = 0; k < WIDTH; k++) sum += x[r * WIDTH + k]! * w[k * CLASSES + c]!;
      return sum;
    }),
  );
function softmax(logits: number[], temperature: number): number[] {
  const powers = logits.map((value) => Math.exp(value / temperature));
  const whole = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / whole);
}
const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);

/** As Hinton, Vinyals & Dean say it, in f64. */
function expectedLoss(kind: 'classes' | 'values', w: ArrayLike<number>, b: ArrayLike<number>): number {
  const student = linear(w, b);
  const teacher = linear(teacherWeights.get('out.weight')!, teacherWeights.get('out.bias')!);
  const ofRows = student.map((logits, r) => {
    if (kind === 'values') {
      const apart = (to: ArrayLike<number>) => sum(logits.map((value, c) => (value - to[c]!) ** 2)) / CLASSES;
      const target = x.subarray(r * CLASSES, (r + 1) * CLASSES);
      return (1 - ALPHA) * apart(target) + ALPHA * apart(teacher[r]!);
    }
    const [p, q] = [softmax(teacher[r]!, TEMPERATURE), softmax(logits, TEMPERATURE)];
    const divergence = sum(p.map((share, c) => share * Math.log(share / q[c]!)));
    const entropy = -Math.log(softmax(logits, 1)[labels[r]!]!);
    return (1 - ALPHA) * entropy + ALPHA * TEMPERATURE ** 2 * divergence;
  });
  return sum(ofRows) / ROWS;
}

describe.each(['classes', 'values'] as const)('distillation of %s', (kind) => {
  it('has the loss that the paper says, and the gradient of it', async () => {
    const trainer = create(kind);
    const [w, b] = [Float64Array.from(trainer.tensor('out.weight')), Float64Array.from(trainer.tensor('out.bias'))];
    const before = expectedLoss(kind, w, b);
    const rate = 1e-2;
    expect(trainer.step(0, ROWS, 0, rate)).toBeCloseTo(before, 5);
    trainer.settle();
    const moved = trainer.tensor('out.weight');
    for (let i = 0; i < w.length; i++) {
      const [up, down] = [w.slice(), w.slice()];
      up[i]! += 1e-5;
      down[i]! -= 1e-5;
      const slope = (expectedLoss(kind, up, b) - expectedLoss(kind, down, b)) / 2e-5;
      expect((w[i]! - moved[i]!) / rate, `weight ${i}`).toBeCloseTo(slope, 3);
    }
    // the teacher is as it was
    expect([...trainer.tensor('teacher/out.weight')]).toEqual([...teacherWeights.get('out.weight')!]);
    await trainer.close();
  });
});
