import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { Webhook as Verifier } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { finishJob } from '../../src/jobs/finish-job.ts';
import { recordCheckpoints } from '../../src/jobs/record-checkpoint.ts';
import { cancelJob } from '../../src/jobs/request-change.ts';
import { OutboundGuard } from '../../src/outbound/guard.ts';
import { openOutbound } from '../../src/outbound/request.ts';
import type { WebhookDelivery, WebhookWithSecret } from '../../src/spec/webhook.ts';
import { type Deliverer, startDeliverer } from '../../src/webhooks/deliverer.ts';
import { call } from '../support/client.ts';
import { addClaimed, addJob, claimOrThrow, describeCheckpoint, TENANT } from '../support/jobs.ts';
import { expectProblem } from '../support/problem.ts';
import { type Service, startService } from '../support/service.ts';
import { startTarget, type Target, type TargetRequest } from '../support/target.ts';
import { waitFor } from '../support/wait-for.ts';

const guard = new OutboundGuard({ allowHttp: true, allowRanges: ['127.0.0.0/8'] });
/** Fractions of a second where production waits minutes and hours. */
const DELAYS_S = [0.05, 0.05, 0.05];
const TIMEOUT_MS = 700;
const quiet = { logger: pino({ level: 'silent' }), userAgent: 'Trainyard/test' };

let service: Service;
let target: Target;
let deliverers: Deliverer[];
/** how often a path has been asked */
const counts = new Map<string, number>();

beforeAll(async () => {
  service = await startService({ parts: { outboundGuard: guard } });
  target = await startTarget(({ path }, response) => {
    const count = (counts.get(path) ?? 0) + 1;
    counts.set(path, count);
    if (path === '/fails-twice') response.writeHead(count <= 2 ? 500 : 200).end('thanks');
    else if (path.startsWith('/fails')) response.writeHead(503).end('no\0 \xff way');
    else if (path.startsWith('/redirects')) response.writeHead(302, { location: `${target.url}/elsewhere` }).end();
    else if (path.startsWith('/gone')) response.writeHead(410).end();
    else if (path.startsWith('/later')) response.writeHead(429, { 'retry-after': '1' }).end();
    else if (path.startsWith('/huge')) {
      // as fast as it is taken, and without end
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(64 * 1024, 'x')));
      };
      response.on('drain', more);
      response.writeHead(200);
      more();
    } else if (!path.startsWith('/slow')) response.writeHead(200).end('thanks');
  });
  // two, as in two processes
  deliverers = [1, 2].map(() =>
    startDeliverer({
      ...quiet,
      db: service.database.db,
      outbound: openOutbound(guard),
      delaysS: DELAYS_S,
      timeoutMs: TIMEOUT_MS,
    }),
  );
});
afterAll(async () => {
  await Promise.all(deliverers.map((deliverer) => deliverer.close()));
  await target[Symbol.asyncDispose]();
  await service.close();
});

async function addWebhook(path: string, fields: object = {}): Promise<WebhookWithSecret> {
  const { status, body } = await call('POST', `${service.api}/webhooks`, { url: target.url + path, ...fields });
  expect(status, JSON.stringify(body)).toBe(201);
  return body;
}

/** For the events of every test go to every webhook. */
async function removeWebhook({ id }: { id: string }): Promise<void> {
  expect((await call('DELETE', `${service.api}/webhooks/${id}`)).status).toBe(204);
}

async function listDeliveries(id: string, query = ''): Promise<WebhookDelivery[]> {
  return (await call('GET', `${service.api}/webhooks/${id}/deliveries${query}`)).body.data;
}

async function sendTest(id: string): Promise<WebhookDelivery> {
  const { status, headers, body } = await call('POST', `${service.api}/webhooks/${id}/test`);
  expect(status, JSON.stringify(body)).toBe(202);
  expect(headers.get('location')).toBe(`/v1/webhooks/${id}/deliveries/${body.id}`);
  return body;
}

