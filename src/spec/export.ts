/** Trained networks in other formats. */

export const EXPORT_FORMATS = ['safetensors', 'npz', 'onnx', 'pytorch', 'bundle'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** trainyard: our names, channels last, weights (inputs, units); torch: PyTorch's names and dimensions. */
export const LAYOUTS = ['trainyard', 'torch'] as const;
export type Layout = (typeof LAYOUTS)[number];

/** all: the file as it is. Of adapters: they alone, or merged into the weights. */
export const WEIGHTS = ['all', 'adapter', 'merged'] as const;

/** What a file holds. The checkpoint's own file is none of these: it is handed out as it is. */
export type ExportForm =
  | { format: 'safetensors'; layout: 'torch' }
  /** what low-rank adapters and a head made anew changed, or weights that tell the same without adapters */
  | { format: 'safetensors'; layout: 'trainyard'; weights: 'adapter' | 'merged' }
  | { format: 'npz'; layout: Layout }
  /** preparation: raw columns in and answers out, or prepared numbers in and raw outputs out */
  | { format: 'onnx'; preparation: boolean }
  /** code that loads `weights`, a file of layout torch */
  | { format: 'pytorch'; weights: string }
  | { format: 'bundle'; figures: ExportFigures };

/** What is known of how good a network is. */
export interface ExportFigures {
  /** of the checkpoint, and of the whole job */
  metrics: Record<string, number | string>;
  job_metrics: Record<string, number | string>;
  /** null: there is none of these weights */
  evaluation: object | null;
}

/** What is to be exported, and into what. */
export interface ExportRequest {
  /** of the checkpoint, or the version of a model */
  id: string;
  storageKey: string;
  sha256: string;
  form: ExportForm;
}

/** A file in the storage. */
export interface ExportedFile {
  key: string;
  sizeBytes: number;
  /** lower-case hex; the same for the same request, whenever it is made */
  sha256: string;
}

/** Writes exports, away from the thread that serves HTTP. */
export interface Exporter {
  /** Rejects with ExportRefusedError; ExporterBusyError; CheckpointUnusableError; StorageFullError. */
  export(request: ExportRequest): Promise<ExportedFile>;
  close(): Promise<void>;
}

/** The format cannot say what the network is. The message says what, and what would do instead. */
export class ExportRefusedError extends Error {}

/** More exports are waiting than can be made soon. */
export class ExporterBusyError extends Error {}
