import { strToU8, type Zippable, zipSync } from 'fflate';
import type { LoadedCheckpoint } from '../checkpoints/checkpoint-file.ts';
import { type ExportFigures, ExportRefusedError } from '../spec/export.ts';
import { writeCard } from './card.ts';
import { describeNetwork } from './network.ts';
import { ZIP_TIME } from './npz.ts';
import { writeBareModel, writeModel } from './onnx/write-model.ts';
import { writeSafetensors } from './safetensors.ts';
import type { Weights } from './tensors.ts';
import { describeTorch } from './torch/write-torch.ts';

/**
 * All of a network in one zip: weights under our names and under PyTorch's with the code that loads them, the network as ONNX, what it was made
 * from, its figures and a card. What a format cannot say is left out, and the README says why.
 */
export async function writeBundle(
  { spec, preparation, learningRate }: LoadedCheckpoint,
  weights: Weights,
  figures: ExportFigures,
): Promise<Uint8Array> {
  const network = describeNetwork(spec, preparation);
  const torch = describeTorch(network, weights, 'pytorch.safetensors');
  const contents = [
    ...[
      '- `weights.safetensors`: weights, channels last, (inputs, units)',
      '- `model.bare.onnx`: prepared numbers in, outputs of the last layers out',
    ],
    ...[
      '- `spec.json`, `preparation.json`: what was trained, and how columns become numbers',
      `- \`metrics.json\`${figures.evaluation === null ? '' : ', `evaluation.json`'}: how good it is`,
      '- `pytorch.safetensors`: weights as PyTorch names them',
    ],
  ];
  const files: Zippable = {
    'weights.safetensors': [await writeSafetensors(weights), STORED],
    'pytorch.safetensors': [await writeSafetensors(torch.weights), STORED],
    'model.bare.onnx': [writeBareModel(network, weights), STORED],
    'spec.json': writeJson(spec),
    'preparation.json': writeJson(preparation),
    'metrics.json': writeJson({ metrics: figures.metrics, job_metrics: figures.job_metrics }),
    ...(figures.evaluation !== null && { 'evaluation.json': writeJson(figures.evaluation) }),
  };
  if (torch.code !== null) {
    files['pytorch.py'] = strToU8(torch.code);
    contents.push('- `pytorch.py`: the module that loads them');
  } else contents.push(`- no code for PyTorch, which has no module for it: ${torch.reason}`);
  try {
    files['model.onnx'] = [writeModel(spec, preparation, weights), STORED];
    contents.push('- `model.onnx`: columns as they are in, answers out; its metadata describe both');
  } catch (error) {
    if (!(error instanceof ExportRefusedError)) throw error;
    contents.push(`- no \`model.onnx\`: ${error.message}`);
  }
  files['README.md'] = strToU8(writeCard({ spec, preparation, learningRate, network, figures, contents }));
  return zipSync(Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1))), { mtime: ZIP_TIME });
}

/** Weights hardly get smaller. */
const STORED = { level: 0 } as const;

function writeJson(value: unknown): Uint8Array {
  return strToU8(`${JSON.stringify(value, null, 2)}\n`);
}
