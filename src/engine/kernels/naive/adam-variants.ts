import type { Kernels } from '../abi.ts';
import { createHyperReader } from './hyper.ts';
import { at, type Views } from './views.ts';

export function createAdamVariants(views: Views): Pick<Kernels, 'adamaxUpdate' | 'nadamUpdate' | 'radamUpdate'> {
  const { f32 } = views;
  const readHyper = createHyperReader(views);

  return {
    adamaxUpdate(p, g, m, u, n, beta1, beta2, epsilon, hyper) {
      const { learningRate, weightDecay, bias1 } = readHyper(hyper);
      for (let i = 0; i < n; i++) {
        const parameter = f32[at(p) + i];
        const gradient = f32[at(g) + i] + weightDecay * parameter;
        const first = f32[at(m) + i] + (1 - beta1) * (gradient - f32[at(m) + i]);
        const norm = Math.max(beta2 * f32[at(u) + i], Math.abs(gradient) + epsilon);
        f32[at(m) + i] = first;
        f32[at(u) + i] = norm;
        f32[at(p) + i] = parameter - ((learningRate / bias1) * first) / norm;
      }
    },

    nadamUpdate(p, g, m, v, n, beta1, beta2, epsilon, hyper) {
      const { weightDecay, bias2, gradientRate, momentRate } = readHyper(hyper);
      for (let i = 0; i < n; i++) {
        const parameter = f32[at(p) + i];
        const gradient = f32[at(g) + i] + weightDecay * parameter;
        const first = f32[at(m) + i] + (1 - beta1) * (gradient - f32[at(m) + i]);
        const second = beta2 * f32[at(v) + i] + (1 - beta2) * gradient * gradient;
        f32[at(m) + i] = first;
        f32[at(v) + i] = second;
        const step = gradientRate * gradient + momentRate * first;
        f32[at(p) + i] = parameter - step / (Math.sqrt(second) / Math.sqrt(bias2) + epsilon);
      }
    },

    radamUpdate(p, g, m, v, n, beta1, beta2, epsilon, hyper) {
      const { weightDecay, momentRate, adaptive } = readHyper(hyper);
      for (let i = 0; i < n; i++) {
        const parameter = f32[at(p) + i];
        const gradient = f32[at(g) + i] + weightDecay * parameter;
        const first = f32[at(m) + i] + (1 - beta1) * (gradient - f32[at(m) + i]);
        const second = beta2 * f32[at(v) + i] + (1 - beta2) * gradient * gradient;
        f32[at(m) + i] = first;
        f32[at(v) + i] = second;
        f32[at(p) + i] = parameter - (momentRate * first) / (adaptive === 0 ? 1 : Math.sqrt(second) + epsilon);
      }
    },
  };
}
