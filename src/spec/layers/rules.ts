import { attention, feedForward, transformerDecoder, transformerEncoder } from './attention.ts';
import { conv1d, conv2d, conv2dTranspose } from './convolution.ts';
import { dense } from './dense.ts';
import { embedding, masking, positionEmbedding } from './embedding.ts';
import { add, concatenate, multiply } from './merge.ts';
import { batchNorm, groupNorm, layerNorm, rmsNorm } from './normalization.ts';
import {
  averagePool1d,
  averagePool2d,
  globalAveragePool1d,
  globalAveragePool2d,
  globalMaxPool1d,
  globalMaxPool2d,
  maxPool1d,
  maxPool2d,
} from './pooling.ts';
import { gru, lstm, rnn } from './recurrent.ts';
import type { LayerRule } from './rule.ts';
import { flatten, permute, reshape, upsample1d, upsample2d, zeroPadding1d, zeroPadding2d } from './shape.ts';
import { activation, activityRegularization, dropout, glu, spatialDropout, stochasticDepth } from './simple.ts';

/** Every kind of layer, in the order in which they are documented. */
export const LAYERS = [
  dense,
  conv1d,
  conv2d,
  conv2dTranspose,
  maxPool1d,
  maxPool2d,
  averagePool1d,
  averagePool2d,
  globalMaxPool1d,
  globalMaxPool2d,
  globalAveragePool1d,
  globalAveragePool2d,
  embedding,
  positionEmbedding,
  masking,
  rnn,
  lstm,
  gru,
  attention,
  feedForward,
  transformerEncoder,
  transformerDecoder,
  layerNorm,
  rmsNorm,
  groupNorm,
  batchNorm,
  zeroPadding1d,
  zeroPadding2d,
  upsample1d,
  upsample2d,
  activation,
  glu,
  dropout,
  spatialDropout,
  stochasticDepth,
  activityRegularization,
  flatten,
  reshape,
  permute,
  add,
  multiply,
  concatenate,
] as const;

const byType = new Map<string, LayerRule>(
  LAYERS.map((rule) => [rule.schema.properties.type.const, rule as unknown as LayerRule]),
);

export function ruleOf(layer: { type: string }): LayerRule {
  const rule = byType.get(layer.type);
  if (rule === undefined) throw new Error(`unknown layer ${layer.type}`);
  return rule;
}
