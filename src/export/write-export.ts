import type { LoadedCheckpoint } from '../checkpoints/checkpoint-file.ts';
import { mergeAdapters } from '../checkpoints/merge-adapters.ts';
import { type ExportForm, ExportRefusedError } from '../spec/export.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import { isAdapter, isReplaced } from '../spec/lora.ts';
import { isRunning } from '../spec/match-weights.ts';
import { writeBundle } from './bundle.ts';
import { checkWeights, describeNetwork } from './network.ts';
import { writeNpz } from './npz.ts';
import { writeBareModel, writeModel } from './onnx/write-model.ts';
import { writeSafetensors } from './safetensors.ts';
import type { Weights } from './tensors.ts';
import { describeTorch } from './torch/write-torch.ts';

/** Neither protobuf nor a zip of the plain kind holds more than 2 GiB in one file; the rest is room for everything but the weights. */
const MOST_WEIGHT_BYTES = 2 ** 31 - 2 ** 26;

/** The bytes of an export. Throws ExportRefusedError. */
export async function writeExport(checkpoint: LoadedCheckpoint, form: ExportForm): Promise<Uint8Array> {
  const { spec, preparation } = checkpoint;
  const weights = weightsOf(checkpoint);
  const network = describeNetwork(spec, preparation);
  checkWeights(network, weights.keys());
  const sizeBytes = [...weights.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
  if (
    form.format !== 'safetensors' &&
    form.format !== 'pytorch' &&
    sizeBytes * (form.format === 'bundle' ? 4 : 1) > MOST_WEIGHT_BYTES
  )
    throw new ExportRefusedError(`${form.format} cannot hold weights of ${sizeBytes} bytes; safetensors can`);
  const torch = (file = 'weights.safetensors') => describeTorch(network, weights, file);
  switch (form.format) {
    case 'safetensors':
      if (form.layout === 'torch') return writeSafetensors(torch().weights);
      if (form.weights === 'merged') return writeSafetensors(weights);
      return writeSafetensors(adaptersOf(checkpoint), describeAdapters(spec));
    case 'npz':
      return writeNpz(form.layout === 'torch' ? torch().weights : weights);
    case 'onnx':
      return form.preparation ? writeModel(spec, preparation, weights) : writeBareModel(network, weights);
    case 'pytorch': {
      const { code, reason } = torch(form.weights);
      if (code === null)
        throw new ExportRefusedError(`PyTorch has no module for it (${reason}); layout=torch has the weights`);
      return Buffer.from(code);
    }
    case 'bundle':
      return writeBundle(checkpoint, weights, form.figures);
  }
}

/** Without adapters, whatever was trained: no other format knows of them. */
function weightsOf(checkpoint: LoadedCheckpoint): Weights {
  const { shapes } = checkpoint;
  return new Map([...mergeAdapters(checkpoint)].map(([name, data]) => [name, { shape: shapes.get(name)!, data }]));
}

/** What somebody who has only the adapters must know to use them: y = x·W + b + (alpha / rank)·x·A·B. */
function describeAdapters({ model }: JobSpec): Record<string, string> {
  const { rank, alpha, targets } = model.lora!;
  return { base: model.from!, lora: JSON.stringify({ rank, alpha, targets }) };
}

/** All that differs from the weights that training began from. */
function adaptersOf({ weights, shapes, spec }: LoadedCheckpoint): Weights {
  if ((spec.model.lora ?? null) === null) throw new ExportRefusedError('no adapters were trained');
  const changed = [...weights].filter(([name]) => isAdapter(name) || isReplaced(spec, name) || isRunning(name));
  return new Map(changed.map(([name, data]) => [name, { shape: shapes.get(name)!, data }]));
}
