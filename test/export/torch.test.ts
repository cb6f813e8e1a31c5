import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chooseKernels } from '../../src/engine/kernels/load.ts';
import { writeNpz } from '../../src/export/npz.ts';
import { writeSafetensors } from '../../src/export/safetensors.ts';
import type { Weights } from '../../src/export/tensors.ts';
import { describeTorch } from '../../src/export/torch/write-torch.ts';
import { expectClose, type LayerCase, runLayers } from '../golden/run-layers.ts';
import { ACTIVATIONS, CASES, networkOf, one, partsOf, titleOf } from './cases.ts';

/** Weights in PyTorch's names and layout, loaded by the code that comes with them, in a real PyTorch. */
const PYTHON = '/usr/bin/python3';
const NO_TORCH =
  spawnSync(PYTHON, ['-c', 'import torch, numpy']).status === 0
    ? null
    : 'python3-torch is not installed (apt-get install python3-torch)';

/** A small network of each family, as somebody would have it. */
const FAMILIES: Record<string, LayerCase & { layers: Record<string, unknown>[] }> = {
  perceptron: {
    inputs: { input: [4] },
    layers: [
      { type: 'dense', name: 'dense_1', inputs: ['input'], units: 5, activation: 'relu' },
      { type: 'batch_norm', name: 'batch_norm_1', inputs: ['dense_1'] },
      { type: 'dense', name: 'output', inputs: ['batch_norm_1'], units: 3 },
    ],
  },
  convolutional: {
    inputs: { input: [8, 8, 1] },
    layers: [
      { type: 'conv2d', name: 'conv2d_1', inputs: ['input'], filters: 3, activation: 'relu', padding: 'same' },
      { type: 'max_pool2d', name: 'max_pool2d_1', inputs: ['conv2d_1'] },
      { type: 'flatten', name: 'flatten_1', inputs: ['max_pool2d_1'] },
      { type: 'dense', name: 'output', inputs: ['flatten_1'], units: 2 },
    ],
  },
  recurrent: {
    inputs: { input: [5] },
    layers: [
      { type: 'embedding', name: 'embedding_1', inputs: ['input'], vocabulary: 7, units: 4 },
      { type: 'lstm', name: 'lstm_1', inputs: ['embedding_1'], units: 3, returns: 'sequence' },
      { type: 'dense', name: 'output', inputs: ['lstm_1'], units: 7 },
    ],
    x: [
      [1, 2, 3, 4, 5],
      [6, 5, 4, 3, 2],
      [0, 1, 0, 1, 0],
    ],
  },
  transformer: {
    inputs: { input: [5] },
    layers: [
      { type: 'embedding', name: 'embedding_1', inputs: ['input'], vocabulary: 7, units: 4 },
      { type: 'position_embedding', name: 'position_embedding_1', inputs: ['embedding_1'] },
      { type: 'transformer_decoder', name: 'block_1', inputs: ['position_embedding_1'], heads: 2, units: 6 },
      { type: 'dense', name: 'output', inputs: ['block_1'], units: 7 },
    ],
    x: [
      [1, 2, 3, 4, 5],
      [6, 5, 4, 3, 2],
      [0, 1, 0, 1, 0],
    ],
  },
};
/** Padding within rows, and rows that are nothing else. */
const PADDED: LayerCase[] = [
  [{ type: 'gru', units: 3, depth: 2, bidirectional: true }],
  [{ type: 'lstm', units: 3 }],
  [{ type: 'transformer_encoder', heads: 2, units: 5 }, { type: 'global_average_pool1d' }],
  [{ type: 'attention', heads: 2 }, { type: 'masking', value: 3 }, { type: 'global_max_pool1d' }],
  [{ type: 'conv1d', filters: 3, stride: 2, padding: 'same' }, { type: 'max_pool1d' }, { type: 'flatten' }],
  [{ type: 'lstm', units: 3, depth: 2, bidirectional: true, returns: 'sequence' }],
  [
    { type: 'attention', heads: 2, causal: true },
    { type: 'transformer_decoder', heads: 2, units: 5 },
  ],
  [
    { type: 'group_norm', groups: 2 },
    { type: 'attention', heads: 2, bias: false, causal: true },
  ],
].map((layers) => ({
  inputs: { input: [5] },
  layers: [{ type: 'embedding', vocabulary: 7, units: 4, padding: true }, ...layers].map((layer, i) => ({
    ...layer,
    name: i === layers.length ? 'layer' : `mask${i === 0 ? '' : `_${i + 1}`}`,
    inputs: [i === 0 ? 'input' : `mask${i === 1 ? '' : `_${i}`}`],
  })),
  x: [
    [0, 3, 0, 5, 2],
    [0, 0, 0, 0, 0],
    [1, 2, 6, 0, 0],
  ],
}));
const ROWS = 3;
const PADDED_CASES = PADDED.map((c) => ({ ...c, training: false, rows: ROWS, scale: 0.5 }));
const FAMILY_CASES = Object.values(FAMILIES).map((c) => ({ ...c, training: false, rows: ROWS, scale: 0.5 }));

