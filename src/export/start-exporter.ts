import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
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
  const waiting: (() => void)[] = [];
  const stops = new Set<() => void>();
  let running = 0;
  let closed = false;

  const make = async (request: ExportRequest, name: string): Promise<ExportedFile> => {
    const known = await findExport(storage, name);
    if (known !== null) return known;
    while (running >= MOST_RUNNING && !closed) await new Promise<void>((resolve) => waiting.push(resolve));
    if (closed) throw new Error('the exporter is closed');
    running++;
    try {
      return readReply(await runProcess({ storage: storage.describe(), name, request }, stops, logger));
    } finally {
      running--;
      waiting.shift()?.();
    }
  };

  return {
    export(request) {
      if (closed) return Promise.reject(new Error('the exporter is closed'));
      const name = nameExport(request.id, variantOf(request.form));
      const found = making.get(name);
      if (found !== undefined) return found;
      if (waiting.length >= MOST_WAITING) return Promise.reject(new ExporterBusyError('too many exports are waiting'));
      const made = make(request, name).finally(() => making.delete(name));
      making.set(name, made);
      return made;
    },
    async close() {
      closed = true;
      for (const resolve of waiting.splice(0)) resolve();
      for (const stop of stops) stop();
      await Promise.allSettled(making.values());
    },
  };
}

/** Raised when the same request gives other bytes than before. */
const VERSION = 1;

/** Tells requests apart that give different files. */
function variantOf(form: ExportForm): string {
  return createHash('sha256')
    .update(JSON.stringify([VERSION, form]))
    .digest('hex')
    .slice(0, 20);
}

/** Runs one export to its end. */
function runProcess(task: ExportTask, stops: Set<() => void>, logger: Logger): Promise<ExportReply> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL('./export-process.ts', import.meta.url)), {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const stop = () => void child.kill('SIGKILL');
    const timer = setTimeout(stop, TIMEOUT_MS);
    stops.add(stop);
    let reply: ExportReply | undefined;
    child.on('message', (message: ExportReply) => {
      reply = message;
    });
    const end = () => {
      clearTimeout(timer);
      stops.delete(stop);
    };
    child.on('error', (error) => {
      end();
      reject(error);
    });
    child.on('exit', (code, signal) => {
      end();
      if (reply !== undefined) return resolve(reply);
      logger.warn({ code, signal, of: task.request.id }, 'an export process ended without an answer');
      reject(new Error('the export process ended without an answer'));
    });
    child.send(task);
  });
}

function readReply(reply: ExportReply): ExportedFile {
  if ('file' in reply) return reply.file;
  if ('refused' in reply) throw new ExportRefusedError(reply.refused);
  if ('damaged' in reply) throw new CheckpointUnusableError(reply.damaged);
  if ('full' in reply) throw new StorageFullError(reply.full);
  if ('failed' in reply) throw new StorageFailedError(reply.failed);
  throw new Error(reply.error);
}
