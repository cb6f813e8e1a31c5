import { PADDING } from '../../spec/preparation.ts';
import type { PlacedLayer } from '../network.ts';
import { isMerge, keepsSteps } from '../padding.ts';
import { channelsLast, type TorchMask, type TorchValue } from './module.ts';

/** Padding, as the engine has it: which steps count goes from layer to layer, and in `forward` where a layer asks for it. */

/** x, or `otherwise` at steps that are padding */
export function withoutPadding(x: TorchValue, otherwise = '0'): TorchValue {
  if (x.mask === undefined) return x;
  const { mask: _mask, ...bare } = x;
  return {
    ...bare,
    code: `${x.code}.masked_fill(~${x.mask()}${x.isFirst ? '[:, None]' : '[..., None]'}, ${otherwise})`,
  };
}

/** y (rows, …), or zeros in a row whose steps are all padding */
export const withoutEmptyRows = (y: string, mask: TorchMask) => `${y}.masked_fill(~${mask()}.any(1, True), 0)`;

/** Which windows over steps count: those of which any step does. */
export const poolMask = (mask: TorchMask, size: number, stride: number) =>
  `F.max_pool1d(${mask()}.float(), ${size}, ${stride}).bool()`;

/** Which steps of what comes out count; undefined where all do. `name`: gives an expression a name in `forward` when it is first asked for. */
export function maskAfter(
  placed: PlacedLayer,
  inputs: readonly TorchValue[],
  name: (code: () => string) => TorchMask,
): TorchMask | undefined {
  const { layer } = placed;
  const [x] = inputs;
  if (layer.type === 'embedding' && layer.padding) return name(() => `${channelsLast(x!)} >= 1`);
  if (layer.type === 'masking') {
    const own = () => `(${channelsLast(x!)} != ${layer.value ?? PADDING}).any(-1)`;
    return name(() => (x!.mask === undefined ? own() : `${x!.mask()} & ${own()}`));
  }
  if (isMerge(placed)) {
    const known = [...new Set(inputs.map(({ mask }) => mask))].filter((mask) => mask !== undefined);
    return known.length < 2 ? known[0] : name(() => known.map((mask) => mask()).join(' & '));
  }
  const mask = x?.mask;
  if (mask === undefined || !keepsSteps(placed)) return undefined;
  switch (layer.type) {
    case 'conv1d': {
      const { kernel_size: kernel, stride, dilation, padding } = layer;
      if (padding === 'valid') return name(() => poolMask(mask, (kernel - 1) * dilation + 1, stride));
      return stride === 1 ? mask : name(() => `${mask()}[:, ::${stride}]`);
    }
    case 'max_pool1d':
    case 'average_pool1d':
      return name(() => poolMask(mask, layer.size, layer.stride));
    case 'upsample1d':
      return name(() => `${mask()}.repeat_interleave(${layer.factor}, 1)`);
    case 'zero_padding1d':
      return name(() => `F.pad(${mask()}, (${layer.before}, ${layer.after}))`);
    default:
      return mask;
  }
}
