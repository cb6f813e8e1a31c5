import type { Kernels } from '../abi.ts';
import { createHyperReader } from './hyper.ts';
import { at, type Views } from './views.ts';

export function createAdagrad(views: Views): Pick<Kernels, 'adagradUpdate' | 'adadeltaUpdate' | 'rmspropUpdate'> {
  const { f32 } = views;
  const readHyper = createHyperReader(views);

  return {
    adagradUpdate(p, g, v, n, initial, epsilon, hyper) {
      const { learningRate, weightDecay } = readHyper(hyper);
      for (let i = 0; i < n; i++) {
        const parameter = f32[at(p) + i];
        const gradient = f32[at(g) + i] + weightDecay * parameter;
        const sum = f32[at(v) + i] + gradient * gradient;
        f32[at(v) + i] = sum;
        f32[at(p) + i] = parameter - (learningRate * gradient) / (Math.sqrt(sum + initial) + epsilon);
      }
    },

    adadeltaUpdate(p, g, v, d, n, rho, epsilon, hyper) {
      const { learningRate, weightDecay } = readHyper(hyper);
      for (let i = 0; i < n; i++) {
        const parameter = f32[at(p) + i];
        const gradient = f32[at(g) + i] + weightDecay * parameter;
        const squares = rho * f32[at(v) + i] + (1 - rho) * gradient * gradient;
        const step = gradient * Math.sqrt((f32[at(d) + i] + epsilon) / (squares + epsilon));
        f32[at(v) + i] = squares;
        f32[at(d) + i] = rho * f32[at(d) + i] + (1 - rho) * step * step;
        f32[at(p) + i] = parameter - learningRate * step;
      }
    },

    rmspropUpdate(p, g, v, average, velocity, n, alpha, epsilon, momentum, hyper) {
      const { learningRate, weightDecay } = readHyper(hyper);
      for (let i = 0; i < n; i++) {
        const parameter = f32[at(p) + i];
        const gradient = f32[at(g) + i] + weightDecay * parameter;
        const squares = alpha * f32[at(v) + i] + (1 - alpha) * gradient * gradient;
        let variance = squares;
        if (average !== 0) {
          const mean = f32[at(average) + i] + (1 - alpha) * (gradient - f32[at(average) + i]);
          f32[at(average) + i] = mean;
          variance = Math.max(squares - mean * mean, 0);
        }
        let step = gradient / (Math.sqrt(variance) + epsilon);
        if (velocity !== 0) {
          step += momentum * f32[at(velocity) + i];
          f32[at(velocity) + i] = step;
        }
        f32[at(v) + i] = squares;
        f32[at(p) + i] = parameter - learningRate * step;
      }
    },
  };
}
