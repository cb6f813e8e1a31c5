import type { DatasetRow } from '../db/datasets.ts';
import type { ModelVersionRow } from '../db/model-versions.ts';
import type { ModelRow } from '../db/models.ts';
import { Column } from '../spec/dataset.ts';
import { Evaluation, type Figure, type SplitEvaluation } from '../spec/evaluation.ts';
import { JobSpec } from '../spec/job-spec.ts';
import type { ModelCard } from '../spec/model-card.ts';
import { countOf } from '../spec/show-count.ts';
import { inOrderOf } from './in-order.ts';
import { presentModelVersion } from './present.ts';

const arrangeSpec = inOrderOf(JobSpec);
const arrangeColumn = inOrderOf(Column);
const arrangeImportance = inOrderOf(Evaluation.properties.importance);
const arrangeSplits = inOrderOf(Evaluation.properties.splits);

/** A card from what the registry, the dataset and the evaluation say. */
export function makeModelCard(model: ModelRow, version: ModelVersionRow, dataset: DatasetRow | null): ModelCard {
  return {
    model: presentModelVersion(version),
    about: model.description,
    spec: arrangeSpec(version.spec),
    dataset: dataset && {
      id: dataset.id,
      name: dataset.name,
      format: dataset.format,
      rows: dataset.rows,
      size_bytes: dataset.sizeBytes,
      sha256: dataset.sha256,
      deleted: dataset.deletedAt !== null,
      columns: dataset.columns.map((column): Record<string, unknown> => arrangeColumn(column)),
    },
    importance: arrangeImportance(version.evaluation?.importance ?? null),
    notes: version.evaluation?.notes ?? [],
    evaluation: arrangeSplits((version.evaluation?.splits ?? null) as Record<string, SplitEvaluation> | null),
  };
}

/** Rows of a table that a reader still looks through. */
const MOST_COLUMNS = 50;

