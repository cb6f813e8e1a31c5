import type { LoadedCheckpoint } from '../checkpoints/checkpoint-file.ts';
import { type ExportForm, ExportRefusedError } from '../spec/export.ts';
import { describeNetwork } from './network.ts';
import { writeBareModel, writeModel } from './onnx/write-model.ts';
import type { Weights } from './tensors.ts';

/** The bytes of an export, in pieces. Throws ExportRefusedError. */
export function writeExport(checkpoint: LoadedCheckpoint, form: ExportForm): Uint8Array[] {
  const { spec, preparation } = checkpoint;
  switch (form.format) {
    case 'onnx':
      return [
        form.preparation
          ? writeModel(spec, preparation, weightsOf(checkpoint))
          : writeBareModel(describeNetwork(spec, preparation), weightsOf(checkpoint)),
      ];
    default:
      throw new ExportRefusedError(`there is no ${form.format} yet`);
  }
}

function weightsOf({ weights, shapes }: LoadedCheckpoint): Weights {
  return new Map([...weights].map(([name, data]) => [name, { shape: shapes.get(name)!, data }]));
}
