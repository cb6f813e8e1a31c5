import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { compileKernels, KERNEL_BUILDS } from '../../src/engine/kernels/load.ts';
import { expectClose, type LayerOutcome, runLayers } from './run-layers.ts';

/** What PyTorch's layers give, from make-convolutions.py. A layer stands there as in a job's spec; what it leaves out is the default. */
interface Golden {
  rows: number;
  cases: {
    /** of one row of x */
    dims: number[];
    layer: { type: string };
    /** of one row of the output */
    shape: number[];
    output: number[];
    /** of the mean squared error against the target: to x, weight and bias */
    gradients: Record<string, number[]>;
  }[];
}
const golden = JSON.parse(readFileSync(new URL('./convolutions.json', import.meta.url), 'utf8')) as Golden;
const cases = golden.cases.map(({ dims, layer }) => ({
  inputs: { input: dims },
  layers: [{ ...layer, name: 'layer', inputs: ['input'] }],
}));

describe.each(KERNEL_BUILDS)("PyTorch's convolutions and poolings, %s kernels", (build) => {
  let ours: LayerOutcome[];
  let shared: LayerOutcome[] | undefined;

  beforeAll(async () => {
    const compiled = compileKernels({ build });
    ours = await runLayers(compiled, 1, golden.rows, cases, 1);
    if (build === 'relaxed') shared = await runLayers(compiled, 3, golden.rows, cases, 1);
  }, 60_000);

  it.each(golden.cases.map((c, i) => ({ ...c, i, title: `${JSON.stringify(c.layer)} of (${c.dims})` })))(
    'give what ours do: $title',
    ({ i, shape, output, gradients }) => {
      const actual = ours[i]!;
      if (shared !== undefined) expect(shared[i]).toEqual(actual);
      expect(actual.shape).toEqual(shape);
      expectClose(actual.output, output, 1e-5, 'output');
      const names = Object.keys(actual.gradients).map((name) => name.replace('layer.', ''));
      expect(names).toEqual(Object.keys(gradients));
      Object.values(actual.gradients).forEach((values, n) => {
        expectClose(values, gradients[names[n]!]!, 1e-5, names[n]!);
      });
    },
  );
});
