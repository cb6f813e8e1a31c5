import { createHash } from 'node:crypto';
import type { Logger } from 'pino';
import { askProcess } from '../offload/ask-process.ts';
import { Turns } from '../offload/turns.ts';
import {
  type ExportedFile,
  type Exporter,
  ExporterBusyError,
  type ExportForm,
  ExportRefusedError,
  type ExportRequest,
} from '../spec/export.ts';
import { CheckpointUnusableError } from '../spec/prediction.ts';
import { type Storage, StorageFailedError, StorageFullError } from '../storage/storage.ts';
import { findExport, nameExport } from './exported-files.ts';
import type { ExportReply, ExportTask } from './messages.ts';

/** Processes at once: each holds a network's weights in memory, some of them twice. */
const MOST_RUNNING = 2;
/** Others wait; more than these are refused. */
const MOST_WAITING = 32;
const TIMEOUT_MS = 5 * 60_000;

/**
 * Exports from processes of their own, one for each file, so that nothing is computed on the thread that serves HTTP and no large network stays
 * in its memory. What was made is kept in the storage for a day or two, and made again after that: to the same bytes.
 */
export function startExporter(storage: Storage, logger: Logger): Exporter {
  const making = new Map<string, Promise<ExportedFile>>();
  const turns = new Turns(MOST_RUNNING, MOST_WAITING);
  const closing = new AbortController();
  const { signal } = closing;
  const entry = new URL('./export-process.ts', import.meta.url);

  const make = async (request: ExportRequest, name: string): Promise<ExportedFile> => {
    const known = await findExport(storage, name);
    if (known !== null) return known;
    const task: ExportTask = { storage: storage.describe(), name, request };
    const ask = () => askProcess<ExportReply>(entry, task, { timeoutMs: TIMEOUT_MS, signal });
    const reply = await turns.run(ask, signal).catch((err: unknown) => {
      if (!signal.aborted) logger.warn({ err, of: request.id }, 'an export broke off');
      throw err;
    });
    return readReply(reply);
  };

  return {
    async export(request) {
      signal.throwIfAborted();
      const name = nameExport(request.id, variantOf(request.form));
      const found = making.get(name);
      if (found !== undefined) return found;
      if (turns.isFull) throw new ExporterBusyError('too many exports are waiting');
      const made = make(request, name).finally(() => making.delete(name));
      making.set(name, made);
      return made;
    },
    async close() {
      closing.abort(new Error('the exporter is closed'));
      await Promise.allSettled(making.values());
    },
  };
}

/** Raised when the same request gives other bytes than before. */
const VERSION = 2;

/** Tells requests apart that give different files. */
function variantOf(form: ExportForm): string {
  return createHash('sha256')
    .update(JSON.stringify([VERSION, form]))
    .digest('hex')
    .slice(0, 20);
}

function readReply(reply: ExportReply): ExportedFile {
  if ('file' in reply) return reply.file;
  if ('refused' in reply) throw new ExportRefusedError(reply.refused);
  if ('damaged' in reply) throw new CheckpointUnusableError(reply.damaged);
  if ('full' in reply) throw new StorageFullError(reply.full);
  if ('failed' in reply) throw new StorageFailedError(reply.failed);
  throw new Error(reply.error);
}