/** The delivery once it has been made, or been given up. */
function waitUntilDone({ webhook_id, id }: WebhookDelivery): Promise<WebhookDelivery> {
  return waitFor(async () => {
    const { body } = await call('GET', `${service.api}/webhooks/${webhook_id}/deliveries/${id}`);
    return body.status === 'pending' ? null : body;
  }, `delivery ${id}`);
}

const verify = (secret: string, { body, headers }: TargetRequest) => new Verifier(secret).verify(body, headers);

describe('events of jobs', () => {
  it('are delivered in thin, signed bodies; checkpoints only where they are asked for', async () => {
    const { db } = service.database;
    const usual = await addWebhook('/usual');
    const checkpoints = await addWebhook('/checkpoints', { events: ['job.checkpoint'], description: 'mine' });
    expect(usual.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);

    const claim = await addClaimed(db, { name: 'a '.repeat(100) });
    await recordCheckpoints(db, claim, [describeCheckpoint(3, 'latest')]);
    await finishJob(db, claim, {
      status: 'failed',
      stopReason: 'diverged',
      error: { code: 'diverged', category: 'user', message: 'The loss is NaN. '.repeat(100), hint: null },
    });
    const waiting = await addJob(db);
    await cancelJob(db, TENANT, waiting.id);

    await waitFor(() => target.to('/usual').length === 3 && target.to('/checkpoints').length === 1, 'four requests');
    const bodies = target.to('/usual').map((request) => verify(usual.secret, request) as Record<string, never>);
    const byType = (type: string) => bodies.find((body) => body.type === type);
    expect(byType('job.started')).toMatchObject({
      timestamp: expect.stringMatching(/Z$/),
      data: { job_id: claim.job.id, status: 'running', attempt: 1, href: `/v1/jobs/${claim.job.id}` },
    });
    expect(byType('job.failed')).toMatchObject({
      data: { job_id: claim.job.id, status: 'failed', stop_reason: 'diverged', error: { code: 'diverged' } },
    });
    expect(byType('job.cancelled')).toMatchObject({ data: { job_id: waiting.id, status: 'cancelled' } });
    const [checkpoint] = target.to('/checkpoints');
    expect(verify(checkpoints.secret, checkpoint!)).toMatchObject({
      type: 'job.checkpoint',
      data: { job_id: claim.job.id, step: 3, is_latest: true, checkpoint: expect.stringMatching(/^ckpt_/) },
    });
    for (const { body, headers } of target.requests) {
      expect(body.length).toBeLessThan(2000);
      expect(headers).toMatchObject({ 'content-type': 'application/json', 'user-agent': 'Trainyard/test' });
    }
    const [latest] = await waitFor(async () => {
      const done = await listDeliveries(usual.id, '?status=succeeded&limit=1');
      return done.length > 0 ? done : null;
    }, 'the log');
    expect(latest).toMatchObject({ status: 'succeeded', attempts: 1, response_status: 200, response_body: 'thanks' });
    // a transaction that is rolled back has told nobody
    const claimed = await claimOrThrow(db, (await addJob(db)).id);
    await expect(finishJob(db, { ...claimed, runEpoch: 9 }, { status: 'cancelled' })).rejects.toThrow('is over');
    await waitFor(() => target.to('/usual').length === 4, 'job.started');
    await sleep(100);
    expect(target.to('/usual').length).toBe(4);
    await Promise.all([usual, checkpoints].map(removeWebhook));
  });
});

