import {
  Activation,
  GEMM_SCRATCH_BYTES,
  GemmFlag,
  type KernelName,
  type Kernels,
  NO_LABEL,
  PairLoss,
  StepBlock,
  ValueLoss,
} from './abi.ts';
import type { KernelCase } from './check-case.ts';
import { placeNormalizationCases } from './check-normalization.ts';
import { placeRecurrentCases } from './check-recurrent.ts';
import { createNaiveKernels } from './naive.ts';

export interface CaseSizes {
  /** elements of an element-wise call */
  n: number;
  rows: number;
  cols: number;
  /** of the matrix products, with m = rows, n = cols */
  k: number;
  /** floats by which every pointer is moved off its 64-byte alignment */
  offset: number;
  /** where in memory the image lies, a multiple of 64; 0 unless said */
  base?: number;
}

/** The initial content of the memory that a list of cases runs on. */
export interface Stage {
  image: Uint8Array<ArrayBuffer>;
  cases: KernelCase[];
  /** bytes behind the image that kernels may use and nobody compares */
  scratchBytes: number;
}

/** mulberry32: a small generator, so that every check sees the same numbers. Uniform in [0, 1). */
export function createNoise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Every kernel once or more, at the given sizes, on random input. */
export function createStage({ n, rows, cols, k, offset, base = 0 }: CaseSizes, seed = 1): Stage {
  const noise = createNoise(seed);
  const area = rows * cols;
  const most = Math.max(n, area);
  const blocks: { at: number; values: ArrayLike<number>; type: 'f32' | 'u32' | 'u8' }[] = [];
  let end = base + 64;
  function place(values: ArrayLike<number>, type: 'f32' | 'u32' | 'u8' = 'f32'): number {
    const at = end + offset * 4;
    blocks.push({ at, values, type });
    end = Math.ceil((at + values.length * (type === 'u8' ? 1 : 4) + 64) / 64) * 64;
    return at;
  }
  const random = (length: number, f: (u: number) => number) => Array.from({ length }, () => f(noise()));

  const x = place(random(Math.max(most, rows * k), (u) => 8 * u - 4));
  const z = place(random(Math.max(most, cols * k), (u) => 2 * u - 1));
  const positive = place(random(most, (u) => 0.01 + u));
  const targets = place(random(most, (u) => u));
  const y = place(random(most, (u) => u - 0.5));
  const m = place(random(n, (u) => u - 0.5));
  const perRow = place(random(rows, (u) => u));
  const counts = place(random(rows, (u) => (u < 0.4 ? 0 : 1)));
  const perCol = place(random(cols, (u) => 2 * u - 1));
  const classWeights = place(random(cols, (u) => 0.2 + u));
  const factor = place([0.37]);
  const labels = place(
    random(rows, (u) => Math.floor(u * cols)),
    'u32',
  );
  const groups = place(
    random(rows, (u) => Math.floor(u * 3)),
    'u32',
  );
  const order = place(
    random(rows + 3, (u) => Math.floor(u * rows)),
    'u32',
  );
  const bytes = place(
    random(area, (u) => Math.floor(u * 256)),
    'u8',
  );
  const step = place([rows, 2, 7, 0], 'u32');
  place([1 / rows, 0.3]);
  // inverseRows and inverseWeight stand behind the four integers
  blocks[blocks.length - 1].at = step + StepBlock.inverseRows * 4;
  const hyper = place([0.01, 0.1, 0.271, 0.003, 0.02, 0.03, 1, 1]);
  const plainHyper = place([0.01, 0.1, 0.271, 0.003, 0.02, 0.03, 0, 0]);
  const partials = place(random(16, (u) => u));
  // three images of 5 × 7 with up to 13 channels, and up to 15 filters
  const [images, height, width] = [3, 5, 7];
  const pixels = place(random(images * height * width * 13, (u) => 2 * u - 1));
  const weights = place(random(3 * 2 * 15, (u) => 2 * u - 1));
  const outputs = place(random(images * height * width * 15, (u) => 2 * u - 1));
  const shifts = place(random(15, (u) => u));
  const draw = (count: number, scale: number) => place(random(count, (u) => (2 * u - 1) * scale));
  const recurrentCases = placeRecurrentCases(draw, place);
  const normalizationCases = placeNormalizationCases(draw, place, step);
  // beyond both ends of relu6
  const wide = place(random(n, (u) => 10 * u - 2));
  const scratch = end;

  const unary = (kernel: KernelName, tolerance: number, input = x, ...rest: number[]): KernelCase => ({
    kernel,
    args: [input, y, n, ...rest],
    tolerance,
  });
  const binary = (kernel: KernelName, tolerance: number, a: number, b: number, ...rest: number[]): KernelCase => ({
    kernel,
    args: [a, b, y, n, ...rest],
    tolerance,
  });
  const valueLoss = (code: number, t: number, a = 0, b = 0): KernelCase[] => [
    { kernel: 'valueLoss', args: [code, x, t, y, rows, cols, a, b], tolerance: 3e-6 },
    { kernel: 'valueLossGrad', args: [code, x, t, perRow, y, rows, cols, a, b], tolerance: 2e-6 },
    { kernel: 'valueLossBend', args: [code, x, t, perRow, z, y, rows, cols, a, b], tolerance: 2e-6 },
  ];
  const pair = Math.min(rows, 2);
  /** `rest`: rows, positions, the ignored label, parameters */
  const labelLoss = (kernel: KernelName, weights: number, [count, positions, ...rest]: number[]): KernelCase[] => [
    { kernel, args: [x, labels, weights, y, count, positions, cols, ...rest], tolerance: 3e-6 },
    {
      kernel: `${kernel}Grad` as KernelName,
      args: [x, labels, weights, perRow, y, count, positions, cols, ...rest],
      tolerance: 3e-6,
    },
  ];
  const product = (flags: number, activation: number, depth = Math.min(k, 19)): KernelCase => ({
    kernel: 'gemm',
    args: [
      ...[flags, rows, cols, depth],
      ...[x, flags & GemmFlag.transposeA ? rows : depth],
      ...[z, flags & GemmFlag.transposeB ? depth : cols],
      ...[y, cols, perCol, activation, 0.1, scratch],
    ],
    tolerance: 8e-6 * Math.sqrt(depth + 1),
  });
  const { transposeA, transposeB, accumulate, bias } = GemmFlag;

  /** Every edge, odd sizes, padding, strides, taps that lie apart, groups; filters of one channel each, with one or more to a channel. */
  function convolutionCases(): KernelCase[] {
    const geometries = [
      // kernel 3 × 2 · strides, dilations, padTop, padLeft, outHeight, outWidth
      [1, 1, 1, 1, 0, 0, 3, 6],
      [1, 1, 1, 1, 1, 0, 5, 7],
      [2, 1, 1, 1, 1, 0, 3, 7],
      [1, 2, 2, 1, 2, 0, 5, 4],
      [1, 1, 1, 3, 2, 1, 5, 6],
    ];
    type Convolution = 'conv2d' | 'depthwiseConv2d';
    const convolution = (kernel: Convolution, channels: number, filters: number, groups: number): KernelCase[] => {
      const rows = (3 * 2 * channels) / groups;
      return geometries.flatMap((geometry): KernelCase[] => {
        const all = [images, height, width, channels, 3, 2, ...geometry, filters, groups];
        const tail = [outputs, shifts, Activation.tanh, 0, scratch];
        return [
          { kernel, args: [bias, ...all, pixels, weights, ...tail], tolerance: 1e-5 },
          { kernel: `${kernel}InputGrad`, args: [...all, outputs, weights, pixels, scratch], tolerance: 2e-5 },
          {
            kernel: `${kernel}WeightGrad`,
            args: [...all, pixels, outputs, 0, rows, weights, scratch],
            tolerance: 2e-5,
          },
          { kernel: `${kernel}WeightGrad`, args: [...all, pixels, outputs, 2, 3, weights, scratch], tolerance: 2e-5 },
        ];
      });
    };
    const channels = 3;
    const image = [images, height, width, channels];
    const activated = (kernel: Convolution, groups: number): KernelCase[] =>
      Object.values(Activation).map((code) => ({
        kernel,
        args: [
          ...[bias, images, height, width, channels, 3, 2, ...geometries[0]!, channels, groups],
          ...[pixels, weights, outputs, shifts, code, 0.3, scratch],
        ],
        tolerance: 1e-5,
      }));
    return [
      ...activated('conv2d', 1),
      ...activated('depthwiseConv2d', channels),
      ...convolution('conv2d', 3, 5, 1),
      ...convolution('conv2d', 6, 4, 2),
      ...convolution('depthwiseConv2d', 13, 13, 13),
      ...convolution('depthwiseConv2d', 5, 15, 5),
      { kernel: 'maxPool2d', args: [pixels, outputs, ...image, 3, 2, 1, 2], tolerance: 0 },
      { kernel: 'maxPool2d', args: [pixels, outputs, 1, 4, 5, 8, 2, 2, 2, 2], tolerance: 0 },
      { kernel: 'maxPool2dGrad', args: [pixels, weights, outputs, ...image, 3, 2, 1, 2, 0], tolerance: 1e-6 },
      { kernel: 'maxPool2dGrad', args: [pixels, weights, outputs, ...image, 3, 2, 1, 2, 1], tolerance: 1e-6 },
      { kernel: 'maxPool2dGrad', args: [pixels, weights, outputs, 1, 4, 5, 8, 2, 2, 2, 2, 0], tolerance: 0 },
      { kernel: 'maxPool2dGrad', args: [pixels, weights, outputs, 1, 4, 4, 8, 2, 2, 2, 2, 1], tolerance: 0 },
      { kernel: 'maxPool2dPick', args: [pixels, outputs, weights, 2, 4, 5, channels, 3, 2, 1, 2], tolerance: 0 },
      { kernel: 'averagePool2d', args: [pixels, outputs, ...image, 2, 3, 2, 1], tolerance: 1e-6 },
      { kernel: 'averagePool2dGrad', args: [weights, outputs, ...image, 2, 3, 2, 1], tolerance: 1e-6 },
      { kernel: 'upsample2d', args: [pixels, outputs, images, 2, 3, channels, 2], tolerance: 0 },
      { kernel: 'upsample2dGrad', args: [pixels, outputs, images, 2, 3, channels, 2], tolerance: 1e-6 },
      { kernel: 'mulChannels', args: [pixels, weights, outputs, images, height * width, channels], tolerance: 0 },
      // channels first; and lines put into wider ones
      {
        kernel: 'copyStrided',
        args: [pixels, outputs, images, channels, height, width, 105, 1, 21, 3, 105, 35, 7, 1],
        tolerance: 0,
      },
      {
        kernel: 'copyStrided',
        args: [pixels, outputs, images, height, 1, 21, 105, 21, 0, 1, 168, 24, 0, 1],
        tolerance: 0,
      },
    ];
  }

  const cases: KernelCase[] = [
    product(0, Activation.none, k),
    product(transposeA | bias, Activation.relu),
    product(transposeB | accumulate, Activation.leakyRelu),
    product(transposeA | transposeB | accumulate | bias, Activation.tanh, k),
    product(bias, Activation.sigmoid),
    product(accumulate, Activation.geluErf),
    product(0, Activation.geluTanh),
    product(bias, Activation.elu),
    ...[Activation.selu, Activation.softplus, Activation.softsign].map((activation) => product(0, activation)),
    ...[Activation.hardSigmoid, Activation.hardTanh, Activation.relu6].map((activation) => product(0, activation)),

    ...convolutionCases(),
    ...recurrentCases(scratch),
    ...normalizationCases(scratch),

    { kernel: 'fill', args: [y, n, 1.25], tolerance: 0 },
    unary('copy', 0),
    unary('atLeast', 0, x, 0.3),
    { kernel: 'differs', args: [counts, y, rows, 1], tolerance: 0 },
    { kernel: 'copyColumns', args: [x, cols, y, Math.ceil(cols / 2), rows, Math.ceil(cols / 2)], tolerance: 0 },
    binary('add', 0, x, z),
    binary('sub', 0, x, z),
    binary('mul', 0, x, z),
    unary('affine', 1e-6, x, 0.7, -0.3),
    { kernel: 'addScaled', args: [x, y, n, 0.3], tolerance: 1e-6 },
    { kernel: 'addBias', args: [x, perCol, y, rows, cols], tolerance: 0 },
    { kernel: 'mulRows', args: [x, perRow, y, rows, cols], tolerance: 0 },
    { kernel: 'keepRows', args: [x, counts, y, rows, cols, -1.5], tolerance: 0 },
    unary('reciprocal', 1e-6, positive),
    { kernel: 'reciprocal', args: [counts, y, rows], tolerance: 0 },
    { kernel: 'scaleBy', args: [x, factor, y, n], tolerance: 0 },
    unary('clipValue', 0, x, 1.5),
    unary('relu', 0),
    unary('leakyRelu', 0, x, 0.1),
    unary('sigmoid', 1e-6),
    unary('tanh', 1e-6),
    unary('geluErf', 1e-6),
    unary('geluTanh', 1e-6),
    unary('elu', 1e-6, x, 0.7),
    unary('selu', 1e-6),
    unary('silu', 1e-6),
    unary('mish', 1e-6),
    unary('softplus', 1e-6),
    unary('softsign', 1e-6),
    unary('hardSigmoid', 1e-6),
    unary('hardTanh', 0),
    unary('relu6', 0, wide),
    unary('hardSilu', 1e-6),
    unary('exp', 1e-6),
    unary('log', 1e-6, positive),
    binary('reluGrad', 0, z, x),
    binary('leakyReluGrad', 0, z, x, 0.1),
    binary('sigmoidGrad', 1e-6, z, targets),
    binary('tanhGrad', 1e-6, x, z),
    binary('geluErfGrad', 2e-6, z, x),
    binary('geluTanhGrad', 2e-6, z, x),
    binary('eluGrad', 1e-6, x, z, 1),
    binary('seluGrad', 1e-6, z, x),
    binary('siluGrad', 2e-6, z, x),
    binary('mishGrad', 2e-6, z, x),
    binary('softplusGrad', 1e-6, x, positive),
    binary('softsignGrad', 1e-6, x, z),
    binary('hardSigmoidGrad', 1e-6, z, x),
    binary('hardTanhGrad', 0, z, x),
    binary('relu6Grad', 0, z, wide),
    binary('hardSiluGrad', 1e-6, z, x),
    unary('dropout', 0, x, 5, 0.3, 11, 12, 13, step),

    { kernel: 'columnSum', args: [x, cols, y, rows, cols], tolerance: 0 },
    { kernel: 'notFinite', args: [x, y, rows, cols], tolerance: 0 },
    {
      kernel: 'sumSquaresChunks',
      args: [z, n, Math.ceil(n / 3), 1, 2, y],
      tolerance: 1e-5,
    },
    { kernel: 'dotChunks', args: [x, z, n, Math.ceil(n / 3), 1, 2, y], tolerance: 2e-5 },
    { kernel: 'clipScale', args: [partials, 16, 0.5, y], tolerance: 1e-6 },

    { kernel: 'softmax', args: [x, y, rows, cols], tolerance: 1e-6 },
    { kernel: 'softmaxGrad', args: [x, targets, y, rows, cols], tolerance: 1e-5 * Math.sqrt(cols) },
    { kernel: 'logSoftmax', args: [x, y, rows, cols], tolerance: 2e-6 },
    { kernel: 'logSoftmaxGrad', args: [x, z, y, rows, cols], tolerance: 1e-5 * Math.sqrt(cols) },
    ...[
      [0, rows, 1, NO_LABEL, 0],
      [0, 1, rows, 0, 0.1],
      [classWeights, Math.floor(rows / pair), pair, 0, 0],
      [classWeights, 1, rows, NO_LABEL, 0.2],
    ].flatMap(([weights, ...rest]) => labelLoss('softmaxCrossEntropy', weights!, rest)),
    ...[0, classWeights].map(
      (weights): KernelCase => ({
        kernel: 'softmaxCrossEntropyBend',
        args: [x, labels, weights, perRow, z, y, 1, rows, cols, 0, 0.1],
        tolerance: 1e-5 * Math.sqrt(cols),
      }),
    ),
    ...labelLoss('focalCrossEntropy', classWeights, [Math.floor(rows / pair), pair, 0, 2]),
    ...labelLoss('focalCrossEntropy', 0, [rows, 1, NO_LABEL, 0.5]),
    ...labelLoss('marginLoss', classWeights, [Math.floor(rows / pair), pair, 0, 0.7, 1]),
    ...labelLoss('marginLoss', 0, [rows, 1, NO_LABEL, 1, 2]),
    ...valueLoss(ValueLoss.squared, z),
    ...valueLoss(ValueLoss.absolute, z),
    ...valueLoss(ValueLoss.huber, z, 0.8),
    ...valueLoss(ValueLoss.logCosh, z),
    ...valueLoss(ValueLoss.quantile, z, 0.9),
    ...valueLoss(ValueLoss.poisson, targets),
    ...valueLoss(ValueLoss.binaryEntropy, targets, 1),
    ...valueLoss(ValueLoss.binaryEntropy, targets, 2.5),
    ...valueLoss(ValueLoss.binaryFocal, targets, 0.7, 2),
    { kernel: 'divergence', args: [x, targets, y, rows, cols], tolerance: 5e-6 * Math.sqrt(cols) },
    { kernel: 'divergenceGrad', args: [x, targets, perRow, y, rows, cols], tolerance: 5e-6 },
    { kernel: 'cosineLoss', args: [x, z, y, rows, cols], tolerance: 2e-6 },
    { kernel: 'cosineLossGrad', args: [x, z, perRow, y, rows, cols], tolerance: 2e-6 },
    // few labels, so that every row has others like it
    ...[PairLoss.contrastive, PairLoss.tripletAll, PairLoss.tripletHard].flatMap((code): KernelCase[] => [
      { kernel: 'pairLoss', args: [code, z, groups, y, rows, cols, 1.5, scratch], tolerance: 1e-5 },
      { kernel: 'pairLossGrad', args: [code, z, groups, perRow, y, rows, cols, 1.5, scratch], tolerance: 2e-5 },
    ]),
    { kernel: 'correct', args: [x, labels, y, rows, 1, cols, NO_LABEL], tolerance: 0 },
    { kernel: 'correct', args: [x, labels, y, 1, rows, cols, 0], tolerance: 0 },

    ...[cols, 1].flatMap((stride): KernelCase[] => [
      { kernel: 'gatherRows', args: [x, order, y, 1, rows, cols, stride, step], tolerance: 0 },
      { kernel: 'gatherRowsU8', args: [bytes, order, y, 1, rows, cols, stride, 1 / 255, -0.5, step], tolerance: 1e-6 },
    ]),
    { kernel: 'fillFromStep', args: [y, n, step, StepBlock.inverseWeight], tolerance: 0 },
    { kernel: 'meanRows', args: [x, y, step], tolerance: 0 },

    { kernel: 'accumulate', args: [z, m, y, n, hyper], tolerance: 0 },
    { kernel: 'accumulate', args: [z, m, y, n, plainHyper], tolerance: 0 },
    { kernel: 'averageUpdate', args: [z, y, n, 0.99], tolerance: 1e-6 },
    { kernel: 'sgdUpdate', args: [y, z, n, hyper], tolerance: 1e-6 },
    { kernel: 'momentumUpdate', args: [y, z, m, n, 0.9, 0, hyper], tolerance: 1e-6 },
    { kernel: 'momentumUpdate', args: [y, z, m, n, 0.9, 1, hyper], tolerance: 1e-6 },
    { kernel: 'adamUpdate', args: [y, z, m, positive, n, 0.9, 0.999, 1e-8, 0, hyper], tolerance: 2e-6 },
    { kernel: 'adamUpdate', args: [y, z, m, positive, n, 0.9, 0.999, 1e-8, 1, hyper], tolerance: 2e-6 },

    { kernel: 'amsgradUpdate', args: [y, z, m, positive, targets, n, 0.9, 0.999, 1e-8, 0, hyper], tolerance: 2e-6 },
    { kernel: 'amsgradUpdate', args: [y, z, m, positive, targets, n, 0.9, 0.999, 1e-8, 1, hyper], tolerance: 2e-6 },
    { kernel: 'adamaxUpdate', args: [y, z, m, positive, n, 0.9, 0.999, 1e-8, hyper], tolerance: 1e-5 },
    { kernel: 'nadamUpdate', args: [y, z, m, positive, n, 0.9, 0.999, 1e-8, hyper], tolerance: 2e-6 },
    { kernel: 'radamUpdate', args: [y, z, m, positive, n, 0.9, 0.999, 1e-8, hyper], tolerance: 2e-6 },
    { kernel: 'radamUpdate', args: [y, z, m, positive, n, 0.9, 0.999, 1e-8, plainHyper], tolerance: 2e-6 },
    { kernel: 'lionUpdate', args: [y, z, m, n, 0.9, 0.99, hyper], tolerance: 1e-6 },
    { kernel: 'lambDirection', args: [y, z, m, positive, targets, n, 0.9, 0.999, 1e-6, hyper], tolerance: 2e-5 },
    { kernel: 'lambUpdate', args: [y, z, n, partials, partials + 16, 12, hyper], tolerance: 1e-6 },
    { kernel: 'lambUpdate', args: [y, z, n, partials, partials, 0, hyper], tolerance: 1e-6 },
    { kernel: 'adagradUpdate', args: [y, z, positive, n, 0.1, 1e-10, hyper], tolerance: 2e-6 },
    { kernel: 'adadeltaUpdate', args: [y, z, positive, targets, n, 0.9, 1e-6, hyper], tolerance: 2e-6 },
    ...[0, x].flatMap((average) =>
      [0, m].map(
        (velocity): KernelCase => ({
          kernel: 'rmspropUpdate',
          args: [y, z, positive, average, velocity, n, 0.9, 0.05, 0.8, hyper],
          tolerance: 1e-5,
        }),
      ),
    ),

    { kernel: 'randomUniform', args: [y, n, 3, -0.25, 0.5, 21, 22, 23, 24, 25], tolerance: 0 },
    { kernel: 'randomNormal', args: [y, n, 3, 0.5, 2, 21, 22, 23, 24, 25], tolerance: 2e-5 },
  ];

  const image = new Uint8Array(end - base);
  for (const { at: address, values, type } of blocks) {
    const at = address - base;
    if (type === 'u8') image.set(values, at);
    else if (type === 'f32') new Float32Array(image.buffer, at, values.length).set(values);
    else new Uint32Array(image.buffer, at, values.length).set(values);
  }
  return { image, cases, scratchBytes: GEMM_SCRATCH_BYTES };
}

