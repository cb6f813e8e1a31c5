import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApiKey } from '../../src/db/api-keys.ts';
import { setTenantLimits } from '../../src/db/tenant-limits.ts';
import { openCounters } from '../../src/jobs/open-counters.ts';
import { SCOPES } from '../../src/spec/api-key.ts';
import { call, uploadCsv } from '../support/client.ts';
import { expectProblem } from '../support/problem.ts';
import { NO_REDIS, startRedis } from '../support/redis.ts';
import { type Service, startService } from '../support/service.ts';

const CONFIG = {
  auth: 'keys',
  maxUploadBytes: 2 ** 20,
  metricsToken: undefined,
  tenantRunningJobs: undefined,
  maxUploads: 32,
  trustProxy: [],
  requestsPerMinute: 5,
  quotas: { datasetBytes: undefined, openJobs: undefined },
} as const;
const makeKey = async ({ database }: Service, tenant: string) => {
  const { key } = await createApiKey(database.db.orm, { tenant, name: '', scopes: SCOPES, expiresAt: null });
  return { authorization: `Bearer ${key}` };
};
const ask = ({ api }: Service, headers = {}) => call('GET', `${api}/jobs`, undefined, headers);

async function useService(parts: Partial<Service['deps']>): Promise<Service & AsyncDisposable> {
  const service = await startService({ parts });
  return { ...service, [Symbol.asyncDispose]: service.close };
}

describe('requests in a minute', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ parts: { config: CONFIG } });
  });
  afterAll(() => service.close());

  it('are counted for each key, told in headers, and refused beyond the limit', async () => {
    const [a, b] = [await makeKey(service, 'a'), await makeKey(service, 'a')];
    const left = [];
    for (let i = 0; i < 5; i++) {
      const { status, headers } = await ask(service, a);
      expect([status, headers.get('ratelimit-limit')]).toEqual([200, '5']);
      expect(Number(headers.get('ratelimit-reset'))).toBeGreaterThan(0);
      left.push(headers.get('ratelimit-remaining'));
    }
    expect(left).toEqual(['4', '3', '2', '1', '0']);
    const refused = await ask(service, a);
    expectProblem(refused, 'rate_limited');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60);
    expect((await ask(service, b)).status).toBe(200);
  });

  it('a tenant may have a limit of its own', async () => {
    const key = await makeKey(service, 'b');
    await setTenantLimits(service.database.db, 'b', { requestsPerMinute: 1 });
    expect((await ask(service, key)).headers.get('ratelimit-limit')).toBe('1');
    expectProblem(await ask(service, key), 'rate_limited');
  });

  it('without a key, or with a wrong one, are counted for the address; whoever watches over the service is not', async () => {
    const codes = [];
    for (let i = 0; i < 7; i++)
      codes.push((await ask(service, { authorization: `Bearer ty_${String(i).repeat(43)}` })).status);
    expect(codes).toEqual([401, 401, 401, 401, 401, 429, 429]);
    expectProblem(await call('GET', `${service.url}/openapi.json`), 'rate_limited');
    for (const path of ['/healthz', '/metrics'])
      expect((await call('GET', `${service.url}${path}`)).status, path).toBe(200);
  });
});

it('behind a proxy that is trusted, are counted for the address that it tells; who is no such proxy cannot make one up', async () => {
  const limited = { ...CONFIG, auth: 'open', requestsPerMinute: 2 } as const;
  const from = (address: string) => ({ 'x-forwarded-for': address });
  await using behind = await useService({ config: { ...limited, trustProxy: ['127.0.0.0/8'] } });
  const codes = [];
  for (const address of ['192.0.2.1', '192.0.2.1', '192.0.2.1', '192.0.2.2', '203.0.113.9, 192.0.2.1'])
    codes.push((await ask(behind, from(address))).status);
  // what stands left of the address that the proxy has seen is the client's own word
  expect(codes).toEqual([200, 200, 429, 200, 429]);
  // no address at all
  for (const status of [200, 200, 429]) expect((await ask(behind, from('unknown '.repeat(3)))).status).toBe(status);

  for (const trustProxy of [[], ['10.0.0.0/8']]) {
    await using direct = await useService({ config: { ...limited, trustProxy } });
    const own = [];
    for (let i = 0; i < 3; i++) own.push((await ask(direct, from(`192.0.2.${i}`))).status);
    expect(own).toEqual([200, 200, 429]);
  }
});

