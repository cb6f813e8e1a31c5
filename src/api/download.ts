import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import { ApiError } from '../spec/errors.ts';
import {
  EXPORT_FORMATS,
  type ExportFigures,
  type ExportForm,
  type ExportFormat,
  LAYOUTS,
  type Layout,
  WEIGHTS,
} from '../spec/export.ts';
import type { Storage } from '../storage/storage.ts';
import type { ApiDeps } from './deps.ts';
import { sendFile } from './send-file.ts';

/** Downloads of a trained network, in the format that is asked for. */

export const DownloadQuery = Type.Object({
  format: Type.Unsafe<ExportFormat>({
    type: 'string',
    enum: EXPORT_FORMATS,
    default: 'safetensors',
    description:
      'safetensors: the checkpoint’s own file; npz: its weights for numpy; onnx: the network to run elsewhere; pytorch: a module in Python that loads what `layout=torch` downloads; bundle: a zip of all of them with spec, preparation, metrics and a card',
  }),
  layout: Type.Unsafe<Layout>({
    type: 'string',
    enum: LAYOUTS,
    default: 'trainyard',
    description:
      'of safetensors and npz. torch: weights under the names and with the dimensions of PyTorch’s modules, without the state of the optimizer',
  }),
  weights: Type.Unsafe<(typeof WEIGHTS)[number]>({
    type: 'string',
    enum: WEIGHTS,
    default: 'all',
    description:
      'of safetensors in our layout, where low-rank adapters were trained. adapter: they and a head made anew, without the weights that stayed; merged: weights that tell the same without adapters, as every other format has them',
  }),
  preparation: Type.Boolean({
    default: true,
    description:
      'of onnx: columns as they are go in and answers come out; false: prepared numbers go in and outputs of the last layers come out',
  }),
});

export const DOWNLOAD_DESCRIPTION =
  'With ETag (the sha256), Range, If-Range and If-None-Match. What is made of a checkpoint is made when it is first asked for, and kept for a day: to the same bytes whenever it is made.';

/** What is downloaded: the file of a checkpoint. */
export interface Downloaded {
  /** of the checkpoint, or the version of a model */
  id: string;
  /** of the file, less what tells its format */
  name: string;
  storageKey: string;
  sizeBytes: number;
  sha256: string;
  figures(): Promise<ExportFigures>;
}

/** Answers with a checkpoint in the form that the query asks for. */
export async function sendDownload(
  deps: ApiDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  downloaded: Downloaded,
): Promise<FastifyReply> {
  const { id, name, storageKey, sizeBytes, sha256 } = downloaded;
  const form = await readForm(request.query as Static<typeof DownloadQuery>, downloaded);
  if (form === null) {
    const check = () => verify(deps.storage, downloaded);
    return sendFile(deps.storage, request, reply, {
      ...{ storageKey, sizeBytes, sha256, name: `${name}.safetensors`, check },
    });
  }
  const file = await deps.exporter.export({ id, storageKey, sha256, form });
  return sendFile(deps.storage, request, reply, { ...file, storageKey: file.key, name: `${name}${endingOf(form)}` });
}

/** null: the checkpoint's own file. Throws invalid_field where the parts of a query do not go together. */
async function readForm(
  { format, layout, preparation, weights }: Static<typeof DownloadQuery>,
  { figures, name }: Downloaded,
): Promise<ExportForm | null> {
  if (layout !== 'trainyard' && format !== 'safetensors' && format !== 'npz')
    throw wrong('/layout', `${format} has names of its own`, 'left out, or format=safetensors or npz');
  if (!preparation && format !== 'onnx')
    throw wrong('/preparation', `${format} holds no preparation that could be left out`, 'left out, or format=onnx');
  if (weights !== 'all' && (format !== 'safetensors' || layout !== 'trainyard'))
    throw wrong('/weights', 'is for safetensors in our layout; all others hold merged weights', 'left out');
  switch (format) {
    case 'safetensors':
      if (layout === 'torch') return { format, layout };
      return weights === 'all' ? null : { format, layout, weights };
    case 'npz':
      return { format, layout };
    case 'onnx':
      return { format, preparation };
    case 'pytorch':
      return { format, weights: `${name}${TORCH_ENDING}` };
    case 'bundle':
      return { format, figures: await figures() };
  }
}

function wrong(pointer: string, detail: string, expected: string): ApiError {
  return new ApiError('invalid_field', `${pointer} ${detail}`, {
    errors: [{ pointer, code: 'invalid_field', detail, expected }],
  });
}

const TORCH_ENDING = '.torch.safetensors';

function endingOf(form: ExportForm): string {
  switch (form.format) {
    case 'safetensors':
      return form.layout === 'torch' ? TORCH_ENDING : `.${form.weights}.safetensors`;
    case 'npz':
      return form.layout === 'torch' ? '.torch.npz' : '.npz';
    case 'onnx':
      return form.preparation ? '.onnx' : '.bare.onnx';
    case 'pytorch':
      return '.py';
    case 'bundle':
      return '.zip';
  }
}

/** Up to here a file is read once more in front of a download, so that damage is told and not handed out; of larger ones the size must do. */
const VERIFIED_BYTES = 256 * 2 ** 20;

/** Throws checkpoint_damaged; BlobNotFoundError. */
async function verify(storage: Storage, { id, storageKey, sizeBytes, sha256 }: Downloaded): Promise<void> {
  const hash = createHash('sha256');
  const isWhole = async () => {
    if ((await storage.size(storageKey)) !== sizeBytes) return false;
    if (sizeBytes > VERIFIED_BYTES) return true;
    for await (const chunk of await storage.read(storageKey)) hash.update(chunk);
    return hash.digest('hex') === sha256;
  };
  // a file that is gone is another matter
  if ((await storage.size(storageKey)) === null || (await isWhole())) return;
  throw new ApiError('checkpoint_damaged', `The file of ${id} is not what was written: its sha256 or size differs.`);
}
