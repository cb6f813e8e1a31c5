import { createHash, timingSafeEqual } from 'node:crypto';
import { Gauge } from 'prom-client';
import { type Figures, readFigures } from '../../db/figures.ts';
import { listLiveWorkers, type WorkerRow } from '../../db/workers.ts';
import { ApiError } from '../../spec/errors.ts';

import { answersWithin } from '../answers-within.ts';
import type { Api, ApiDeps } from '../deps.ts';

/** Several that scrape, or one that is impatient, cost the database no more than this. */
const FRESH_MS = 5_000;
const PATIENCE_MS = 2_000;

const FIGURES: Record<keyof Figures, [name: string, help: string]> = {
  queuedJobs: ['trainyard_jobs_queued', 'Jobs that wait for a worker'],
  oldestQueuedSeconds: ['trainyard_jobs_queued_oldest_seconds', 'How long the oldest of them has waited'],
  runningJobs: ['trainyard_jobs_running', 'Jobs that a worker has'],
  stepsPerSecond: ['trainyard_training_steps_per_second', 'Optimizer steps of all running jobs together'],
  checkpointLagSeconds: ['trainyard_checkpoint_lag_seconds', 'What a crash would lose at most, of any running job'],
  unsentMessages: ['trainyard_outbox_unsent', 'Messages that are not on the queue yet'],
  oldestUnsentSeconds: ['trainyard_outbox_oldest_seconds', 'How long the oldest of them has waited'],
  pendingDeliveries: ['trainyard_webhook_deliveries_pending', 'Webhook deliveries that are not made yet'],
  overdueDeliverySeconds: ['trainyard_webhook_overdue_seconds', 'How long the most overdue of them is'],
};

/** Of each worker, as it last reported with its heartbeat. */
const WORKER_FIGURES: [name: string, help: string, read: (row: WorkerRow) => number | undefined][] = [
  ['trainyard_worker_busy', '1 while the worker runs a job', (row) => (row.jobId === null ? 0 : 1)],
  ['trainyard_worker_memory_bytes', 'Resident memory of its process', (row) => row.figures?.memory_bytes],
  ['trainyard_worker_cpu_seconds', 'Processor time of its process', (row) => row.figures?.cpu_s],
  [
    'trainyard_worker_event_loop_delay_seconds',
    'Longest delay of the thread that holds leases, since the report before',
    (row) => row.figures?.event_loop_delay_max_s,
  ],
];

/**
 * `/metrics` for Prometheus. Figures of the service and of workers come from PostgreSQL, so every API process tells the same of them: take `max`, not
 * `sum`. Workers report there with their heartbeats instead of listening on ports: they come and go, several on a host, and nothing need find them.
 */
export function addPrometheusRoute(app: Api, deps: ApiDeps): void {
  const { db, metrics, config } = deps;
  const { registry } = metrics;
  const registers = [registry];
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  const figures = Object.entries(FIGURES).map(
    ([key, [name, help]]) => [key as keyof Figures, gauge(name, help)] as const,
  );
  const ofWorkers = WORKER_FIGURES.map(
    ([name, help, read]) => [new Gauge({ name, help, labelNames: ['worker'], registers }), read] as const,
  );
  const databaseUp = gauge(
    'trainyard_database_up',
    '1 while PostgreSQL answers; without it the service’s figures are left out',
  );
  const queueMessages = gauge('trainyard_queue_messages', 'Messages on the queue; left out while it cannot be reached');
  const queueFullness = gauge(
    'trainyard_queue_memory_used_ratio',
    'Of the memory that Redis may use; alarm at 0.7. Left out where it has no bound, or cannot be reached',
  );
  const pool = new Gauge({
    name: 'trainyard_database_pool',
    help: 'Connections of this process to PostgreSQL, and callers that wait for one',
    labelNames: ['state'],
    registers,
    collect() {
      const { totalCount, idleCount, waitingCount } = db.pool;
      this.set({ state: 'busy' }, totalCount - idleCount);
      this.set({ state: 'idle' }, idleCount);
      this.set({ state: 'waiting' }, waitingCount);
    },
  });
  registry.registerMetric(pool);

  const refresh = async () => {
    const [read, workers, depth, fullness] = await Promise.allSettled([
      answersWithin(readFigures(db), PATIENCE_MS),
      answersWithin(listLiveWorkers(db), PATIENCE_MS),
      answersWithin(deps.queueDepth(), PATIENCE_MS),
      answersWithin(deps.queueFullness(), PATIENCE_MS),
    ]);
    databaseUp.set(read.status === 'fulfilled' ? 1 : 0);
    for (const [key, of] of figures) {
      if (read.status === 'fulfilled') of.set(read.value[key]);
      else of.remove();
    }
    for (const [of, readFigure] of ofWorkers) {
      of.reset();
      for (const row of workers.status === 'fulfilled' ? workers.value : []) {
        const value = readFigure(row);
        if (value !== undefined) of.set({ worker: row.id }, value);
      }
    }
    if (depth.status === 'fulfilled') queueMessages.set(depth.value);
    else queueMessages.remove();
    if (fullness.status === 'fulfilled' && fullness.value !== null) queueFullness.set(fullness.value);
    else queueFullness.remove();
  };
  let refreshed: { atMs: number; done: Promise<void> } | undefined;

  app.get(
    '/metrics',
    {
      config: { access: 'public' },
      schema: {
        tags: ['system'],
        summary: 'Figures for Prometheus',
        description: 'With METRICS_TOKEN set, only for `Authorization: Bearer <token>`.',
        response: {
          200: { description: 'Prometheus text', content: { 'text/plain': { schema: { type: 'string' } } } },
        },
      },
    },
    async (request, reply) => {
      if (!isAllowed(request.headers.authorization, config.metricsToken))
        throw new ApiError('unauthorized', 'Send Authorization: Bearer, with the token of METRICS_TOKEN.', {
          headers: { 'www-authenticate': 'Bearer' },
        });
      if (refreshed === undefined || performance.now() - refreshed.atMs > FRESH_MS)
        refreshed = { atMs: performance.now(), done: refresh() };
      await refreshed.done;
      return reply
        .type(registry.contentType)
        .serializer((text: unknown) => String(text))
        .send(await registry.metrics());
    },
  );
}

/** Without a token anybody may read; figures tell nothing of tenants. */
function isAllowed(authorization: string | undefined, token: string | undefined): boolean {
  if (token === undefined) return true;
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(authorization ?? ''), digest(`Bearer ${token}`));
}
