import { strToU8, type Zippable, zipSync } from 'fflate';
import type { LoadedCheckpoint } from '../checkpoints/checkpoint-file.ts';
import { ExportRefusedError } from '../spec/export.ts';
import { describeNetwork } from './network.ts';
import { ZIP_TIME } from './npz.ts';
import { writeBareModel, writeModel } from './onnx/write-model.ts';
import { writeSafetensors } from './safetensors.ts';
import type { Weights } from './tensors.ts';
import { describeTorch } from './torch/write-torch.ts';

/**
 * All of a network in one zip: weights under our names and under PyTorch's with the code that loads them, the network as ONNX, what it was made
 * from, and `documents`, which come from outside: the card, the figures. What a format cannot say is left out, and the README says why.
 */
export async function writeBundle(
  { spec, preparation }: LoadedCheckpoint,
  weights: Weights,
  documents: Record<string, string>,
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
      '- `pytorch.safetensors`: weights as PyTorch names them',
    ],
  ];
  const files: Zippable = {
    'weights.safetensors': [await writeSafetensors(weights), STORED],
    'pytorch.safetensors': [await writeSafetensors(torch.weights), STORED],
    'model.bare.onnx': [writeBareModel(network, weights), STORED],
    'spec.json': writeJson(spec),
    'preparation.json': writeJson(preparation),
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
  for (const [name, text] of Object.entries(documents)) files[name] = strToU8(text);
  const card = documents['README.md'] ?? `# ${spec.name}\n`;
  files['README.md'] = strToU8(`${card.trimEnd()}\n\n## Files\n\n${contents.join('\n')}\n`);
  return zipSync(Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1))), { mtime: ZIP_TIME });
}

/** Weights hardly get smaller. */
const STORED = { level: 0 } as const;

function writeJson(value: unknown): Uint8Array {
  return strToU8(`${JSON.stringify(value, null, 2)}\n`);
}