/** Floats that are compared at once as bytes: most of a stage is the same, and the check is part of every start. */
const BLOCK = 256;

/** Null when the memories agree within the case's tolerance, else what differs. */
export function compareOutcome(
  { kernel, tolerance }: KernelCase,
  actual: Float32Array,
  expected: Float32Array,
): string | null {
  const actualBytes = Buffer.from(actual.buffer, actual.byteOffset, actual.byteLength);
  const expectedBytes = Buffer.from(expected.buffer, expected.byteOffset, expected.byteLength);
  for (let begin = 0; begin < expected.length; begin += BLOCK) {
    const end = Math.min(expected.length, begin + BLOCK);
    if (actualBytes.compare(expectedBytes, begin * 4, end * 4, begin * 4, end * 4) === 0) continue;
    for (let i = begin; i < end; i++) {
      const [a, e] = [actual[i], expected[i]];
      if (a === e || (Number.isNaN(a) && Number.isNaN(e))) continue;
      if (Math.abs(a - e) <= tolerance * Math.max(1, Math.abs(e))) continue;
      return `${kernel}: ${a} instead of ${e} at byte ${i * 4}`;
    }
  }
  return null;
}

type AnyKernel = (...args: number[]) => void;

/** odd sizes: full pairs of vectors, a single one, and a tail; several blocks along k */
const CHECK_SIZES = { n: 77, rows: 6, cols: 18, k: 259, offset: 1 };

