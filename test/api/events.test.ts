import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Claim } from '../../src/jobs/fence.ts';
import { finishJob } from '../../src/jobs/finish-job.ts';
import { recordMetrics } from '../../src/jobs/record-metrics.ts';
import { renewLease } from '../../src/jobs/renew-lease.ts';
import { cancelJob } from '../../src/jobs/request-change.ts';
import { call } from '../support/client.ts';
import { numbersOf, readStream, type StreamMessage } from '../support/event-stream.ts';
import { addClaimed, addJob, TENANT } from '../support/jobs.ts';
import { expectProblem } from '../support/problem.ts';
import { openRaw } from '../support/raw-http.ts';
import { type Service, startService } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

let service: Service;
const logged: string[] = [];
beforeAll(async () => {
  // nothing that happens here is worth a warning
  const logger = pino({ level: 'warn' }, { write: (line: string) => void logged.push(line) });
  service = await startService({ parts: { logger } });
});
afterAll(async () => {
  await service.close();
  expect(logged).toEqual([]);
});

const urlOf = (claim: Claim) => `${service.api}/jobs/${claim.job.id}/events`;

const recordEpoch = (claim: Claim, n: number, db = service.database.db) =>
  recordMetrics(db, claim, [], [{ type: 'job.metrics', onceKey: `metrics:epoch:${n}`, data: { epoch: n } }]);

const succeed = (claim: Claim) =>
  finishJob(service.database.db, claim, { status: 'succeeded', stopReason: 'completed', metrics: {} });

const describeProgress = (n: number) => ({
  percentage: n,
  step: n,
  total_steps: 30,
  epoch: n,
  epochs: 30,
  eta_s: 1,
  samples_per_s: 1,
  metrics: { 'train.loss': 'NaN' as const },
  updated_at: new Date().toISOString(),
});

describe('the event log as pages', () => {
  it('is in order, and goes on behind an id', async () => {
    const claim = await addClaimed(service.database.db);
    for (const n of [1, 2, 3]) await recordEpoch(claim, n);
    const { body } = await call('GET', urlOf(claim));
    expect(body).toMatchObject({
      data: [
        { id: 1, type: 'job.queued' },
        { id: 2, type: 'job.started', data: { attempt: 1 } },
        { id: 3, type: 'job.metrics', data: { epoch: 1 } },
        { id: 4 },
        { id: 5 },
      ],
      has_more: false,
      next_cursor: null,
    });
    const first = await call('GET', `${urlOf(claim)}?limit=2`);
    expect(first.body).toMatchObject({ data: [{ id: 1 }, { id: 2 }], has_more: true, next_cursor: '2' });
    const second = await call('GET', `${urlOf(claim)}?limit=2&after=${first.body.next_cursor}`);
    expect(second.body).toMatchObject({ data: [{ id: 3 }, { id: 4 }], next_cursor: '4' });
    expect((await call('GET', `${urlOf(claim)}?after=${Number.MAX_SAFE_INTEGER}`)).body.data).toEqual([]);
  });

  it('a long poll returns at once when something happens', async () => {
    const claim = await addClaimed(service.database.db);
    // a busy machine may hold one of them up
    const tookMs = [];
    for (const epoch of [1, 2, 3]) {
      const waiting = call('GET', `${urlOf(claim)}?after=${epoch + 1}&wait_s=30`);
      await sleep(200);
      const begin = performance.now();
      await recordEpoch(claim, epoch);
      expect((await waiting).body.data).toMatchObject([{ id: epoch + 2 }]);
      tookMs.push(performance.now() - begin);
    }
    expect(Math.min(...tookMs)).toBeLessThan(900);
  });

  it('a long poll returns empty when its time is over, and at once for a job that has ended', async () => {
    const job = await addJob(service.database.db);
    const url = `${service.api}/jobs/${job.id}/events`;
    const begin = performance.now();
    expect((await call('GET', `${url}?after=1&wait_s=0.3`)).body.data).toEqual([]);
    expect(performance.now() - begin).toBeGreaterThan(290);
    const waiting = call('GET', `${url}?after=1&wait_s=60`);
    await cancelJob(service.database.db, TENANT, job.id);
    expect((await waiting).body.data).toMatchObject([{ id: 2, type: 'job.cancelled' }]);
    expect((await call('GET', `${url}?after=2&wait_s=60`)).body.data).toEqual([]);
    expect(performance.now() - begin).toBeLessThan(10_000);
  });

  it.each([
    'after=-1',
    'after=x',
    'after=1.5',
    'limit=0',
    'limit=501',
    'wait_s=61',
    'wait_s=NaN',
    'until=3',
    'after=1&after=2',
  ])('?%s is refused', async (query) => {
    const job = await addJob(service.database.db);
    const { errors } = expectProblem(
      await call('GET', `${service.api}/jobs/${job.id}/events?${query}`),
      query.startsWith('limit') ? 'invalid_limit' : 'invalid_field',
    );
    expect(errors[0]!.pointer).toBe(`/${query.split('=')[0]}`);
  });
});

