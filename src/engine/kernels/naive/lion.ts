import type { Kernels } from '../abi.ts';
import { createHyperReader } from './hyper.ts';
import { at, type Views } from './views.ts';

export function createLion(views: Views): Pick<Kernels, 'lionUpdate'> {
  const { f32 } = views;
  const readHyper = createHyperReader(views);

  return {
    lionUpdate(p, g, m, n, beta1, beta2, hyper) {
      const { learningRate, weightDecay } = readHyper(hyper);
      for (let i = 0; i < n; i++) {
        const mean = f32[at(m) + i];
        const difference = f32[at(g) + i] - mean;
        const direction = Math.sign(mean + (1 - beta1) * difference);
        f32[at(p) + i] = (1 - learningRate * weightDecay) * f32[at(p) + i] - learningRate * direction;
        f32[at(m) + i] = mean + (1 - beta2) * difference;
      }
    },
  };
}