/** The same for people, in Markdown. What clients wrote stands as text, but for descriptions, which are Markdown. */
export function writeModelCard(card: ModelCard): string {
  const { model, about, spec, dataset, evaluation, importance, notes } = card;
  const { lineage } = model;
  const labels = [...model.aliases, ...model.tags].map(quote).join(', ');
  const inputs = spec.inputs.map(({ column, type, into: _, ...how }) => [
    quote(column),
    type,
    escapeText(describeSettings(how)),
  ]);
  const metadata = Object.entries(model.metadata).map(([name, value]) => [quote(name), escapeText(value)]);
  const { output } = spec.model;
  const ends = output === null ? [] : [{ name: 'output', type: 'dense', ...output }];
  const layers = [...spec.model.layers, ...ends].map(({ name, inputs: from, type, ...layer }) => [
    quote(name),
    type,
    from.map(quote).join(', '),
    escapeText(describeSettings(withoutInitializers(layer))),
  ]);
  const { optimizer, loss, seed } = spec.training;
  return [
    `# ${model.model}, version ${model.version}`,
    labels,
    about,
    model.description,
    '## What it does',
    `From ${spec.inputs.length === 1 ? 'one column' : `${spec.inputs.length} columns`} it answers ${describeTarget(spec)}.`,
    table(['input', 'type', 'prepared'], inputs.slice(0, MOST_COLUMNS)),
    inputs.length > MOST_COLUMNS ? `… and ${inputs.length - MOST_COLUMNS} more.` : '',
    '## How good it is',
    ...writeEvaluation(model, evaluation),
    importance === null
      ? ''
      : `### What it looks at\n\nBy so much its loss on the ${importance.split} split grows when a column is shuffled:`,
    importance === null
      ? ''
      : table(
          ['column', 'loss'],
          importance.columns
            .slice(0, MOST_COLUMNS)
            .map(({ column, loss_increase }) => [quote(column), round(loss_increase)]),
        ),
    notes.length === 0 ? '' : '## What to beware of',
    notes.map(({ message }) => `- ${escapeText(message)}`).join('\n'),
    '## Data',
    dataset === null
      ? `It learnt from ${quote(lineage.dataset)}, of which nothing is known any more.`
      : `It learnt from ${escapeText(dataset.name)} (${quote(dataset.id)}${dataset.deleted ? ', since deleted' : ''}): ${countOf(dataset.rows, 'row')}, ${countOf(dataset.size_bytes, 'byte')} of ${dataset.format}, sha256 ${quote(dataset.sha256)}.`,
    dataset === null ? '' : table(['column', 'type', 'missing', 'values'], describeColumns(dataset.columns)),
    '## How it was trained',
    table(['layer', 'type', 'from', ''], layers),
    `Loss ${quote(loss.type)}, optimizer ${quote(optimizer.type)} with ${optimizer.learning_rate === 'auto' ? 'a learning rate found by a range test' : `a learning rate of ${optimizer.learning_rate}`}, batches of ${spec.training.batch_size}, seed ${seed}; weights of step ${lineage.step}, epoch ${lineage.epoch}.`,
    `Split: ${describe(spec.split)}.`,
    '## Where it comes from',
    table(
      ['', ''],
      [
        ['checkpoint', quote(lineage.checkpoint)],
        ['job', quote(lineage.job)],
        ['dataset', quote(lineage.dataset)],
        ['began from', lineage.model === null ? 'scratch' : quote(lineage.model)],
        ['weights', `${model.size_bytes} bytes, sha256 ${quote(model.sha256)}`],
        ['registered', model.created_at],
        ...metadata,
      ],
    ),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
    .concat('\n');
}

function writeEvaluation(model: ModelCard['model'], evaluation: ModelCard['evaluation']): string[] {
  if (evaluation === null) {
    const rows = Object.entries({ ...model.metrics, ...model.job_metrics }).map(([name, value]) => [
      quote(name),
      round(value),
    ]);
    return rows.length === 0 ? ['Nothing was measured.'] : [table(['figure', 'value'], rows)];
  }
  return Object.entries(evaluation).flatMap(([split, { rows, targets }]) =>
    targets.map(({ name, metrics }) => {
      const lines = Object.entries(metrics).map(([metric, figure]) => [metric, ...describeFigure(figure)]);
      return `### ${split}, ${quote(name)}, ${countOf(rows, 'row')}\n\n${table(['', 'value', '95 % interval', 'baseline'], lines)}`;
    }),
  );
}

function describeFigure({ value, low, high, baseline }: Figure): string[] {
  return [round(value), low === null || high === null ? '' : `${round(low)} to ${round(high)}`, round(baseline)];
}

function describeTarget({ target, forecast }: ModelCard['spec']): string {
  if (target.type === 'next_token') return `the next token of ${target.columns.map(quote).join(', ')}`;
  if (forecast != null) {
    const { horizon, window } = forecast;
    return `the next ${horizon === 1 ? 'value' : `${horizon} values`} of ${target.columns.map(quote).join(', ')} (${target.type}), by the last ${window} rows`;
  }
  return target.columns.map((column) => `${quote(column)} (${target.type})`).join(', ');
}

function describeColumns(columns: readonly Record<string, unknown>[]): string[][] {
  return (columns as Column[]).slice(0, MOST_COLUMNS).map((column) => {
    const { name, type, missing } = column;
    return [
      quote(String(name)),
      String(type),
      missing === undefined ? '' : String(missing),
      escapeText(describeValues(column)),
    ];
  });
}

const MOST_CLASSES = 8;

/** A range, or the classes with the most rows. */
function describeValues({ type, minimum, maximum, classes }: Column): string {
  const at = (value: number) => (type === 'date' ? new Date(value).toISOString().slice(0, 10) : round(value));
  if (minimum != null && maximum != null) return `${at(minimum)} to ${at(maximum)}`;
  if (classes == null) return '';
  const shown = classes
    .toSorted((a, b) => b.rows - a.rows)
    .slice(0, MOST_CLASSES)
    .map(({ value, rows }) => `${value.slice(0, 60)} (${rows})`);
  return [...shown, ...(classes.length > MOST_CLASSES ? [`${classes.length - MOST_CLASSES} more`] : [])].join(', ');
}

/** `encoding one_hot, impute mean`; `units 64, activation relu, bias` */
function describeSettings(how: object): string {
  return Object.entries(how)
    .filter(([, value]) => value !== null && value !== false && value !== 'none' && value !== 'values')
    .map(([name, value]) => `${name.replaceAll('_', ' ')} ${describeValue(value)}`.trimEnd())
    .join(', ');
}

/** What a layer began from is in the spec, and tells a reader nothing of what it does. */
const withoutInitializers = (layer: object) =>
  Object.fromEntries(Object.entries(layer).filter(([name]) => !/(^|_)init$/.test(name)));

function describeValue(value: unknown): string {
  if (Array.isArray(value)) return value.slice(0, MOST_CLASSES).join(' ');
  if (typeof value !== 'object' || value === null) return value === true ? '' : String(value);
  const { type = '', ...fields } = value as { type?: string };
  const rest = describe(fields);
  return `${type}${rest === '' ? '' : ` (${rest})`}`;
}

/** `units 3, bias true`: what is plain; the whole is in the spec. */
function describe(fields: object): string {
  return Object.entries(fields)
    .filter(([name, value]) => name !== 'type' && value !== null && typeof value !== 'object')
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}

function round(value: number | string | null): string {
  return value === null ? '' : typeof value === 'number' ? String(Number(value.toPrecision(5))) : value;
}

/** Code, in which a back tick or a new line cannot stand. */
function quote(text: string): string {
  return `\`${text.replaceAll(/[`\r\n|]/g, ' ')}\``;
}

/** Text without a meaning in Markdown or HTML. */
function escapeText(text: string): string {
  return text.replaceAll(/[\r\n]+/g, ' ').replaceAll(/[\\`*_{}[\]<>()#+!|~&]/g, '\\$&');
}