function createStageMemory({ image, scratchBytes }: Stage): WebAssembly.Memory {
  const pages = Math.ceil((image.length + scratchBytes) / 65536);
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

/** Uses every kernel, so that V8 optimizes it. */
export function exerciseKernels(instantiate: (memory: WebAssembly.Memory) => Kernels): void {
  const stage = createStage(CHECK_SIZES);
  const memory = createStageMemory(stage);
  // what runs at an instantiation counts as well
  instantiate(memory);
  const kernels = instantiate(memory);
  new Uint8Array(memory.buffer).set(stage.image);
  for (let round = 0; round < 2; round++) {
    for (const { kernel, args } of stage.cases) (kernels[kernel] as AnyKernel)(...args);
    kernels.fmaPeak(100);
  }
}

/**
 * Runs every kernel on random input beside its naive twin, on a memory of its own. The whole memory is compared after
 * each call, so a write beside the output is found too.
 * Returns what went wrong, or null.
 */
export function checkKernels(instantiate: (memory: WebAssembly.Memory) => Kernels): string | null {
  const stage = createStage(CHECK_SIZES);
  const { image, cases } = stage;
  const memory = createStageMemory(stage);
  const twin = createStageMemory(stage);
  const kernels = instantiate(memory);
  const naive = createNaiveKernels(twin);
  const actual = new Float32Array(memory.buffer, 0, image.length / 4);
  const expected = new Float32Array(twin.buffer, 0, image.length / 4);
  for (const one of cases) {
    new Uint8Array(memory.buffer).set(image);
    new Uint8Array(twin.buffer).set(image);
    (kernels[one.kernel] as AnyKernel)(...one.args);
    (naive[one.kernel] as AnyKernel)(...one.args);
    const difference = compareOutcome(one, actual, expected);
    if (difference) return difference;
  }
  return null;
}
