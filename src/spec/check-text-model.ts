import type { Add } from './draft.ts';
import { type RowShape, show } from './layers/rule.ts';
import { pointerTo } from './mistake.ts';
import type { Layer, Model } from './model.ts';

/** What a network over a text must be like: a sequence to its end, in which no position sees what comes after it. */

/** `before`: what comes into the output layer; null where it is not known. */
export function checkSequenceEnd({ layers, output }: Model, before: RowShape, context: number, add: Add): void {
  if (before === null || (before.length === 2 && before[0] === context)) return;
  const name = output?.inputs[0];
  const at = layers.findIndex((layer) => layer.name === name);
  const recurrent = layers[at]?.type;
  const isLast = recurrent === 'lstm' || recurrent === 'gru' || recurrent === 'rnn';
  add(
    at < 0 ? '/model/layers' : `${pointerTo('/model/layers', at)}/${isLast ? 'returns' : 'type'}`,
    `the next token is told at each of ${context} positions; the last layer gives ${show(before)}`,
    isLast ? 'sequence' : `a layer that gives (${context}, width)`,
    'shape_mismatch',
  );
}

export function checkCausality({ layers }: Model, add: Add): void {
  layers.forEach((layer, i) => {
    const seen = findLookahead(layer);
    if (seen === null) return;
    const [field, expected] = seen;
    add(`${pointerTo('/model/layers', i)}/${field}`, `${layer.type} would see the tokens it has to tell`, expected);
  });
}

/** The field that lets a position see later ones, and what would do. */
function findLookahead(layer: Layer): [field: string, expected: string] | null {
  switch (layer.type) {
    case 'rnn':
    case 'lstm':
    case 'gru':
      if (layer.bidirectional) return ['bidirectional', 'false'];
      // an initial state may be made of the whole text
      return layer.inputs.length > 1 ? ['inputs', 'one input'] : null;
    case 'attention':
      return layer.causal ? null : ['causal', 'true'];
    case 'transformer_decoder':
      return layer.inputs.length > 1 ? ['inputs', 'one input'] : null;
    case 'transformer_encoder':
      return ['type', 'transformer_decoder'];
    case 'conv1d':
      return layer.padding === 'causal' || layer.kernel_size === 1 ? null : ['padding', 'causal'];
    case 'group_norm':
      return ['type', 'layer_norm or rms_norm'];
    case 'permute':
    case 'flatten':
    case 'reshape':
    case 'zero_padding1d':
    case 'upsample1d':
    case 'max_pool1d':
    case 'average_pool1d':
    case 'global_max_pool1d':
    case 'global_average_pool1d':
      return ['type', 'layers that keep the order of the tokens'];
    default:
      return null;
  }
}
