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

${table(['column', 'type', 'prepared'], preparation.inputs.map(describeInput))}

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

function describeInput(input: PreparedInput): string[] {
  const prepared =
    input.type === 'category' || input.type === 'lookup'
      ? `${input.classes.length} classes`
      : input.type === 'image'
        ? input.shape.join(' × ')
        : '';
  return [input.column, input.type, prepared];
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
