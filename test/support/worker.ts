import { pino } from 'pino';
import { type CompiledKernels, chooseKernels } from '../../src/engine/kernels/load.ts';
import type { WorkerContext } from '../../src/worker/run-job.ts';
import type { Service } from './service.ts';

let compiled: CompiledKernels | undefined;

/** What a worker process would run the service's jobs with, on the real thread that trains. */
export function workerOf(service: Service): WorkerContext {
  compiled ??= chooseKernels().compiled;
  return {
    db: service.database.db,
    storage: service.deps.storage,
    compiled,
    trainers: service.trainers,
    workerId: 'wrk_a',
    threads: 1,
    maxThreads: 2,
    maxMemoryBytes: 2 ** 30,
    leaseSeconds: 30,
    logger: pino({ level: 'silent' }),
  };
}
