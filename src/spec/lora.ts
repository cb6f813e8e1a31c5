import type { Add } from './draft.ts';
import { outputName } from './further-targets.ts';
import type { JobSpec } from './job-spec.ts';
import type { ParameterRule } from './layers/rule.ts';
import { matchesPattern } from './matches-pattern.ts';
import { pointerTo } from './mistake.ts';
import type { Layer } from './model.ts';
import { didYouMean, listWords } from './suggest.ts';

/** Which products of a model have low-rank adapters. */

/** A product x·W, or a convolution, that may have an adapter: its name, and the shape of its weights, what it gives last. */
export interface Product {
  name: string;
  dims: ParameterRule['dims'];
}

const WITH_PRODUCTS = ['dense', 'attention', 'transformer_encoder', 'transformer_decoder', 'feed_forward'];
const CONVOLUTIONS = ['conv1d', 'conv2d'];

/** Products of a model, of all its `parameters`. A head that is made anew is trained whole. */
function listProducts(spec: JobSpec, parameters: readonly ParameterRule[]): Product[] {
  const { model } = spec;
  const layers = new Map<string, Layer>(model.layers.map((layer) => [layer.name, layer]));
  return parameters.flatMap(({ name, dims }) => {
    const layer = layers.get(name.slice(0, name.indexOf('.')));
    const type = layer?.type ?? (isReplaced(spec, name) ? 'head' : 'dense');
    // of groups each takes channels of its own
    const isConvolution = CONVOLUTIONS.includes(type) && (layer as { groups: number }).groups === 1;
    const isProduct = isConvolution || (WITH_PRODUCTS.includes(type) && dims.length === 2);
    if (!name.endsWith('.weight') || !isProduct) return [];
    return [{ name: name.slice(0, -'.weight'.length), dims }];
  });
}

/** Whether a product of this name has an adapter. */
export function isAdapted(spec: JobSpec, product: string): boolean {
  const { lora = null } = spec.model;
  if (lora === null || isReplaced(spec, product)) return false;
  return lora.targets.some((pattern) => matchesPattern(product, pattern));
}

export function isAdapter(parameterName: string): boolean {
  return /\.lora_[ab]$/.test(parameterName);
}

/** Whether a parameter, or a product, is of a head that a fine-tuning makes anew. Specs from before there were such have no such field. */
export function isReplaced({ model, more_targets: more = [] }: JobSpec, name: string): boolean {
  if (!(model.replace_head ?? false)) return false;
  const [layer] = name.split('.');
  return layer === 'output' || more.some((target) => layer === outputName(target.name));
}

/** The adapters' parameters; says what of `lora` makes no sense. */
export function resolveAdapters(spec: JobSpec, parameters: readonly ParameterRule[], add: Add): ParameterRule[] {
  const { lora } = spec.model;
  if (lora === null) return [];
  if (spec.model.from === null)
    add('/model/lora', 'adapters adapt weights that are there already', 'kind fine_tune, with model.from');
  const products = listProducts(spec, parameters);
  const names = products.map(({ name }) => name);
  lora.targets.forEach((pattern, i) => {
    if (!names.some((name) => matchesPattern(name, pattern)))
      add(
        pointerTo('/model/lora/targets', i),
        `"${pattern}" fits no product that can have an adapter.${didYouMean(pattern.replace(/\.(weight|bias|\*)$/, ''), names)}`,
        names.length === 0
          ? 'a model with dense, convolution, attention or feed-forward layers'
          : `one of: ${listWords(names)}, with * for any characters`,
      );
  });
  return products
    .filter(({ name }) => isAdapted(spec, name))
    .flatMap(({ name, dims }) => [
      { name: `${name}.lora_a`, dims: [...dims.slice(0, -1), lora.rank] },
      { name: `${name}.lora_b`, dims: [lora.rank, dims.at(-1)!] },
    ]);
}