interface Tried {
  title: string;
  case: LayerCase;
  rows: number;
  x: Float32Array;
  weights: Weights;
  expected: ArrayLike<number>;
}

describe.skipIf(NO_TORCH !== null)(`PyTorch ${NO_TORCH ?? 'loads exports'}`, () => {
  let folder: string;
  let tried: (Tried & { code: string | null; reason: string | null })[];
  let given: (number[] | string)[];
  let npz: Record<string, [number[], number[]]>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'trainyard-torch-'));
    const { compiled } = chooseKernels();
    const all = [...CASES, ...PADDED_CASES, ...FAMILY_CASES];
    const runs = [...Map.groupBy(all, ({ rows, scale }) => JSON.stringify([rows, scale])).values()];
    const cases: Tried[] = [];
    for (const group of runs) {
      const outcomes = await runLayers(compiled, 1, group[0]!.rows, group, group[0]!.scale);
      group.forEach((one, i) => {
        const { drawn, output } = outcomes[i]!;
        const { x, parameters: weights } = drawn;
        cases.push({ title: titleOf(one), case: one, rows: one.rows, x, weights, expected: output });
      });
    }
    const { columns, x } = ACTIVATIONS;
    for (const { activation, y } of ACTIVATIONS.cases) {
      const own = one({ type: 'activation', ...{ activation } }, [columns]);
      const rows = x.length / columns;
      cases.push({
        ...{ title: titleOf(own), case: own, rows, x: Float32Array.from(x), weights: new Map(), expected: y },
      });
    }
    tried = await Promise.all(
      cases.map(async (c, i) => {
        const { weights, code, reason } = describeTorch(networkOf(c.case), c.weights, `${i}.safetensors`);
        await writeFile(join(folder, `${i}.safetensors`), await writeSafetensors(weights));
        return { ...c, code, reason };
      }),
    );
    await writeFile(join(folder, 'weights.npz'), writeNpz(tried[0]!.weights));
    const list = tried
      .filter(({ code }) => code !== null)
      .map(({ code, case: own, x, rows }) => {
        const inputs = Object.entries(partsOf(own, x, rows));
        return {
          code,
          inputs: Object.fromEntries(inputs.map(([name, { shape, data }]) => [name, { shape, data: [...data] }])),
        };
      });
    await writeFile(join(folder, 'cases.json'), JSON.stringify(list));
    const script = fileURLToPath(new URL('./check-torch.py', import.meta.url));
    const { stdout, stderr, status } = spawnSync(PYTHON, [script, folder], { maxBuffer: 2 ** 26, encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    const answer = JSON.parse(stdout) as { cases: (number[] | string)[]; npz: typeof npz };
    given = answer.cases;
    npz = answer.npz;
  }, 120_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('and gives our numbers', () => {
    const coded = tried.filter(({ code }) => code !== null);
    const wrong = coded.flatMap(({ title, expected, code }, i) => {
      const y = given[i]!;
      if (typeof y === 'string') return [`${title}: ${y}\n${code}`];
      const scale = Math.max(1e-6, ...Array.from(expected, Math.abs));
      const off = Math.max(...y.map((value, n) => Math.abs(value - expected[n]!) / scale));
      return y.length === expected.length && off < 1e-5 ? [] : [`${title}: ${y.length} values, off by ${off}\n${code}`];
    });
    expect(wrong.join('\n\n')).toBe('');
    expect(coded.length).toBeGreaterThan(180);
  });

  it('where PyTorch has no module, it is said why', () => {
    const reasons = tried.flatMap(({ reason }) => (reason === null ? [] : [reason]));
    expect(new Set(reasons)).toEqual(
      new Set([
        'the heads of layer share keys',
        'layer has rotary positions',
        'layer is no block as nn.TransformerEncoderLayer has it: with layer norms, biases, relu or gelu, and no gate',
        'layer attends to a sequence of another width',
      ]),
    );
  });

  it('in 15 lines for each family', () => {
    for (const family of FAMILY_CASES) {
      const { code } = tried.find((one) => one.case === family)!;
      expect(code!.trim().split('\n').length, code!).toBeLessThanOrEqual(15);
    }
  });

  it('numpy loads npz', () => {
    const { weights } = tried[0]!;
    expect(Object.keys(npz)).toEqual([...weights.keys()]);
    for (const [name, { shape, data }] of weights) {
      expect(npz[name]![0]).toEqual(shape);
      expectClose(data, npz[name]![1], 1e-7, name);
    }
  });
});
