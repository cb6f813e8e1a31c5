import { ApiError, type ProblemError } from '../spec/errors.ts';
import type { InferenceRequest, Tensor, TensorMetadata } from '../spec/inference.ts';
import { MOST_MISTAKES } from '../spec/mistake.ts';
import type { Prediction, RowMistake } from '../spec/prediction.ts';
import { outputsOf, type Preparation, type PreparedForecast } from '../spec/preparation.ts';
import { countOf } from '../spec/show-count.ts';
import { didYouMean } from '../spec/suggest.ts';
import { MOST_ROWS } from './predict-rows.ts';

/** Between tensors by name and rows by column. */

const PROBABILITIES = '.probabilities';
const SCORES = '.scores';

/** A tensor for each column; an image's has its shape. */
export function describeInputs({ inputs, forecast }: Preparation): TensorMetadata[] {
  const described = inputs.map((input) => {
    if (input.type === 'image') return { name: input.column, datatype: 'UINT8', shape: [-1, ...input.shape] };
    const datatype = input.type === 'number' ? 'FP64' : input.type === 'boolean' ? 'BOOL' : 'BYTES';
    return { name: input.column, datatype, shape: [-1] };
  });
  const more = namesBeside(inputs, forecast).map((name) => ({ name, datatype: 'BYTES', shape: [-1] }));
  return [...described, ...more];
}

/** Columns that tell where a row stands among the others of a forecast, and are no inputs. */
function namesBeside(inputs: Preparation['inputs'], forecast: Preparation['forecast']): string[] {
  const names = [forecast?.orderBy, forecast?.groupBy].filter((name) => name !== undefined);
  return names.filter((name) => inputs.every(({ column }) => column !== name));
}

type DescribedTensor = TensorMetadata & { classes: string[] | null };

/** A tensor for each target, of a forecast with its next values, and for a category another of `species.probabilities`, in the order of its classes. */
export function describeTensors(preparation: Preparation): DescribedTensor[] {
  const { forecast } = preparation;
  if (forecast !== undefined) return describeSteps(preparation, forecast);
  return outputsOf(preparation).flatMap(({ output: { target, link, outputWidth } }) => {
    const one = (name: string, datatype: string) => ({ name, datatype, shape: [-1], classes: null });
    if (link === 'embedding') return [{ name: 'embedding', datatype: 'FP64', shape: [-1, outputWidth], classes: null }];
    if (target.type === 'number') return target.columns.map(({ column }) => one(column, 'FP64'));
    if (target.type === 'next_token') return [one('next_token', 'BYTES')];
    const { column, classes } = target;
    const name = `${column}${link === 'scores' ? SCORES : PROBABILITIES}`;
    return [one(column, 'BYTES'), { name, datatype: 'FP64', shape: [-1, classes.length], classes }];
  });
}

/** Of a forecast: the next values of each column, of a category with what is said of each of its classes. */
function describeSteps({ target, link }: Preparation, { columns, horizon }: PreparedForecast): DescribedTensor[] {
  const shape = [-1, horizon];
  if (target.type !== 'category') return columns.map((name) => ({ name, datatype: 'FP64', shape, classes: null }));
  const { column, classes } = target;
  const name = `${column}${link === 'scores' ? SCORES : PROBABILITIES}`;
  return [
    { name: column, datatype: 'BYTES', shape, classes: null },
    { name, datatype: 'FP64', shape: [...shape, classes.length], classes },
  ];
}

