import { describeOutputs } from '../data/describe-outputs.ts';
import { describeNextTokens, type PreparedTexts, prepareTexts } from '../data/next-tokens.ts';
import { describeForecasts, isForecast, prepareWindows } from '../data/prepare-forecast.ts';
import { prepareRows } from '../data/prepare-rows.ts';
import { readImageFile } from '../data/read-image-file.ts';
import { type ReadRow, readRows } from '../data/read-rows.ts';
import { nameStep } from '../spec/forecast.ts';
import {
  type AnswerFormat,
  MOST_LINE_WARNINGS,
  MOST_ROW_MISTAKES,
  MOST_WARNINGS,
  type PredictAnswer,
  type Prediction,
  type PredictRequest,
  type RowMistake,
  type RowSource,
  RowsError,
  type RowWarning,
} from '../spec/prediction.ts';
import type { Preparation, PreparedForecast } from '../spec/preparation.ts';

/** Between a request's rows and its answer: what the network is to compute, and what becomes of it. */
export interface PreparedRequest {
  /** (rows that fit, inputWidth) */
  x: Float32Array;
  rows: number;
  /** from the network's outputs for x */
  answer(outputs: Float32Array): PredictAnswer;
}

/** Rows are read and prepared. Throws RowsError; where mistakes are told in line, only where nothing can be read at all. */
export async function prepareRequest(
  { source, answer: format, inline }: Pick<PredictRequest, 'source' | 'answer' | 'inline'>,
  preparation: Preparation,
): Promise<PreparedRequest> {
  if (isForecast(preparation)) return prepareForecast(source, preparation, format);
  if (source.type === 'float32') return prepareValues(source.bytes, preparation, format);
  const read = await readSource(source, preparation);
  const wrong = new Map<number, RowMistake[]>();
  read.forEach(({ row }, place) => {
    if (Array.isArray(row)) wrong.set(place, row);
  });
  const { x, texts, places, warnings } = prepareRight(read, wrong, preparation);
  if (!inline && wrong.size > 0) throw describeWrong(read, wrong, source);
  return {
    x,
    rows: places.length,
    answer(outputs) {
      const predictions = describe(outputs, texts, preparation);
      const answers: (Prediction | { error: object })[] = read.map(({ line }, place) => ({
        error: { line, errors: wrong.get(place) ?? [] },
      }));
      places.forEach((place, i) => {
        answers[place] = predictions[i]!;
      });
      const placed = warnings.map((warning) => ({ ...warning, row: places[warning.row]! }));
      return render(answers, format, preparation, nameLines(placed, read));
    },
  };
}

/** A forecast is told from rows together: each that ends a window is answered. */
function prepareForecast(
  source: RowSource,
  preparation: Preparation & { forecast: PreparedForecast },
  format: AnswerFormat,
): PreparedRequest {
  if (source.type !== 'rows' && source.type !== 'csv' && source.type !== 'ndjson')
    throw refuseBytes('a forecast is told from several rows together', 'rows in the order of time');
  const read = readRows(source, preparation);
  if (read.length > MOST_SERIES_ROWS) {
    const detail = `a forecast is told from at most ${MOST_SERIES_ROWS} rows, and there are ${read.length}`;
    throw new RowsError([{ pointer: '', code: 'too_many_rows', detail, expected: 'the last rows' }]);
  }
  const wrong = new Map(read.flatMap(({ row }, place) => (Array.isArray(row) ? [[place, row]] : [])));
  if (wrong.size > 0) throw describeWrong(read, wrong, source);
  const warnings: RowWarning[] = [];
  const { x, ends } = prepareSeries(read, preparation, (warning) => {
    if (warnings.length < MOST_WARNINGS) warnings.push(warning);
  });
  return {
    x,
    rows: ends.length,
    answer(outputs) {
      const answers = describeForecasts(outputs, ends, preparation);
      const named = nameLines(warnings, read);
      if (format === 'json') return render(answers, format, preparation, named);
      // a line tells of a window: the first that ends with the row or behind it says what is said of the row
      const placed = named.map((warning) => {
        const answer = ends.findIndex(({ row }) => row >= warning.row);
        return { ...warning, pointer: `/rows/${warning.row}${warning.pointer}`, row: answer };
      });
      return render(answers, format, preparation, placed);
    },
  };
}

const MOST_SERIES_ROWS = 1000;

