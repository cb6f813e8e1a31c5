import { afterAll, beforeAll, expect, it } from 'vitest';
import { readFigures } from '../../src/db/figures.ts';
import { insertDeliveries } from '../../src/db/webhook-deliveries.ts';
import { insertWebhook } from '../../src/db/webhooks.ts';
import { registerWorker, touchWorker } from '../../src/db/workers.ts';
import { recordCheckpoints } from '../../src/jobs/record-checkpoint.ts';
import { renewLease } from '../../src/jobs/renew-lease.ts';
import { call } from '../support/client.ts';
import { readStream } from '../support/event-stream.ts';
import { addClaimed, addJob, describeCheckpoint, TENANT } from '../support/jobs.ts';
import { expectProblem } from '../support/problem.ts';
import { type Service, startService } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

let service: Service;
beforeAll(async () => {
  service = await startService({
    parts: {
      queueFullness: async () => 0.25,
      config: {
        auth: 'open',
        maxUploadBytes: 1,
        tenantRunningJobs: undefined,
        maxUploads: 32,
        trustProxy: [],
        requestsPerMinute: 0,
        quotas: { datasetBytes: undefined, openJobs: undefined },
        metricsToken: 'secret',
      },
    },
  });
});
afterAll(() => service.close());

async function scrape(url = service.url): Promise<Map<string, number>> {
  const { status, headers, body } = await call<string>('GET', `${url}/metrics`, undefined, {
    authorization: 'Bearer secret',
  });
  expect(status).toBe(200);
  expect(headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  const lines = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

it('tells how the service is', async () => {
  const { db } = service.database;
  await addJob(db);
  await addJob(db);
  const claim = await addClaimed(db);
  const progress = {
    percentage: 1,
    step: 10,
    total_steps: 1000,
    epoch: 0,
    epochs: 5,
    eta_s: null,
    samples_per_s: 3200,
    metrics: {},
    updated_at: new Date().toISOString(),
  };
  await renewLease(db, claim, 30, { progress });
  await recordCheckpoints(db, claim, [describeCheckpoint(1, 'latest')]);
  await db.pool.query("update checkpoints set created_at = now() - interval '100 s'");
  await db.pool.query("update jobs set started_at = now() - interval '200 s' where status = 'running'");
  await db.pool.query("update jobs set queued_at = now() - interval '50 s' where status = 'queued'");
  await registerWorker(db, { id: 'wrk_a', host: 'h', pid: 1, kernels: 'plain', threads: 2 });
  await touchWorker(db, 'wrk_a', claim.job.id, { memory_bytes: 1000, cpu_s: 2.5, event_loop_delay_max_s: 0.02 });

  const figures = await scrape();
  expect(figures.get('trainyard_jobs_queued')).toBe(2);
  expect(figures.get('trainyard_jobs_queued_oldest_seconds')).toBeCloseTo(50, -1);
  expect(figures.get('trainyard_jobs_running')).toBe(1);
  expect(figures.get('trainyard_training_steps_per_second')).toBe(100);
  expect(figures.get('trainyard_checkpoint_lag_seconds')).toBeCloseTo(100, -1);
  // nothing relays here
  expect(figures.get('trainyard_outbox_unsent')).toBe(3);
  expect(figures.get('trainyard_webhook_deliveries_pending')).toBe(0);
  expect(figures.get('trainyard_database_up')).toBe(1);
  expect(figures.get('trainyard_queue_messages')).toBe(0);
  expect(figures.get('trainyard_queue_memory_used_ratio')).toBe(0.25);
  expect(figures.get('trainyard_database_pool{state="waiting"}')).toBe(0);
  expect(figures.get('trainyard_worker_busy{worker="wrk_a"}')).toBe(1);
  expect(figures.get('trainyard_worker_memory_bytes{worker="wrk_a"}')).toBe(1000);
  expect(figures.get('trainyard_worker_event_loop_delay_seconds{worker="wrk_a"}')).toBe(0.02);
  expect(figures.get('nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0);
});

it('counts deliveries that are to be made, and how late they are; not those of a webhook that is disabled', async () => {
  const { db } = service.database;
  for (const id of ['whk_on', 'whk_off']) {
    const webhook = { id, tenant: TENANT, url: 'https://example.com', description: '', events: [], secret: 'whsec_' };
    await insertWebhook(db, webhook, 100);
    const delivery = { tenant: TENANT, webhookId: id, event: 'job.failed' as const, jobId: null, payload: '{}' };
    await insertDeliveries(db.orm, [{ ...delivery, id: `whd_${id}` }]);
  }
  await db.pool.query("update webhooks set disabled_reason = 'gone' where id = 'whk_off'");
  await db.pool.query(`update webhook_deliveries set next_attempt_at = now() - make_interval(secs =>
    case when webhook_id = 'whk_off' then 5000 else 70 end)`);
  const { pendingDeliveries, overdueDeliverySeconds } = await readFigures(db);
  expect(pendingDeliveries).toBe(1);
  expect(overdueDeliverySeconds).toBeCloseTo(70, -1);
});

it('measures requests by route and status, and counts streams while they are open', async () => {
  const { job } = await addClaimed(service.database.db);
  await call('GET', `${service.api}/jobs/${job.id}`);
  await call('GET', `${service.api}/jobs/job_01h455vb4pex5vsknk084sn02q`);
  await call('GET', `${service.api}/nowhere/${job.id}`);
  const count = (figures: Map<string, number>, route: string, status: number) =>
    figures.get(`trainyard_http_request_duration_seconds_count{method="GET",route="${route}",status="${status}"}`);
  const figures = await scrape();
  expect(count(figures, '/v1/jobs/:id', 200)).toBe(1);
  expect(count(figures, '/v1/jobs/:id', 404)).toBe(1);
  expect(count(figures, 'none', 404)).toBe(1);
  expect([...figures.keys()].join('\n')).not.toContain(job.id);

  let during: number | undefined;
  await readStream(`${service.api}/jobs/${job.id}/events`, {}, (messages) => messages.length === 2);
  const reading = readStream(`${service.api}/jobs/${job.id}/events`, {}, () => during !== undefined);
  await waitFor(async () => {
    during = (await scrape()).get('trainyard_event_streams') === 1 ? 1 : undefined;
    return during;
  }, 'an open stream');
  await addEvent(job.id);
  await reading;
  await waitFor(async () => (await scrape()).get('trainyard_event_streams') === 0, 'no open stream');
});

/** Something to read, so that the reader looks whether it has enough. */
async function addEvent(jobId: string): Promise<void> {
  const { addEvents } = await import('../../src/jobs/transitions.ts');
  await service.database.db.orm.transaction((tx) =>
    addEvents(tx, jobId, [{ type: 'job.message', data: { message: 'hello' } }]),
  );
}

it('with a token, only for it', async () => {
  for (const authorization of ['', 'Bearer', 'Bearer wrong', 'secret']) {
    const answer = await call('GET', `${service.url}/metrics`, undefined, { authorization });
    expectProblem(answer, 'unauthorized');
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
  }
});

it('a busy process refuses work for a moment, and still tells how it is', async () => {
  const busy = await startService({ parts: { maxEventLoopDelayMs: 200 } });
  try {
    const refused = await waitFor(async () => {
      const untilMs = performance.now() + 700;
      while (performance.now() < untilMs);
      await new Promise((resolve) => setTimeout(resolve, 5));
      const answer = await call('GET', `${busy.api}/jobs`);
      return answer.status === 503 ? answer : null;
    }, 'a refusal');
    expectProblem(refused, 'unavailable');
    expect(refused.headers.get('retry-after')).toBe('2');
    for (const path of ['/healthz', '/readyz', '/metrics'])
      expect((await call('GET', busy.url + path)).status, path).toBe(200);
    await waitFor(async () => (await call('GET', `${busy.api}/jobs`)).status === 200, 'an end of it');
  } finally {
    await busy.close();
  }
});

it('readiness tells what is missing, and what only delays', async () => {
  const lame = await startService({
    parts: {
      queueDepth: () => Promise.reject(new Error('away')),
      storage: { ...service.deps.storage, check: () => Promise.reject(new Error('EIO')) },
    },
  });
  const { status, body } = await call('GET', `${lame.url}/readyz`);
  expect([status, body]).toEqual([503, { status: 'not ready', missing: ['storage'], degraded: ['queue', 'workers'] }]);
  await lame.close();
  await touchWorker(service.database.db, 'wrk_a', null);
  expect((await call('GET', `${service.url}/readyz`)).body).toEqual({ status: 'ready', missing: [], degraded: [] });
});
