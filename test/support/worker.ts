import { pino } from 'pino';
import { chooseKernels } from '../../src/engine/kernels/load.ts';
import type { WorkerContext } from '../../src/worker/run-job.ts';
import { TrainerThreads } from '../../src/worker/trainer-threads.ts';
import type { Service } from './service.ts';

/** What a worker process would run the service's jobs with, on the real thread that trains. */
export function workerOf(service: Service): WorkerContext {
  return {
    db: service.database.db,
    storage: service.deps.storage,
    compiled: chooseKernels().compiled,
    trainers: new TrainerThreads(),
    workerId: 'wrk_a',
    threads: 1,
    maxThreads: 2,
    maxMemoryBytes: 2 ** 30,
    leaseSeconds: 30,
    logger: pino({ level: 'silent' }),
  };
}
