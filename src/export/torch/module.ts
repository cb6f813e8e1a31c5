import type { WeightTensor } from '../tensors.ts';

/** What a layer is in PyTorch: modules with weights under their names, and an expression over its inputs. */

/** A value in `forward`. PyTorch's convolutions have channels first; ours are last. */
export interface TorchValue {
  code: string;
  /** of one row, channels last */
  dims: readonly number[];
  /** whether `code` has channels first */
  isFirst: boolean;
  /** of a sequence, some of whose steps are padding */
  mask?: TorchMask | undefined;
}

/** The name in `forward` of (rows, steps): whether a step counts. Who never asks gets no line for it. */
export type TorchMask = () => string;

/** What a layer may need besides its inputs. */
export interface TorchScope {
  /** of the layer's output */
  mask: TorchMask | undefined;
  /** a line of its own in `forward`; returns the name, which is `name` or near it */
  assign(name: string, code: string): string;
  /** a function beside the module, once for all who ask for it */
  define(code: string): void;
}

export interface TorchLayer {
  /** how a module of the layer's name is made; none: it has no weights */
  module?: string;
  /** of the module, by their names in its state */
  weights: Record<string, WeightTensor>;
  value: TorchValue;
}

/** PyTorch has no module for a layer as it is: its weights can be had in PyTorch's layout all the same. */
export class NoModuleError extends Error {}

export function channelsLast({ code, dims, isFirst }: TorchValue): string {
  return isFirst && dims.length > 1 ? `${code}.movedim(1, -1)` : code;
}

export function channelsFirst({ code, dims, isFirst }: TorchValue): string {
  return isFirst || dims.length === 1 ? code : `${code}.movedim(-1, 1)`;
}

export const last = (code: string, dims: readonly number[]): TorchValue => ({ code, dims, isFirst: false });
export const first = (code: string, dims: readonly number[]): TorchValue => ({ code, dims, isFirst: true });

/** A call in Python; options that are undefined are left out. */
export function call(
  name: string,
  positional: readonly (string | number)[],
  options: Record<string, string | number | boolean | readonly number[] | undefined> = {},
): string {
  const given = Object.entries(options).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${write(value)}`],
  );
  return `${name}(${[...positional.map(String), ...given].join(', ')})`;
}

/** A value as Python has it. */
export function write(value: string | number | boolean | readonly number[]): string {
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'object') return `(${value.join(', ')}${value.length === 1 ? ',' : ''})`;
  return String(value);
}

/** One number where all are the same. */
export function sides(values: readonly number[]): number | readonly number[] {
  return values.every((n) => n === values[0]) ? values[0]! : values;
}

/** Words that cannot be a module's name: Python's, and what nn.Module has. */
const TAKEN = new Set(
  `False None True and as assert async await break class continue def del elif else except finally for from global if import in is lambda
  nonlocal not or pass raise return try while with yield T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda
  double dump_patches eval extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half ipu load_state_dict modules mtia
  named_buffers named_children named_modules named_parameters parameters register_backward_hook register_buffer register_forward_hook
  register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook register_load_state_dict_post_hook
  register_load_state_dict_pre_hook register_module register_parameter register_state_dict_post_hook register_state_dict_pre_hook
  requires_grad_ set_extra_state set_submodule share_memory state_dict to to_empty train training type xpu zero_grad self torch nn F`.split(
    /\s+/,
  ),
);

/** A layer's name in PyTorch. */
export function nameOf(layer: string): string {
  return TAKEN.has(layer) ? `${layer}_` : layer;
}