describe('the event log as a stream', () => {
  it('is numbered without gap or double across cuts, shows progress in between, and ends with the job', async () => {
    const claim = await addClaimed(service.database.db);
    const writer = (async () => {
      for (let n = 1; n <= 30; n++) {
        await recordEpoch(claim, n);
        if (n % 10 === 0) await renewLease(service.database.db, claim, 30, { progress: describeProgress(n) });
      }
      await succeed(claim);
    })();
    const seen: StreamMessage[] = [];
    // a client that is cut off after every few messages, and takes up again where it was
    while (!seen.some(({ event }) => event === 'job.succeeded')) {
      const last = Math.max(0, ...numbersOf(seen));
      const headers: Record<string, string> = last === 0 ? {} : { 'last-event-id': String(last) };
      seen.push(...(await readStream(urlOf(claim), headers, (messages) => numbersOf(messages).length >= 4)));
    }
    await writer;
    expect(numbersOf(seen)).toEqual(Array.from({ length: 33 }, (_, i) => i + 1));
    expect(seen.filter(({ id, event }) => id === null && event !== 'job.progress')).toEqual([]);
    expect(seen.find(({ event }) => event === 'job.progress')!.data).toMatchObject({
      metrics: { 'train.loss': 'NaN' },
    });
    const whole = await readStream(urlOf(claim));
    expect(numbersOf(whole)).toHaveLength(33);
    expect(whole.at(-1)!.event).toBe('job.succeeded');
    const [first] = whole.filter(({ id }) => id === 1);
    expect(first!.data).toEqual((await call('GET', `${urlOf(claim)}?limit=1`)).body.data[0]);
  });

  it('longer than a page of the database comes whole', async () => {
    const claim = await addClaimed(service.database.db);
    const events = Array.from({ length: 1200 }, (_, n) => ({ type: 'job.message' as const, data: { n } }));
    await recordMetrics(service.database.db, claim, [], events);
    await succeed(claim);
    expect(numbersOf(await readStream(urlOf(claim)))).toEqual(Array.from({ length: 1203 }, (_, i) => i + 1));
  });

  it('is open at once, even where there is nothing new to say', async () => {
    const claim = await addClaimed(service.database.db);
    const abort = new AbortController();
    const response = await fetch(urlOf(claim), {
      headers: { accept: 'text/event-stream', 'last-event-id': '2' },
      signal: abort.signal,
    });
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    expect(response.headers.get('x-request-id')).toMatch(/^req_/);
    abort.abort();
  });

  it('taken up again after the last event of a job there is no more, and EventSource comes no more', async () => {
    const claim = await addClaimed(service.database.db);
    await succeed(claim);
    const again = (id: string) =>
      fetch(urlOf(claim), { headers: { accept: 'text/event-stream', 'last-event-id': id } });
    expect((await again('3')).status).toBe(204);
    expect((await again('2')).status).toBe(200);
  });

  it.each(['x', '-1', '1.5', '0x10', '1e3', '99999999999999999999', ' 1 2'])(
    'Last-Event-ID %j is refused',
    async (id) => {
      const job = await addJob(service.database.db);
      const answer = await call('GET', `${service.api}/jobs/${job.id}/events`, undefined, {
        accept: 'text/event-stream',
        'last-event-id': id,
      });
      expectProblem(answer, 'invalid_event_id');
    },
  );

  it('of no job, and without a body', async () => {
    const none = `${service.api}/jobs/job_01h455vb4pex5vsknk084sn02q/events`;
    expectProblem(await call('GET', none, undefined, { accept: 'text/event-stream' }), 'job_not_found');
    expect((await fetch(none, { method: 'HEAD' })).status).toBe(405);
  });

  it('twenty watch at once, each hears everything; a closing service ends their streams', async () => {
    const own = await startService();
    const claim = await addClaimed(own.database.db);
    let open = 0;
    const streams = Array.from({ length: 20 }, () =>
      readStream(`${own.api}/jobs/${claim.job.id}/events`, {}, (messages) => {
        if (messages.length === 1) open += 1;
        return false;
      }),
    );
    await waitFor(() => open === 20, 'twenty streams');
    for (const n of [1, 2, 3]) await recordEpoch(claim, n, own.database.db);
    await sleep(300);
    const poll = call('GET', `${own.api}/jobs/${claim.job.id}/events?after=5&wait_s=60`);
    await sleep(100);
    const begin = performance.now();
    await own.close();
    expect(performance.now() - begin).toBeLessThan(20_000);
    for (const messages of await Promise.all(streams)) expect(numbersOf(messages)).toEqual([1, 2, 3, 4, 5]);
    expect((await poll).body.data).toEqual([]);
  });

  it('outlives a database that is away for a while', async () => {
    const { db } = service.database;
    const claim = await addClaimed(db);
    const reading = readStream(urlOf(claim));
    await sleep(200);
    // every connection of the service is cut, the listener's too
    await db.pool
      .query(
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
      )
      .catch(() => {});
    for (const n of [1, 2])
      await waitFor(
        () =>
          recordEpoch(claim, n).then(
            () => true,
            () => false,
          ),
        'the database',
      );
    await waitFor(
      () =>
        succeed(claim).then(
          () => true,
          () => false,
        ),
      'the database',
    );
    expect(numbersOf(await reading)).toEqual([1, 2, 3, 4, 5]);
    // the connections that were cut are told of
    logged.splice(0, logged.length, ...logged.filter((line) => !/connection was lost|broke off/.test(line)));
  });

  it('a client that reads nothing takes no memory, and others go on', async () => {
    const claim = await addClaimed(service.database.db);
    const data = { text: 'x'.repeat(20_000) };
    for (let round = 0; round < 10; round++) {
      const events = Array.from({ length: 100 }, () => ({ type: 'job.message' as const, data }));
      await recordMetrics(service.database.db, claim, [], events);
    }
    const raw = openRaw(service.url);
    raw.socket.pause();
    raw.socket.write(`GET /v1/jobs/${claim.job.id}/events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n`);
    await sleep(300);
    const other = await readStream(urlOf(claim), {}, (messages) => messages.length === 1002);
    expect(other).toHaveLength(1002);
    raw.socket.destroy();
  });
});
