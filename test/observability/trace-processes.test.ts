import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { call, hasEnded, postJob, uploadCsv, waitForJob } from '../support/client.ts';
import { createTestDatabase } from '../support/database.ts';
import { startApiProcess, startWorkerProcess } from '../support/stack.ts';
import { startTarget } from '../support/target.ts';

interface Span {
  service: string;
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  attributes: { key: string; value: Record<string, unknown> }[];
}

const REMOTE = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };

it('one trace goes from a client through the API’s process and the queue to the worker’s, and each sends its part when it stops', async () => {
  await using database = await createTestDatabase();
  await using collector = await startTarget((_, response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}'),
  );
  const folder = await mkdtemp(join(tmpdir(), 'trainyard-trace-'));
  const environment = {
    ...{ DATABASE_URL: database.url, DATA_DIR: folder, REDIS_URL: '', THREADS: '1' },
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
  };
  onTestFinished(() => rm(folder, { recursive: true }));
  const api = await startApiProcess(environment);
  onTestFinished(() => api.kill());
  const worker = await startWorkerProcess(environment);
  onTestFinished(() => worker.kill());
  const rows = Array.from({ length: 30 }, (_, i) => `${i},${2 * i}\n`);
  const dataset = await uploadCsv(api.api, 'points', `a,y\n${rows.join('')}`);
  const spec = { dataset, target: 'y', training: { epochs: 1 } };
  const traced = await call('POST', `${api.api}/jobs`, spec, {
    traceparent: `00-${REMOTE.traceId}-${REMOTE.spanId}-01`,
  });
  const other = await postJob(api.api, spec);
  for (const id of [traced.body.id, other.id])
    expect((await waitForJob(api.api, id, hasEnded)).status).toBe('succeeded');
  expect(await Promise.all([api.stop(), worker.stop()])).toEqual([0, 0]);

  const spans = collector.to('/v1/traces').flatMap(({ body }) =>
    JSON.parse(body).resourceSpans.flatMap(
      ({ resource, scopeSpans }: { resource: Pick<Span, 'attributes'>; scopeSpans: { spans: Span[] }[] }) => {
        const service = attributesOf(resource)['service.name'];
        return scopeSpans.flatMap((scope) => scope.spans.map((span) => ({ ...span, service }) as Span));
      },
    ),
  );
  const attempts = spans.filter(({ name }) => name === 'run job');
  expect(attempts.map(({ service }) => service)).toEqual(['trainyard-worker', 'trainyard-worker']);
  const posts = spans.filter(({ name }) => name === 'POST /v1/jobs');
  expect(posts.map(({ service }) => service)).toEqual(['trainyard-api', 'trainyard-api']);
  const attemptAt = (id: string) => attempts.find((span) => attributesOf(span)['trainyard.job_id'] === id)!;
  const post = posts.find(({ traceId }) => traceId === REMOTE.traceId)!;
  expect(post.parentSpanId).toBe(REMOTE.spanId);
  expect(attemptAt(traced.body.id)).toMatchObject({ traceId: REMOTE.traceId, parentSpanId: post.spanId });
  // a request without a trace begins one of its own
  const own = posts.find((span) => span !== post)!;
  expect(attemptAt(other.id)).toMatchObject({ traceId: own.traceId, parentSpanId: own.spanId });
  expect(own.traceId).not.toBe(REMOTE.traceId);
}, 120_000);

function attributesOf({ attributes }: Pick<Span, 'attributes'>): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
