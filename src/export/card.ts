import { widthOf } from '../data/fit-preparation.ts';
import type { ExportFigures } from '../spec/export.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import { ruleOf } from '../spec/layers/rules.ts';
import type { Layer } from '../spec/model.ts';
import type { Optimizer } from '../spec/optimizer.ts';
import { outputsOf, type Preparation, type PreparedInput, type PreparedOutput } from '../spec/preparation.ts';
import type { Network, PlacedLayer } from './network.ts';

/** The model card of a bundle (Mitchell et al. 2019), as far as spec and figures tell it: what it is for, from what, and how good. */
export function writeCard(of: {
  spec: JobSpec;
  preparation: Preparation;
  /** where the spec says auto */
  learningRate: number | undefined;
  network: Network;
  figures: ExportFigures;
  /** lines about the files beside it */
  contents: readonly string[];
}): string {
  const { spec, preparation, learningRate, network, figures, contents } = of;
  const { training } = spec;
  return `# ${onOneLine(spec.name)}

Predicts ${(preparation.forecast === undefined ? outputsOf(preparation) : [{ output: preparation }])
    .map(({ output }) => describeOutput(output, preparation.forecast))
    .join(', ')}.

## Inputs

A row of prepared numbers is these columns side by side${preparation.forecast === undefined ? '' : ', and a window such rows one behind the other'}; \`preparation.json\` has the figures.

${table(['column', 'type', 'places', 'prepared'], describeInputs(preparation.inputs))}

## Network

${table(['layer', 'type', 'output', 'parameters'], network.layers.map(describeLayer))}

## Training

${table(
  ['', ''],
  [
    ['dataset', spec.dataset],
    ['loss', training.loss.type],
    ['optimizer', describeOptimizer(training.optimizer, learningRate)],
    ['batch size', String(training.batch_size)],
    ['seed', String(training.seed)],
  ],
)}

## Figures

${table(
  ['metric', 'of these weights'],
  Object.entries(figures.metrics).map(([name, value]) => [name, String(value)]),
)}

What the dataset does not have the network has not seen: rows unlike its training rows get answers all the same.

## Files

${contents.join('\n')}
`;
}

function describeOptimizer({ type, learning_rate: given }: Optimizer, found: number | undefined): string {
  if (given !== 'auto') return `${type}, learning rate ${given}`;
  return `${type}, learning rate ${found === undefined ? '' : `${found}, `}found by a range test`;
}

function describeOutput({ target, link }: PreparedOutput, forecast: Preparation['forecast']): string {
  if (link === 'embedding') return 'embeddings';
  if (forecast !== undefined) {
    const { columns, horizon, window } = forecast;
    return `the next ${horizon === 1 ? 'value' : `${horizon} values`} of ${columns.map(cell).join(', ')} from the last ${window} rows`;
  }
  if (target.type === 'number') return target.columns.map(({ column }) => cell(column)).join(', ');
  if (target.type === 'next_token') return 'the next token';
  return `${cell(target.column)} (one of ${target.classes.length} classes)`;
}

function describeInputs(inputs: readonly PreparedInput[]): string[][] {
  let first = 0;
  return inputs.map((input) => {
    const width = widthOf(input);
    const places = width === 1 ? `${first}` : `${first}–${first + width - 1}`;
    first += width;
    const indicator = 'indicator' in input && input.indicator === true ? '; last, 1 where it is missing, else 0' : '';
    return [input.column, input.type, places, `${describePrepared(input)}${indicator}`];
  });
}

/** What becomes of a value, in the words of preparation.json. */
function describePrepared(input: PreparedInput): string {
  switch (input.type) {
    case 'number': {
      const from = input.transform === undefined ? 'value' : `${input.transform.type}(value)`;
      const before = [
        ...(input.smoothing === undefined ? [] : [`smoothed by ${input.smoothing.type}`]),
        ...(input.clip === undefined ? [] : ['clipped']),
      ];
      return [...before, `${from} · scale + shift; missing where there is none`].join(', ');
    }
    case 'boolean':
      return '1 for true, 0 for false, 0.5 where it is missing';
    case 'category':
      return `${input.encoding === 'index' ? '1 + the place among' : 'one-hot over'} ${input.classes.length} classes`;
    case 'lookup':
      return `values of ${input.classes.length} classes; missing for any other`;
    case 'hash':
      return `${input.encoding === 'index' ? '1 + the place among' : 'one-hot over'} ${input.buckets} buckets, by MurmurHash3`;
    case 'date':
      return input.parts.map(({ of }) => of).join(', ');
    case 'image':
      return `${input.shape.join(' × ')}, row by row, channels last: byte · scale + shift`;
    case 'terms':
      return input.terms === undefined ? `hashes of ${input.splitter.type}s` : `terms of ${input.splitter.type}s`;
    case 'tokens':
      return `${input.splitter.type}s by their places: 0 behind the end, 1 for any other`;
    case 'text':
      return `${input.context} tokens`;
  }
}

function describeLayer({ layer, inputs, output }: PlacedLayer): string[] {
  const parameters = ruleOf(layer).parameters?.(layer as Layer, inputs) ?? [];
  // a tied layer's weights are the embedding's
  const own =
    'tied_to' in layer && layer.tied_to !== null ? parameters.filter(({ name }) => name === 'bias') : parameters;
  const count = own.reduce((sum, { dims }) => sum + dims.reduce<number>((product, n) => product * (n ?? 0), 1), 0);
  return [layer.name, layer.type, output.join(' × '), count.toLocaleString('en-US')];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

const onOneLine = (text: string) => text.replaceAll(/\s+/g, ' ').trim();

/** A client's words: they cannot end the cell or the table, nor be taken for Markdown's own. */
function cell(text: string): string {
  return onOneLine(text).replaceAll(/[\\|`*_<>[\]]/g, (character) => `\\${character}`);
}