it.skipIf(NO_REDIS !== null)('two processes count together in Redis, and let pass while it is away', async () => {
  const redis = await startRedis();
  const logger = { warn() {} } as never;
  const counters = [openCounters(redis.url, logger), openCounters(redis.url, logger)];
  const first = await startService({ parts: { config: CONFIG, counters: counters[0]!.client } });
  const second = await startService({
    databaseUrl: first.database.url,
    parts: { config: CONFIG, counters: counters[1]!.client },
  });
  try {
    const key = await makeKey(first, 'a');
    for (const service of [first, second, first, second, first]) expect((await ask(service, key)).status).toBe(200);
    expectProblem(await ask(first, key), 'rate_limited');
    expectProblem(await ask(second, key), 'rate_limited');
    redis.freeze();
    expect((await ask(first, key)).status).toBe(200);
    redis.thaw();
    await redis.kill();
    expect((await ask(second, key)).status).toBe(200);
  } finally {
    await second.close();
    await first.close();
    for (const { close } of counters) close();
    await redis.stop();
  }
});

describe('what a tenant may have', () => {
  let service: Service;
  beforeAll(async () => {
    const quotas = { datasetBytes: 40, openJobs: 2 };
    service = await startService({ parts: { config: { ...CONFIG, auth: 'open', requestsPerMinute: 0, quotas } } });
  });
  afterAll(() => service.close());

  it('bytes of datasets: what is too much is refused, whether or not its length is told, and nothing of it kept', async () => {
    const { api } = service;
    const csv = 'a,y\n1,2\n2,4\n3,6\n';
    const id = await uploadCsv(api, 'a', csv);
    await uploadCsv(api, 'b', csv);
    const send = (body: BodyInit) =>
      fetch(`${api}/datasets`, {
        method: 'POST',
        headers: { 'content-type': 'text/csv' },
        body,
        duplex: 'half',
      } as RequestInit);
    for (const body of [csv, new Blob([csv]).stream()]) {
      const { status, headers, body: problem } = await readJson(await send(body));
      expect(expectProblem({ status, headers, body: problem }, 'quota_exceeded').detail).toMatch(/ 40 bytes.*Delete/);
    }
    expect((await call('GET', `${api}/datasets`)).body.data).toHaveLength(2);
    await call('DELETE', `${api}/datasets/${id}`);
    await uploadCsv(api, 'c', csv);
  });

  it('jobs that have not ended, however many are posted at once', async () => {
    const { api } = service;
    const { data } = (await call('GET', `${api}/datasets`)).body;
    const spec = { dataset: data[0].id, target: 'y' };
    const answers = await Promise.all(Array.from({ length: 6 }, () => call('POST', `${api}/jobs`, spec)));
    const made = answers.filter(({ status }) => status === 201);
    expect(made).toHaveLength(2);
    for (const answer of answers.filter(({ status }) => status !== 201))
      expect(expectProblem(answer, 'quota_exceeded').detail).toMatch(/2 jobs.*cancel/);
    const [job] = made;
    await call('POST', `${api}/jobs/${job!.body.id}/cancel`);
    expect((await call('POST', `${api}/jobs/${job!.body.id}/retry`)).status).toBe(201);
    expectProblem(await call('POST', `${api}/jobs/${job!.body.id}/clone`), 'quota_exceeded');
  });
});

async function readJson(response: Response) {
  return { status: response.status, headers: response.headers, body: await response.json() };
}