describe('a target', () => {
  it('that fails is asked again, under the same id and with the same body, and tells how it went', async () => {
    const webhook = await addWebhook('/fails-twice');
    const done = await waitUntilDone(await sendTest(webhook.id));
    expect(done).toMatchObject({ status: 'succeeded', attempts: 3, response_status: 200, next_attempt_at: null });
    expect(done.tries.map(({ response_status, error }) => [response_status, error])).toEqual([
      [500, 'answered 500'],
      [500, 'answered 500'],
      [200, null],
    ]);
    const requests = target.to('/fails-twice');
    expect(new Set(requests.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([done.id]));
    expect(new Set(requests.map(({ body }) => body)).size).toBe(1);
    for (const request of requests) verify(webhook.secret, request);
    const { body } = await call('GET', `${service.api}/webhooks/${webhook.id}`);
    expect(body).toMatchObject({ enabled: true, failing_since: null });
    await removeWebhook(webhook);
  });

  it('that never takes it is given up at the end of the schedule; a replay begins again', async () => {
    const webhook = await addWebhook('/fails-always');
    const done = await waitUntilDone(await sendTest(webhook.id));
    expect(done).toMatchObject({
      status: 'failed',
      attempts: DELAYS_S.length + 1,
      response_status: 503,
      response_body: 'no\uFFFD \u00ff way',
    });
    const { body } = await call('GET', `${service.api}/webhooks/${webhook.id}`);
    expect(body).toMatchObject({ enabled: true, failing_since: expect.any(String) });
    await call('PATCH', `${service.api}/webhooks/${webhook.id}`, { url: `${target.url}/works` });
    const replay = await call('POST', `${service.api}/webhooks/${webhook.id}/deliveries/${done.id}/replay`);
    expect(replay.status).toBe(202);
    expect(await waitUntilDone(replay.body)).toMatchObject({ status: 'succeeded', attempts: DELAYS_S.length + 2 });
    const [request] = target.to('/works');
    expect(request!.headers['webhook-id']).toBe(done.id);
    await removeWebhook(webhook);
  });

  it.each([
    ['answers nothing', '/slow', null, 'did not answer in time'],
    ['sends it elsewhere', '/redirects', 302, 'redirects are not followed'],
    ['says when to come back', '/later', 429, 'answered 429'],
  ])('that %s', async (_, path, status, error) => {
    const webhook = await addWebhook(path);
    const delivery = await sendTest(webhook.id);
    const [tried] = await waitFor(async () => {
      const { body } = await call('GET', `${service.api}/webhooks/${webhook.id}/deliveries/${delivery.id}`);
      return body.tries.length > 0 ? (body as WebhookDelivery).tries : null;
    }, 'a try');
    expect(tried).toMatchObject({ response_status: status, error: expect.stringContaining(error) });
    if (path === '/slow') expect(tried!.duration_ms).toBeLessThan(TIMEOUT_MS + 5_000);
    if (path === '/later') {
      await waitFor(() => target.to(path).length >= 2, 'the second try');
      const [first, second] = target.to(path);
      expect(second!.atMs - first!.atMs).toBeGreaterThan(900);
    }
    expect(target.to('/elsewhere')).toEqual([]);
    await removeWebhook(webhook);
  });

  it('whose answer has no end is taken by its status, and little of it is kept', async () => {
    const webhook = await addWebhook('/huge');
    const done = await waitUntilDone(await sendTest(webhook.id));
    expect(done).toMatchObject({ status: 'succeeded', attempts: 1, response_status: 200 });
    expect(done.response_body).toBe('x'.repeat(4096));
    await removeWebhook(webhook);
  });

  it('that is gone (410) is disabled at once, and can be enabled again', async () => {
    const webhook = await addWebhook('/gone');
    expect(await waitUntilDone(await sendTest(webhook.id))).toMatchObject({ status: 'failed', attempts: 1 });
    const at = `${service.api}/webhooks/${webhook.id}`;
    expect((await call('GET', at)).body).toMatchObject({ enabled: false, disabled_reason: 'gone' });
    expectProblem(await call('POST', `${at}/test`), 'illegal_transition');
    await addClaimed(service.database.db);
    expect(await listDeliveries(webhook.id)).toHaveLength(1);
    const enabled = await call('PATCH', at, { enabled: true, url: `${target.url}/back` });
    expect(enabled.body).toMatchObject({ enabled: true, disabled_reason: null, failing_since: null });
    expect(await waitUntilDone(await sendTest(webhook.id))).toMatchObject({ status: 'succeeded' });
    await removeWebhook(webhook);
  });

  it('that has failed for days is disabled; one that failed a while ago and then worked is not', async () => {
    const webhook = await addWebhook('/fails-for-days');
    const since = (interval: string) =>
      service.database.db.pool.query('update webhooks set failing_since = now() - $2::interval where id = $1', [
        webhook.id,
        interval,
      ]);
    await since('4 days');
    await waitUntilDone(await sendTest(webhook.id));
    const at = `${service.api}/webhooks/${webhook.id}`;
    expect((await call('GET', at)).body).toMatchObject({ enabled: true });
    await since('6 days');
    await sendTest(webhook.id);
    const { body } = await waitFor(async () => {
      const answer = await call('GET', at);
      return answer.body.enabled ? null : answer;
    }, 'disabling');
    expect(body).toMatchObject({ disabled_reason: 'failing' });
    await removeWebhook(webhook);
  });

  it('that is slow holds up nobody else, and is asked for little at once', async () => {
    const own = await startService({ parts: { outboundGuard: guard } });
    const outbound = openOutbound(guard);
    // a try at the slow one lasts as long as the test
    const patient = startDeliverer({ ...quiet, db: own.database.db, outbound, timeoutMs: 60_000 });
    for (const path of ['/slow-one', '/quick-one'])
      await call('POST', `${own.api}/webhooks`, { url: target.url + path, events: ['job.checkpoint'] });
    const claim = await addClaimed(own.database.db);
    const steps = Array.from({ length: 30 }, (_, i) => i + 1);
    for (const step of steps) await recordCheckpoints(own.database.db, claim, [describeCheckpoint(step, 'latest')]);
    await waitFor(() => target.to('/quick-one').length === steps.length, 'every checkpoint');
    await waitFor(() => target.to('/slow-one').length >= 4, 'as many as the slow one may be asked');
    expect(target.to('/slow-one').length).toBe(4);
    // stopping cuts them off; they are due for the next process
    await patient.close();
    await outbound.close();
    const { rows } = await own.database.db.pool.query(
      "select count(*)::int from webhook_deliveries where status = 'pending' and next_attempt_at <= clock_timestamp()",
    );
    expect(rows).toEqual([{ count: steps.length }]);
    await own.close();
  });
});

describe('the secret', () => {
  it('can be changed; both are valid for a while, and then the new one alone', async () => {
    const webhook = await addWebhook('/rotated');
    const at = `${service.api}/webhooks/${webhook.id}`;
    const rotated = await call('POST', `${at}/rotate-secret`, { overlap_s: 3600 });
    expect(rotated.status).toBe(200);
    expect(rotated.body.secret).not.toBe(webhook.secret);
    expect(rotated.body.old_secret_until).toEqual(expect.any(String));
    await waitUntilDone(await sendTest(webhook.id));
    const [both] = target.to('/rotated');
    expect(both!.headers['webhook-signature']!.split(' ')).toHaveLength(2);
    verify(webhook.secret, both!);
    verify(rotated.body.secret, both!);

    const last = await call('POST', `${at}/rotate-secret`, { overlap_s: 0 });
    await waitUntilDone(await sendTest(webhook.id));
    const [, alone] = target.to('/rotated');
    verify(last.body.secret, alone!);
    for (const { secret } of [webhook, rotated.body]) expect(() => verify(secret, alone!)).toThrow();
    expect((await call('GET', at)).body).toMatchObject({ old_secret_until: null });
    await removeWebhook(webhook);
  });

  it('is shown when it is made, and never again', async () => {
    const webhook = await addWebhook('/shown');
    for (const url of ['', `/${webhook.id}`, `/${webhook.id}/deliveries`]) {
      const { body } = await call('GET', `${service.api}/webhooks${url}`);
      expect(JSON.stringify(body)).not.toContain('whsec_');
    }
    await removeWebhook(webhook);
  });
});
