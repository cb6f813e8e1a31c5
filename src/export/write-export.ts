import type { LoadedCheckpoint } from '../checkpoints/checkpoint-file.ts';
import { type ExportForm, ExportRefusedError } from '../spec/export.ts';
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
  if (form.format !== 'safetensors' && sizeBytes * (form.format === 'bundle' ? 4 : 1) > MOST_WEIGHT_BYTES)
    throw new ExportRefusedError(`${form.format} cannot hold weights of ${sizeBytes} bytes; safetensors can`);
  const torch = () => describeTorch(network, weights, 'weights.safetensors');
  switch (form.format) {
    case 'safetensors':
      return writeSafetensors(torch().weights);
    case 'npz':
      return writeNpz(form.layout === 'torch' ? torch().weights : weights);
    case 'onnx':
      return form.preparation ? writeModel(spec, preparation, weights) : writeBareModel(network, weights);
    case 'bundle':
      return writeBundle(checkpoint, weights, form.figures);
  }
}

function weightsOf({ weights, shapes }: LoadedCheckpoint): Weights {
  return new Map([...weights].map(([name, data]) => [name, { shape: shapes.get(name)!, data }]));
}
