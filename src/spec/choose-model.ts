import type { Choose } from './choice.ts';
import type { Column } from './dataset.ts';
import { fillDefaults } from './expand-request.ts';
import type { Input } from './input.ts';
import { Layer } from './model.ts';
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
  const { layers, reason } = isForecast ? small(trainRows) : isImage ? convolutional(image) : dense(trainRows);
  choose('/model/layers', describeLayers(layers), reason);
  return layers.map((layer) => fillDefaults(Layer, layer) as Layer);
}

type Draft = { type: string; units?: number; filters?: number; rate?: number; [field: string]: unknown };

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
