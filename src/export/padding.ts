import type { PlacedLayer } from './network.ts';

/** Which steps of sequences are padding, from layer to layer, as the engine has it: for exports of any format. */

/** Several sequences side by side: a step is padding where it is in any of them. Of other layers the first input says it. */
export function isMerge({ layer }: PlacedLayer): boolean {
  return layer.type === 'add' || layer.type === 'multiply' || layer.type === 'concatenate';
}

/** Whether what comes out is still a sequence of the steps that came in, or of windows over them. */
export function keepsSteps({ layer, inputs, output }: PlacedLayer): boolean {
  switch (layer.type) {
    case 'rnn':
    case 'lstm':
    case 'gru':
      return layer.returns === 'sequence';
    case 'reshape':
      return output.join() === inputs[0]!.join();
    case 'global_average_pool1d':
    case 'global_max_pool1d':
    case 'flatten':
    case 'permute':
      return false;
    default:
      return true;
  }
}
