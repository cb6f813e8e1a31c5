import type { ExportedFile, ExportRequest } from '../spec/export.ts';
import type { StorageDescription } from '../storage/storage.ts';

/** What goes to the process that writes an export, and comes back. */
export interface ExportTask {
  storage: StorageDescription;
  /** under which it is kept */
  name: string;
  request: ExportRequest;
}

export type ExportReply =
  | { file: ExportedFile }
  | { refused: string }
  | { damaged: string }
  | { full: string }
  | { failed: string }
  | { error: string };