/** Of rows of text, mistakes are told with the line. */
function prepareSeries(
  read: readonly ReadRow[],
  preparation: Preparation & { forecast: PreparedForecast },
  warn: (warning: RowWarning) => void,
) {
  const rows = read.map(({ row }) => row as Record<string, unknown>);
  try {
    return prepareWindows(rows, preparation, warn);
  } catch (error) {
    if (!(error instanceof RowsError)) throw error;
    throw new RowsError(
      error.mistakes.map((mistake) => {
        const line = read[Number(/^\/rows\/(\d+)/.exec(mistake.pointer)?.[1])]?.line ?? null;
        return line === null ? mistake : { ...mistake, detail: `line ${line}: ${mistake.detail}` };
      }),
    );
  }
}

async function readSource(
  source: Exclude<RowSource, { type: 'float32' }>,
  preparation: Preparation,
): Promise<ReadRow[]> {
  if (source.type === 'image') return [{ line: null, row: await readImageFile(source.bytes, preparation) }];
  return source.type === 'pixels' ? splitPixels(source.bytes, preparation) : readRows(source, preparation);
}

/** Prepares the rows that can be prepared, and adds what is wrong with the others. */
function prepareRight(read: readonly ReadRow[], wrong: Map<number, RowMistake[]>, preparation: Preparation) {
  const [input] = preparation.inputs;
  for (;;) {
    const places = [...read.keys()].filter((place) => !wrong.has(place));
    const rows = places.map((place) => read[place]!.row as Record<string, unknown>);
    const warnings: RowWarning[] = [];
    let said = 0;
    const warn = (warning: RowWarning) => {
      said = warnings.at(-1)?.row === warning.row ? said + 1 : 1;
      if (said <= MOST_LINE_WARNINGS) warnings.push(warning);
    };
    try {
      if (input?.type !== 'text') return { x: prepareRows(rows, preparation, warn), texts: null, places, warnings };
      const texts = prepareTexts(rows, input, warn);
      return { x: texts.x, texts, places, warnings };
    } catch (error) {
      if (!(error instanceof RowsError)) throw error;
      let found = 0;
      for (const mistake of error.mistakes) {
        const [, index, rest = ''] = /^\/rows\/(\d+)(\/.*)?$/s.exec(mistake.pointer) ?? [];
        if (index === undefined) throw error;
        found++;
        const place = places[Number(index)]!;
        const known = wrong.get(place) ?? [];
        known.push({ ...mistake, pointer: rest });
        wrong.set(place, known);
      }
      // mistakes are listed up to a number: what is behind shows when these are left out
      if (found === 0) throw error;
    }
  }
}

function describeWrong(
  read: readonly ReadRow[],
  wrong: ReadonlyMap<number, RowMistake[]>,
  source: RowSource,
): RowsError {
  const mistakes = [...wrong.entries()]
    .sort(([a], [b]) => a - b)
    .flatMap(([place, list]) =>
      list.map((mistake) => {
        if (source.type === 'rows') return { ...mistake, pointer: `/rows/${place}${mistake.pointer}` };
        const { line } = read[place]!;
        return line === null ? mistake : { ...mistake, detail: `line ${line}: ${mistake.detail}` };
      }),
    );
  return new RowsError(mistakes.slice(0, MOST_ROW_MISTAKES));
}

/** Of rows of text, the line is told. */
function nameLines(warnings: readonly RowWarning[], read: readonly ReadRow[]): RowWarning[] {
  return warnings.map((warning) => {
    const { line } = read[warning.row]!;
    return line === null ? warning : { ...warning, detail: `line ${line}: ${warning.detail}` };
  });
}

/** Values that are prepared already. */
function prepareValues(bytes: Uint8Array, preparation: Preparation, format: AnswerFormat): PreparedRequest {
  const { inputs, inputWidth } = preparation;
  if (inputs[0]?.type === 'text') throw refuseBytes('a text is sent as text', 'rows with "text"');
  const isImage = inputs.length === 1 && inputs[0]?.type === 'image';
  const rows = countRows(
    bytes,
    4 * inputWidth,
    `${inputWidth} float32 values`,
    isImage ? '; element=uint8 takes bytes' : '',
  );
  const x = new Float32Array(Uint8Array.from(bytes).buffer);
  const at = x.findIndex((value) => !Number.isFinite(value));
  if (at !== -1) {
    const [row, column] = [Math.floor(at / inputWidth), at % inputWidth];
    const detail = `value ${column} of row ${row} is ${x[at]}`;
    throw new RowsError([
      { pointer: `/rows/${row}/${column}`, code: 'not_finite', detail, expected: 'finite numbers' },
    ]);
  }
  return { x, rows, answer: (outputs) => render(describe(outputs, null, preparation), format, preparation) };
}

function splitPixels(bytes: Uint8Array, preparation: Preparation): ReadRow[] {
  const [input, ...more] = preparation.inputs;
  if (input?.type !== 'image' || more.length > 0)
    throw refuseBytes('the network has other inputs than one image', 'rows, or float32 values');
  const width = input.shape.reduce((product, size) => product * size, 1);
  const rows = countRows(bytes, width, `${input.shape.join(' × ')} bytes`);
  const pixels = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: rows }, (_, i) => ({
    line: null,
    row: { [input.column]: pixels.toString('base64', i * width, (i + 1) * width) },
  }));
}

