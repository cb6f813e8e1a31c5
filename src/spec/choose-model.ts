import { findArrays, shapeOfArray } from './array-columns.ts';
import type { Choose } from './choice.ts';
import type { Column } from './dataset.ts';
import type { Add } from './draft.ts';
import { fillDefaults } from './expand-request.ts';
import { type Input, isPadded } from './input.ts';
import { NAME } from './layers/fields.ts';
import { pointerTo } from './mistake.ts';
import { Layer } from './model.ts';
import { groupByInput, MODEL_INPUT } from './model-shapes.ts';
import { countIndices } from './resolve-inputs.ts';
import { showCount } from './show-count.ts';

/** Layers where the request names none: what suits the kind of data, as large as the rows can teach. */

interface Known {
  isForecast: boolean;
  inputs: readonly Input[];
  columns: readonly Column[];
  trainRows: number;
}

/** Images with a shorter side than this are taken as vectors. */
const SMALLEST_IMAGE = 8;
/** Pooling halves an image until its shorter side is below this. */
const SMALLEST_MAP = 8;

export function chooseLayers({ isForecast, inputs, columns, trainRows }: Known, choose: Choose): Layer[] {
  const image = inputs.length === 1 ? columns.find(({ name }) => name === inputs[0]!.column)?.shape : null;
  const isImage = image != null && Math.min(image[0]!, image[1]!) >= SMALLEST_IMAGE;
  const { layers, reason } = isForecast
    ? small(trainRows)
    : isImage
      ? convolutional(image)
      : inputs.some((input) => isIndex(input) || isPadded(input))
        ? embedded(inputs, columns, trainRows)
        : dense(trainRows);
  choose('/model/layers', describeLayers(layers), reason);
  return layers.map((layer) => fillDefaults(Layer, layer) as Layer);
}

type Draft = { type: string; name?: string; units?: number; filters?: number; rate?: number; [field: string]: unknown };

/** Blocks of a convolution and a pooling, twice as many filters after each (Simonyan & Zisserman 2015). */
function convolutional([height, width]: readonly number[]) {
  const layers: Draft[] = [];
  let side = Math.min(height!, width!);
  let filters = 16;
  for (; side >= SMALLEST_MAP && filters <= 128; side = side >> 1, filters *= 2) {
    layers.push({ type: 'conv2d', filters, padding: 'same', activation: { type: 'relu' } }, { type: 'max_pool2d' });
  }
  layers.push({ type: 'conv2d', filters, padding: 'same', activation: { type: 'relu' } }, { type: 'flatten' });
  layers.push({ type: 'dropout', rate: 0.4 }, { type: 'dense', units: 64, activation: { type: 'relu' } });
  const reason = `Images of ${height} × ${width}: convolutions find the same pattern wherever it stands, and pooling halves them to ${side} or less a side.`;
  return { layers, reason };
}

/** Wider for more rows: few rows cannot teach many weights, and each layer’s dropout keeps them from being learnt by heart. */
function dense(trainRows: number) {
  const units = trainRows < 2_000 ? 64 : trainRows < 20_000 ? 128 : 256;
  const hidden: Draft[] = [
    { type: 'dense', units, activation: { type: 'relu' } },
    { type: 'dropout', rate: 0.1 },
  ];
  const reason = `${showCount(trainRows)} training rows of columns: two dense layers of ${units}, with dropout against learning them by heart.`;
  return { layers: [...hidden, ...hidden], reason };
}

const isIndex = ({ encoding }: Input) => encoding === 'index' || encoding === 'hash_index';

/** An index tells nothing by its size: each column that is taken by one becomes a model input of its own, which an embedding is found for. */
export function separateIndices(inputs: readonly Input[], choose: Choose): void {
  const taken = new Set(inputs.map(({ into }) => into));
  for (const [i, input] of inputs.entries()) {
    if (!isIndex(input) || input.into !== MODEL_INPUT || inputs.length === 1) continue;
    const isName = new RegExp(NAME).test(input.column) && input.column.length <= 64 && !taken.has(input.column);
    input.into = isName ? input.column : `index_${i + 1}`;
    taken.add(input.into);
    choose(
      pointerTo('/inputs', i, 'into'),
      input.into,
      `${input.column} is taken by index: its embedding takes no others.`,
    );
  }
}

/** Where the layers are known beforehand and begin with no embedding. */
export function refuseIndices(inputs: readonly Input[], network: string, add: Add): void {
  inputs.forEach((input, i) => {
    if (!isIndex(input)) return;
    const detail = `an index is looked up in an embedding, and ${network} has none`;
    add(pointerTo('/inputs', i, 'encoding'), detail, 'another encoding, or model.layers with an embedding');
  });
}

