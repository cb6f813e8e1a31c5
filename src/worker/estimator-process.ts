import { once } from 'node:events';
import { chooseKernels } from '../engine/kernels/load.ts';
import { NotEstimableError } from '../spec/estimate.ts';
import { openStorage } from '../storage/describe.ts';
import { StorageFailedError, StorageFullError } from '../storage/storage.ts';
import { estimateJob } from './estimate-job.ts';
import type { EstimatorReply, EstimatorTask } from './estimator-messages.ts';

/** Entry of the process that makes one estimate, and is ended then. */
const [{ request, storage, limits }] = (await once(process, 'message')) as [EstimatorTask];
process.on('disconnect', () => process.exit(0));

async function answer(): Promise<EstimatorReply> {
  try {
    const { compiled } = chooseKernels();
    return { figures: await estimateJob(request, openStorage(storage), { compiled, ...limits }) };
  } catch (error) {
    if (error instanceof NotEstimableError) return { refused: { message: error.message, hint: error.hint } };
    if (error instanceof StorageFullError) return { full: error.message };
    if (error instanceof StorageFailedError) return { failed: error.message };
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

process.send!(await answer());
