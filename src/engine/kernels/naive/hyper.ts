import { HyperBlock, type Pointer } from '../abi.ts';
import { at, type Views } from './views.ts';

/** Reads a HyperBlock as an object. */
export function createHyperReader({ f32 }: Views) {
  return (hyper: Pointer) => ({
    learningRate: f32[at(hyper) + HyperBlock.learningRate],
    weightDecay: f32[at(hyper) + HyperBlock.weightDecay],
    bias1: f32[at(hyper) + HyperBlock.biasCorrection1],
    bias2: f32[at(hyper) + HyperBlock.biasCorrection2],
    gradientRate: f32[at(hyper) + HyperBlock.gradientRate],
    momentRate: f32[at(hyper) + HyperBlock.momentRate],
    adaptive: f32[at(hyper) + HyperBlock.adaptive],
    isAccumulated: f32[at(hyper) + HyperBlock.isAccumulated],
  });
}