/** Rows of objects from one tensor for each column. Throws invalid_field with all that does not fit together. */
export function readTensors({ inputs }: InferenceRequest, preparation: Preparation): Record<string, unknown>[] {
  const errors: ProblemError[] = [];
  const add = (pointer: string, detail: string, expected: string) => {
    if (errors.length < MOST_MISTAKES) errors.push({ pointer, code: 'invalid_field', detail, expected });
  };
  const columns = new Map(preparation.inputs.map((input) => [input.column, input]));
  const beside = namesBeside(preparation.inputs, preparation.forecast);
  const names = new Set<string>();
  const [count] = inputs[0]!.shape as [number];
  if (count < 1 || count > MOST_ROWS)
    add('/inputs/0/shape/0', `the first input has ${countOf(count, 'row')}`, `1 to ${MOST_ROWS} rows`);
  const rows: Record<string, unknown>[] = Array.from({ length: Math.min(Math.max(0, count), MOST_ROWS) }, () => ({}));
  inputs.forEach(({ name, shape, data }, i) => {
    const at = `/inputs/${i}`;
    const input = columns.get(name);
    if (input === undefined && !beside.includes(name)) {
      const known = [...columns.keys(), ...beside];
      add(`${at}/name`, `the model has no input "${name}".${didYouMean(name, known)}`, known.slice(0, 10).join(', '));
      return;
    }
    if (names.has(name)) add(`${at}/name`, `"${name}" stands here twice`, 'each input once');
    names.add(name);
    const width = input?.type === 'image' ? input.shape.reduce((product, size) => product * size, 1) : 1;
    const own = input?.type === 'image' ? ` × ${input.shape.join(' × ')}` : '';
    const product = shape.reduce((all, size) => all * size, 1);
    if (shape[0] !== count || product !== count * width) {
      add(
        `${at}/shape`,
        `${name} has the shape [${shape.join(', ')}]`,
        `${countOf(count, 'row')}, as the first input${own}`,
      );
      return;
    }
    // a dimension or two at most are nested; a list of lists of any depth is flat then
    const flat = data.flat(8);
    if (flat.length !== product) {
      add(`${at}/data`, `it has ${countOf(flat.length, 'value')}`, `${countOf(product, 'value')}, by the shape`);
      return;
    }
    rows.forEach((row, r) => {
      row[name] = input?.type === 'image' ? flat.slice(r * width, (r + 1) * width) : flat[r];
    });
  });
  if (errors.length > 0) throw new ApiError('invalid_field', `${errors[0]!.pointer}: ${errors[0]!.detail}`, { errors });
  return rows;
}

/** What is wrong with a row, where the client has written it. */
export function placeMistakes(mistakes: readonly RowMistake[], { inputs }: InferenceRequest): RowMistake[] {
  return mistakes.map((mistake): RowMistake => {
    const [, row, column] = /^\/rows\/(\d+)(?:\/(.*))?$/s.exec(mistake.pointer) ?? [];
    if (row === undefined) return mistake;
    // of a row without any value: it is in no input alone
    if (column === undefined) return { ...mistake, pointer: '/inputs', detail: `row ${row}: ${mistake.detail}` };
    const name = column.replaceAll('~1', '/').replaceAll('~0', '~');
    const place = inputs.findIndex((input) => input.name === name);
    return place === -1 ? mistake : { ...mistake, pointer: `/inputs/${place}/data/${row}` };
  });
}

/** Tensors of answers, those that are asked for. Throws invalid_field for one that there is not. */
export function writeTensors(
  predictions: readonly Prediction[],
  preparation: Preparation,
  asked: InferenceRequest['outputs'],
): Tensor[] {
  const all = describeTensors(preparation);
  const isForecast = preparation.forecast !== undefined;
  const isOne = isForecast || outputsOf(preparation).length === 1;
  const write = ({ name, datatype, shape, classes }: (typeof all)[number]): Tensor => ({
    name,
    datatype,
    shape: [predictions.length, ...shape.slice(1)],
    data: predictions.flatMap((prediction) => {
      if (classes === null) return [prediction[name]].flat().map(toTensorValue);
      const [part, ending] = name.endsWith(SCORES) ? ['scores', SCORES] : ['probabilities', PROBABILITIES];
      const found = prediction[part!] as Record<string, unknown>;
      const byClass = isOne ? found : (found[name.slice(0, -ending!.length)] as Record<string, unknown>);
      const steps = (isForecast ? found : [byClass]) as Record<string, unknown>[];
      return steps.flatMap((step) => classes.map((one) => toTensorValue(step[one])));
    }),
  });
  if (asked === undefined || asked.length === 0) return all.map(write);
  return asked.map(({ name }, i) => {
    const found = all.find((tensor) => tensor.name === name);
    if (found !== undefined) return write(found);
    const names = all.map((tensor) => tensor.name);
    const detail = `the model has no output "${name}".${didYouMean(name, names)}`;
    throw new ApiError('invalid_field', `/outputs/${i}/name: ${detail}`, {
      errors: [
        { pointer: `/outputs/${i}/name`, code: 'invalid_field', detail, expected: names.slice(0, 10).join(', ') },
      ],
    });
  });
}

/** The protocol has no word for what is no number. */
function toTensorValue(value: unknown): unknown {
  return value === 'NaN' || value === 'Infinity' || value === '-Infinity' ? null : (value ?? null);
}
