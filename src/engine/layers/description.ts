import type { AttentionDescription } from './attention.ts';
import type { ConvolutionDescription } from './convolution.ts';
import type { DenseDescription } from './dense.ts';
import type { EmbeddingDescription } from './embedding.ts';
import type { MaskingDescription } from './masking.ts';
import type { MergeDescription } from './merge.ts';
import type { NormalizationDescription } from './normalization.ts';
import type { PoolingDescription } from './pooling.ts';
import type { RecurrentDescription } from './recurrent.ts';
import type { SimpleDescription } from './simple.ts';
import type { FeedForwardLayerDescription, TransformerDescription } from './transformer.ts';

/** Layers: names and parameters around operations. */
export type LayerDescription = (
  | DenseDescription
  | ConvolutionDescription
  | PoolingDescription
  | EmbeddingDescription
  | MaskingDescription
  | RecurrentDescription
  | NormalizationDescription
  | AttentionDescription
  | TransformerDescription
  | FeedForwardLayerDescription
  | SimpleDescription
  | MergeDescription
) & {
  /** names of the layers whose outputs it takes; left out: the one before */
  inputs?: readonly string[];
};
