import { once } from 'node:events';
import { DamagedCheckpointError, loadCheckpoint } from '../checkpoints/checkpoint-file.ts';
import { ExportRefusedError } from '../spec/export.ts';
import { openStorage } from '../storage/describe.ts';
import { StorageFailedError, StorageFullError } from '../storage/storage.ts';
import { storeExport } from './exported-files.ts';
import type { ExportReply, ExportTask } from './messages.ts';
import { writeExport } from './write-export.ts';

/** Entry of the process that writes one export, and is ended when it has answered. */
async function answer({ storage: description, name, request }: ExportTask): Promise<ExportReply> {
  try {
    const storage = openStorage(description);
    const checkpoint = await loadCheckpoint(storage, request.storageKey, { sha256: request.sha256 });
    return { file: await storeExport(storage, name, await writeExport(checkpoint, request.form)) };
  } catch (error) {
    if (error instanceof ExportRefusedError) return { refused: error.message };
    if (error instanceof DamagedCheckpointError) return { damaged: error.message };
    if (error instanceof StorageFullError) return { full: error.message };
    if (error instanceof StorageFailedError) return { failed: error.message };
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

const [task] = (await once(process, 'message')) as [ExportTask];
process.on('disconnect', () => process.exit(0));
process.send!(await answer(task));
