import { availableParallelism, hostname } from 'node:os';
import { typeid } from 'typeid-js';
import { openDatabase } from '../db/client.ts';
import { registerWorker, touchWorker } from '../db/workers.ts';
import { chooseKernels } from '../engine/kernels/load.ts';
import { claimNextJob } from '../jobs/claim-job.ts';
import { openQueue } from '../jobs/queue.ts';
import { startReconciler } from '../jobs/reconcile-jobs.ts';
import { startRelay } from '../jobs/relay-outbox.ts';
import { createLogger } from '../observability/logger.ts';
import { watchProcess } from '../observability/process-figures.ts';
import { startTracing, traceAttempt } from '../observability/tracing.ts';
import { runJob } from '../worker/run-job.ts';
import { TrainerThreads } from '../worker/trainer-threads.ts';
import { freshenKernels } from './fresh-kernels.ts';
import { migrateAtStart } from './migrate-at-start.ts';
import { openMarkedStorage } from './open-storage.ts';
import { readConfigOrExit, requireUrl } from './read-config.ts';
import { startOrExit } from './start-or-exit.ts';
import { onStopSignal } from './stop-signal.ts';
import { readVersion } from './version.ts';
import { whenDatabaseAnswers } from './when-database-answers.ts';

/** One worker process: takes one job at a time from the queue, claims it in the database and runs it. */
const config = readConfigOrExit();
const databaseUrl = requireUrl(config.databaseUrl);
const logger = createLogger(config.logLevel, 'worker');
const workerId = typeid('wrk').toString();
const maxThreads = availableParallelism();
/** Whoever stops it may kill it after 20 s. */
const MAX_STOP_MS = 19_000;

const { tracing, compiled, db, queue, files } = await startOrExit(async () => {
  await freshenKernels();
  const tracing =
    config.otlpEndpoint === undefined ? null : await startTracing(config.otlpEndpoint, 'worker', readVersion());
  const { compiled, checks } = chooseKernels();
  if (compiled.build === 'naive')
    logger.error(
      { checks },
      'no build of the kernels passes its check on this machine: jobs take a hundred times as long',
    );
  else logger.info({ kernels: compiled.build, checks }, 'kernels checked');
  const opened = await whenDatabaseAnswers({ databaseUrl, seconds: config.databaseWaitSeconds, logger }, async () => {
    await migrateAtStart(config, databaseUrl, logger);
    const db = openDatabase(databaseUrl, { logger });
    try {
      await registerWorker(db, {
        id: workerId,
        host: hostname(),
        pid: process.pid,
        kernels: compiled.build,
        threads: config.threads ?? maxThreads,
      });
      return { db, queue: await openQueue({ databaseUrl, redisUrl: config.redisUrl, logger }) };
    } catch (error) {
      await db.close();
      throw error;
    }
  });
  // an empty one is the API's to make
  const files = await openMarkedStorage(config.storageDir, logger, async () => false);
  return { tracing, compiled, ...opened, files };
});
const relay = startRelay({ db, queue, logger });
const { tenantRunningJobs: tenantLimit } = config;
const reconciler = startReconciler({ db, queue, logger, tenantLimit });
let runningJob: string | null = null;
const figures = watchProcess(logger);
const touch = setInterval(() => {
  touchWorker(db, workerId, runningJob, figures.read()).catch((err: unknown) =>
    logger.warn({ err }, 'the worker could not say that it lives'),
  );
}, 5000);

const draining = new AbortController();
const trainers = new TrainerThreads();
trainers.prepare();
const context = {
  db,
  storage: files.storage,
  compiled,
  trainers,
  workerId,
  threads: config.threads,
  maxThreads,
  maxMemoryBytes: config.maxJobMemoryBytes,
  leaseSeconds: config.leaseSeconds,
  logger,
};
const consumer = queue.consume(
  async () => {
    // a message says that there is something to do; what, the turns say. Then again, for a job that its tenant's limit has held back.
    while (!draining.signal.aborted) {
      const claim = await claimNextJob(db, { workerId, leaseSeconds: config.leaseSeconds, tenantLimit });
      if (claim === null) return;
      runningJob = claim.job.id;
      try {
        await traceAttempt(claim.job, claim.runEpoch, () => runJob(context, claim, draining.signal));
      } finally {
        runningJob = null;
        trainers.prepare();
      }
    }
  },
  { concurrency: 1 },
);
logger.info({ worker: workerId }, 'the worker waits for jobs');

onStopSignal(
  logger,
  async () => {
    // first the flag, so that the running job writes its checkpoint and lets go; then the queue, which waits for it
    draining.abort();
    await consumer.close();
    await trainers.close();
    clearInterval(touch);
    await Promise.all([relay.close(), reconciler.close()]);
    await queue.close();
    await db.close();
    files.close();
    await tracing?.close();
  },
  MAX_STOP_MS,
);
