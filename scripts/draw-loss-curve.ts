import { mkdir, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';

/**
 * `node scripts/draw-loss-curve.ts --job job_… [--api http://127.0.0.1:3000/v1] [--out docs/loss-curve.svg]`: draws a job's loss by step from its metrics,
 * as the API gives them.
 */
const { values } = parseArgs({
  options: {
    api: { type: 'string', default: 'http://127.0.0.1:3000/v1' },
    job: { type: 'string' },
    out: { type: 'string', default: 'docs/loss-curve.svg' },
  },
});
if (values.job === undefined) throw new Error('--job is missing');

interface Series {
  name: string;
  split: string;
  points: { step: number; value: number }[];
}
const response = await fetch(`${values.api}/jobs/${values.job}/metrics?max_points=10000`);
if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
const { data } = (await response.json()) as { data: Series[] };
const pick = (name: string, split: string) =>
  data.find((series) => series.name === name && series.split === split)?.points ?? [];

const curves = [
  ...pick('loss', 'train').map(({ step, value }) => ({ step, loss: value, of: 'training, by step' })),
  ...pick('epoch_loss', 'train').map(({ step, value }) => ({ step, loss: value, of: 'training, mean of the epoch' })),
  ...pick('loss', 'validation').map(({ step, value }) => ({ step, loss: value, of: 'validation' })),
];
const order = ['training, by step', 'training, mean of the epoch', 'validation'];
const spec: TopLevelSpec = {
  $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
  width: 640,
  height: 280,
  background: 'white',
  padding: 12,
  data: { values: curves },
  encoding: {
    x: { field: 'step', type: 'quantitative', title: 'step', axis: { grid: false }, scale: { nice: false } },
    y: { field: 'loss', type: 'quantitative', title: 'loss (log scale)', scale: { type: 'log', nice: false } },
    color: {
      field: 'of',
      type: 'nominal',
      title: null,
      scale: { domain: order, range: ['#c6d5ea', '#2f6db5', '#d9662b'] },
      legend: { orient: 'top', labelLimit: 0, columnPadding: 24 },
    },
  },
  layer: [
    { transform: [{ filter: { field: 'of', equal: order[0]! } }], mark: { type: 'line', strokeWidth: 0.8 } },
    {
      transform: [{ filter: { field: 'of', oneOf: order.slice(1) } }],
      mark: { type: 'line', strokeWidth: 2, point: { size: 28 } },
    },
  ],
};
const view = new View(parse(compile(spec).spec), { renderer: 'none' });
await mkdir(new URL('../docs', import.meta.url), { recursive: true });
await writeFile(values.out, `${await view.toSVG()}\n`);
console.log(`${values.out}: ${curves.length} points`);
