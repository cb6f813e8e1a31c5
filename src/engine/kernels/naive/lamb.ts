import type { Kernels, Pointer } from '../abi.ts';
import { createHyperReader } from './hyper.ts';
import { at, type Views } from './views.ts';

export function createLamb(views: Views): Pick<Kernels, 'lambDirection' | 'lambUpdate'> {
  const { f32 } = views;
  const readHyper = createHyperReader(views);

  function norm(squares: Pointer, count: number): number {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += f32[at(squares) + i];
    return Math.sqrt(sum);
  }

  return {
    lambDirection(p, g, m, v, u, n, beta1, beta2, epsilon, hyper) {
      const { weightDecay, bias1, bias2 } = readHyper(hyper);
      for (let i = 0; i < n; i++) {
        const gradient = f32[at(g) + i];
        const first = f32[at(m) + i] + (1 - beta1) * (gradient - f32[at(m) + i]);
        const second = beta2 * f32[at(v) + i] + (1 - beta2) * gradient * gradient;
        f32[at(m) + i] = first;
        f32[at(v) + i] = second;
        const step = first / bias1 / (Math.sqrt(second) / Math.sqrt(bias2) + epsilon);
        f32[at(u) + i] = step + weightDecay * f32[at(p) + i];
      }
    },

    lambUpdate(p, u, n, parameterSquares, directionSquares, count, hyper) {
      const { learningRate } = readHyper(hyper);
      const ofParameter = norm(parameterSquares, count);
      const ofDirection = norm(directionSquares, count);
      const ratio = ofParameter === 0 || ofDirection === 0 ? 1 : ofParameter / ofDirection;
      const rate = Math.fround(learningRate * ratio);
      for (let i = 0; i < n; i++) f32[at(p) + i] -= rate * f32[at(u) + i];
    },
  };
}