function countRows({ length }: Uint8Array, width: number, each: string, otherwise = ''): number {
  if (length % width !== 0)
    throw refuseBytes(`the last row has ${length % width} bytes`, `rows of ${each}: ${width} bytes each${otherwise}`);
  return length / width;
}

function refuseBytes(detail: string, expected: string): RowsError {
  return new RowsError([{ pointer: '', code: 'wrong_length', detail, expected }]);
}

function describe(outputs: Float32Array, texts: PreparedTexts | null, preparation: Preparation): Prediction[] {
  const [input] = preparation.inputs;
  if (texts === null || input?.type !== 'text') return describeOutputs(outputs, preparation);
  return describeNextTokens(outputs, texts, input, preparation.outputWidth);
}

/** `warnings`: of rows, which are the answers in their order */
function render(
  told: readonly Prediction[],
  format: AnswerFormat,
  preparation: Preparation,
  warnings: readonly RowWarning[] = [],
): PredictAnswer {
  const rows = told.length;
  if (format === 'json')
    return {
      ...{ text: JSON.stringify(told), rows, header: null },
      ...(warnings.length > 0 && { warnings: warnings.slice(0, MOST_WARNINGS) }),
    };
  const byRow = Map.groupBy(warnings, ({ row }) => row);
  const answers = told.map((answer, i): Prediction => {
    const own = byRow.get(i)?.map(({ row: _, ...warning }) => warning);
    return own === undefined ? answer : { ...answer, warnings: own };
  });
  if (format === 'ndjson')
    return { text: answers.map((answer) => `${JSON.stringify(answer)}\n`).join(''), rows, header: null };
  const columns = columnsOf(preparation);
  const empty = ','.repeat(columns.length);
  const lines = answers.map((answer) => {
    const mistaken = describeError(answer);
    if (mistaken !== '') return `${empty}${quoteField(mistaken)},\n`;
    const { warnings: own = [] } = answer as { warnings?: RowMistake[] };
    let line = '';
    // all answers have their values in one order
    let left = columns.length;
    const write = (value: unknown) => {
      if (left === 0) return;
      if (typeof value === 'object' && value !== null) for (const name in value) write((value as Prediction)[name]);
      else {
        line += `${quoteField(value)},`;
        left--;
      }
    };
    write(answer);
    return `${line},${quoteField(own.map(({ detail }) => detail).join('; '))}\n`;
  });
  return { text: lines.join(''), rows, header: `${[...columns, 'error', 'warnings'].map(quoteField).join(',')}\n` };
}

/** Columns of an answer in CSV: `species`, `probabilities.Adelie`, …; of a forecast as its steps are judged: `sky+1`, `probabilities.sky+1.rain`. */
function columnsOf(preparation: Preparation): string[] {
  if (preparation.inputs[0]?.type === 'text') return ['next_token'];
  const width = preparation.outputWidth + (preparation.more ?? []).reduce((sum, output) => sum + output.outputWidth, 0);
  const outputs = new Float32Array(width);
  if (!isForecast(preparation)) return flatten(describeOutputs(outputs, preparation)[0]!).map(([column]) => column);
  const [answer] = describeForecasts(outputs, [{ row: 0, bases: [] }], preparation);
  const [told = ''] = preparation.forecast.columns;
  const steps = Object.entries(answer!).flatMap(([name, values]) => {
    if (!Array.isArray(values)) return [[name, values]];
    return values.map((value, i) =>
      typeof value === 'object' ? [name, { [nameStep(told, i + 1)]: value }] : [nameStep(name, i + 1), value],
    );
  });
  return steps.flatMap(([name, value]) => flatten({ [name]: value }).map(([column]) => column));
}

function flatten(value: Prediction, prefix = ''): [string, unknown][] {
  return Object.entries(value).flatMap(([name, inner]): [string, unknown][] =>
    typeof inner === 'object' && inner !== null
      ? flatten(inner as Prediction, `${prefix}${name}.`)
      : [[`${prefix}${name}`, inner]],
  );
}

function describeError({ error }: Prediction): string {
  if (typeof error !== 'object' || error === null) return '';
  const { line, errors } = error as { line: number | null; errors: RowMistake[] };
  return `${line === null ? '' : `line ${line}: `}${errors.map(({ detail }) => detail).join('; ')}`;
}

function quoteField(value: unknown): string {
  if (typeof value === 'number') return String(value);
  const text = value === null ? '' : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
