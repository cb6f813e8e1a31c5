import { once } from 'node:events';
import { chooseKernels } from '../engine/kernels/load.ts';
import { NotEstimableError } from '../spec/estimate.ts';
import { openStorage } from '../storage/describe.ts';
import { estimateJob } from './estimate-job.ts';
import type { EstimatorReply, EstimatorTask } from './estimator-messages.ts';

/** Entry of the process that makes one estimate, and is ended then. */
const [{ request, storage, limits }] = (await once(process, 'message')) as [EstimatorTask];
process.on('disconnect', () => process.exit(0));
let reply: EstimatorReply;
try {
  const { compiled } = chooseKernels();
  reply = { figures: await estimateJob(request, openStorage(storage), { compiled, ...limits }) };
} catch (error) {
  reply =
    error instanceof NotEstimableError
      ? { refused: { message: error.message, hint: error.hint } }
      : { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}
process.send!(reply);
