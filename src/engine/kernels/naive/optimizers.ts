import type { Kernels } from '../abi.ts';
import { createHyperReader } from './hyper.ts';
import { at, type Views } from './views.ts';

export function createOptimizers(
  views: Views,
): Pick<Kernels, 'accumulate' | 'averageUpdate' | 'sgdUpdate' | 'momentumUpdate' | 'adamUpdate' | 'amsgradUpdate'> {
  const { f32 } = views;
  const readHyper = createHyperReader(views);

  return {
    accumulate(g, sum, y, n, hyper) {
      const { isAccumulated } = readHyper(hyper);
      for (let i = 0; i < n; i++) {
        f32[at(y) + i] = f32[at(g) + i] + (isAccumulated ? f32[at(sum) + i] : 0);
      }
    },

    averageUpdate(p, a, n, decay) {
      for (let i = 0; i < n; i++) f32[at(a) + i] += (1 - decay) * (f32[at(p) + i] - f32[at(a) + i]);
    },

    sgdUpdate(p, g, n, hyper) {
      const { learningRate, weightDecay } = readHyper(hyper);
      for (let i = 0; i < n; i++) {
        const parameter = f32[at(p) + i];
        f32[at(p) + i] = parameter - learningRate * (f32[at(g) + i] + weightDecay * parameter);
      }
    },

    momentumUpdate(p, g, v, n, momentum, nesterov, hyper) {
      const { learningRate, weightDecay } = readHyper(hyper);
      for (let i = 0; i < n; i++) {
        const parameter = f32[at(p) + i];
        const gradient = f32[at(g) + i] + weightDecay * parameter;
        const velocity = momentum * f32[at(v) + i] + gradient;
        f32[at(v) + i] = velocity;
        f32[at(p) + i] = parameter - learningRate * (nesterov ? gradient + momentum * velocity : velocity);
      }
    },

    adamUpdate(p, g, m, v, n, beta1, beta2, epsilon, decoupled, hyper) {
      const { learningRate, weightDecay, bias1, bias2 } = readHyper(hyper);
      for (let i = 0; i < n; i++) {
        const parameter = f32[at(p) + i];
        const kept = decoupled ? parameter * (1 - learningRate * weightDecay) : parameter;
        const gradient = decoupled ? f32[at(g) + i] : f32[at(g) + i] + weightDecay * parameter;
        const first = f32[at(m) + i] + (1 - beta1) * (gradient - f32[at(m) + i]);
        const second = beta2 * f32[at(v) + i] + (1 - beta2) * gradient * gradient;
        f32[at(m) + i] = first;
        f32[at(v) + i] = second;
        f32[at(p) + i] = kept - ((learningRate / bias1) * first) / (Math.sqrt(second) / Math.sqrt(bias2) + epsilon);
      }
    },

    amsgradUpdate(p, g, m, v, x, n, beta1, beta2, epsilon, decoupled, hyper) {
      const { learningRate, weightDecay, bias1, bias2 } = readHyper(hyper);
      for (let i = 0; i < n; i++) {
        const parameter = f32[at(p) + i];
        const kept = decoupled ? parameter * (1 - learningRate * weightDecay) : parameter;
        const gradient = decoupled ? f32[at(g) + i] : f32[at(g) + i] + weightDecay * parameter;
        const first = f32[at(m) + i] + (1 - beta1) * (gradient - f32[at(m) + i]);
        const second = beta2 * f32[at(v) + i] + (1 - beta2) * gradient * gradient;
        const largest = Math.max(f32[at(x) + i], second);
        f32[at(m) + i] = first;
        f32[at(v) + i] = second;
        f32[at(x) + i] = largest;
        f32[at(p) + i] = kept - ((learningRate / bias1) * first) / (Math.sqrt(largest) / Math.sqrt(bias2) + epsilon);
      }
    },
  };
}