const LARGEST_VECTOR = 32;

/** A name that nothing has yet, as near to `wanted` as can be: layers are named after columns, and a column may be called what a layer would be. */
function freeName(wanted: string, taken: Set<string>): string {
  let name = wanted;
  for (let number = 2; taken.has(name); number++) name = `${wanted}_${number}`;
  taken.add(name);
  return name;
}

/** `before`: layers from `name` to a sequence */
function flatten(name: string, before: Draft[], taken: Set<string>) {
  const last = freeName(`${name}_flat`, taken);
  return { last, layers: [...before, { type: 'flatten', name: last, inputs: [before.at(-1)?.name ?? name] } as Draft] };
}

/** Steps that are columns, of which the last may be padding. */
function recurrent(name: string, members: readonly Input[], taken: Set<string>) {
  const columns = members.map(({ column }) => column);
  const arrays = [...findArrays(columns)].filter(([, places]) => places.length === columns.length);
  const shape = arrays.map(([array]) => shapeOfArray(array, columns)).find((found) => found !== null);
  const [steps, known, last] = ['steps', 'known', 'state'].map((part) => freeName(`${name}_${part}`, taken));
  const layers: Draft[] = [
    { type: 'reshape', name: steps!, inputs: [name], shape: shape ?? [columns.length, 1] },
    { type: 'masking', name: known!, inputs: [steps] },
    { type: 'gru', name: last!, inputs: [known], units: 64 },
  ];
  return { last: last!, layers };
}

/**
 * Categories by index become vectors, texts by index the strongest answers of convolutions to their vectors (Kim 2014), steps that may be padding the last state of
 * a recurrent layer; beside all other columns.
 */
function embedded(inputs: readonly Input[], columns: readonly Column[], trainRows: number) {
  const groups = groupByInput(inputs);
  const taken = new Set(groups.keys());
  const branches = [...groups].map(([name, members]) => {
    if (members.every(isPadded)) return recurrent(name, members, taken);
    const indices = countIndices(members, columns);
    if (indices === null) {
      const isImage = members.length === 1 && members[0]!.type === 'image';
      return isImage ? flatten(name, [], taken) : { last: name, layers: [] };
    }
    const isText = members.some(({ type }) => type === 'text');
    const units = isText ? LARGEST_VECTOR : Math.min(LARGEST_VECTOR, Math.max(2, Math.ceil(indices / 2)));
    const vectors = freeName(`${name}_vectors`, taken);
    const layers: Draft[] = [{ type: 'embedding', name: vectors, inputs: [name], units }];
    if (!isText) return flatten(name, layers, taken);
    const [patterns, last] = [freeName(`${name}_patterns`, taken), freeName(`${name}_text`, taken)];
    const convolution = { type: 'conv1d', filters: 64, padding: 'same', activation: { type: 'relu' } };
    layers.push({ ...convolution, name: patterns, inputs: [vectors] });
    layers.push({ type: 'global_max_pool1d', name: last, inputs: [patterns] });
    return { last, layers };
  });
  const { layers: hidden, reason } = dense(trainRows);
  const layers: Draft[] = branches.flatMap((branch) => branch.layers);
  const ends = branches.map(({ last }) => last);
  if (ends.length > 1) layers.push({ type: 'concatenate', name: freeName('columns', taken), inputs: ends });
  const indexed = inputs.some(isIndex) ? ' What is taken by index becomes learnt vectors first.' : '';
  const padded = inputs.some(isPadded) ? ' Steps go through a recurrent layer first, which passes over padding.' : '';
  return { layers: [...layers, ...hidden], reason: `${reason}${indexed}${padded}` };
}

/** Windows overlap: so many rows tell less than as many that stand alone. */
function small(windows: number) {
  const units = windows < 5_000 ? 16 : windows < 50_000 ? 64 : 256;
  const layers: Draft[] = [
    { type: 'dense', units, activation: { type: 'relu' } },
    { type: 'dropout', rate: 0.2 },
  ];
  const reason = `${showCount(windows)} windows, which overlap: one dense layer of ${units}.`;
  return { layers, reason };
}

/** `dense 64` */
export function describeLayers(layers: readonly object[]): string[] {
  return (layers as Draft[]).map(({ type, units, filters, rate }) => {
    const size = units ?? filters ?? rate;
    return size === undefined ? type : `${type} ${size}`;
  });
}
