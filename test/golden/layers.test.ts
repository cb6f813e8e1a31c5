import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { compileKernels, KERNEL_BUILDS } from '../../src/engine/kernels/load.ts';
import { expectClose, type LayerCase, type LayerOutcome, runLayers } from './run-layers.ts';

/** What PyTorch gives for layers and blocks, from make-layers.py. */
interface Golden {
  rows: number;
  cases: (LayerCase & {
    shape: number[];
    output: number[];
    /** of the mean squared error against the target: to x where it was drawn, and to each parameter; none where nothing is trained */
    gradients: Record<string, number[]>;
    /** statistics after the step */
    running?: Record<string, number[]>;
  })[];
}
const golden = JSON.parse(readFileSync(new URL('./layers.json', import.meta.url), 'utf8')) as Golden;
const titled = golden.cases.map((one, i) => {
  const { name, inputs, ...layer } = one.layers.at(-1)!;
  const before = one.layers.length > 1 ? `, after ${one.layers.slice(0, -1).map(({ type }) => type)}` : '';
  return { i, title: `${JSON.stringify(layer)} of (${Object.values(one.inputs).join(') (')})${before}` };
});

describe.each(KERNEL_BUILDS)("PyTorch's layers, %s kernels", (build) => {
  let ours: LayerOutcome[];
  let shared: LayerOutcome[] | undefined;

  beforeAll(async () => {
    const compiled = compileKernels({ build });
    ours = await runLayers(compiled, 1, golden.rows, golden.cases, 0.5);
    if (build === 'relaxed') shared = await runLayers(compiled, 3, golden.rows, golden.cases, 0.5);
  }, 60_000);

  it.each(titled)('give what ours do: $title', ({ i }) => {
    const expected = golden.cases[i]!;
    const actual = ours[i]!;
    if (shared !== undefined) expect(shared[i]).toEqual(actual);
    expect(actual.shape).toEqual(expected.shape);
    expectClose(actual.output, expected.output, 1e-5, 'output');
    for (const part of ['gradients', 'running'] as const) {
      const values = expected[part] ?? {};
      expect(Object.keys(actual[part])).toEqual(Object.keys(values));
      for (const [name, numbers] of Object.entries(values)) expectClose(actual[part][name]!, numbers, 2e-5, name);
    }
  });
});
