import { afterAll, beforeAll, expect, it } from 'vitest';
import { getJob } from '../../src/db/jobs.ts';
import { readTraceparent, startTracing, traceAttempt } from '../../src/observability/tracing.ts';
import { call, uploadCsv } from '../support/client.ts';
import { TENANT } from '../support/jobs.ts';
import { type Service, startService } from '../support/service.ts';
import { startTarget } from '../support/target.ts';

interface Span {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  attributes: { key: string; value: Record<string, unknown> }[];
}

let service: Service;
let dataset: string;
beforeAll(async () => {
  service = await startService();
  dataset = await uploadCsv(service.api, 'points', 'a,y\n1,2\n2,4\n3,6\n4,8\n');
});
afterAll(() => service.close());

const REMOTE = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };
const headers = { traceparent: `00-${REMOTE.traceId}-${REMOTE.spanId}-01` };
const post = () => call('POST', `${service.api}/jobs`, { dataset, target: 'y' }, headers);

it('without a collector nothing is traced', async () => {
  const { body } = await post();
  expect((await getJob(service.database.db, TENANT, body.id))!.traceparent).toBeNull();
  expect(await traceAttempt({ id: body.id, traceparent: headers.traceparent }, 1, async () => 'done')).toBe('done');
});

it('with one, a trace goes from the client’s span through the request to the worker’s attempt', async () => {
  await using collector = await startTarget((_, response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}'),
  );
  const tracing = await startTracing(collector.url, 'test', '1.2.3');
  const { body } = await post();
  const job = (await getJob(service.database.db, TENANT, body.id))!;
  expect(job.traceparent).toMatch(new RegExp(`^00-${REMOTE.traceId}-[0-9a-f]{16}-01$`));
  // as a worker does, which knows nothing but the job
  let within: string | null = null;
  await expect(
    traceAttempt(job, 2, async () => {
      within = readTraceparent();
      throw new Error('broken');
    }),
  ).rejects.toThrow('broken');
  await call('GET', `${service.api}/jobs/job_01h455vb4pex5vsknk084sn02q`);
  await tracing.close();

  const resources = collector.to('/v1/traces').flatMap(({ body: sent }) => JSON.parse(sent).resourceSpans);
  const spans: Span[] = resources.flatMap(({ scopeSpans }) =>
    scopeSpans.flatMap((scope: { spans: Span[] }) => scope.spans),
  );
  const find = (name: string) => spans.find((span) => span.name === name)!;
  const attributesOf = (span: Span) =>
    Object.fromEntries(span.attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
  const request = find('POST /v1/jobs');
  expect(request).toMatchObject({ traceId: REMOTE.traceId, parentSpanId: REMOTE.spanId });
  expect(attributesOf(request)).toMatchObject({ 'http.response.status_code': 201, 'http.route': '/v1/jobs' });
  const attempt = find('run job');
  expect(attempt).toMatchObject({ traceId: REMOTE.traceId, parentSpanId: request.spanId });
  expect(attributesOf(attempt)).toEqual({ 'trainyard.job_id': job.id, 'trainyard.attempt': 2 });
  expect(within).toBe(`00-${REMOTE.traceId}-${attempt.spanId}-01`);
  // a request without a trace of its own begins one
  const other = find('GET /v1/jobs/:id');
  expect(other.traceId).not.toBe(REMOTE.traceId);
  expect(JSON.stringify(resources[0].resource)).toContain('trainyard-test');
});
