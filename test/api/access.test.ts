import { createHash } from 'node:crypto';
import Fastify from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addAuth } from '../../src/api/auth.ts';
import { createApiKey } from '../../src/db/api-keys.ts';
import { evaluations } from '../../src/db/schema.ts';
import { insertDeliveries } from '../../src/db/webhook-deliveries.ts';
import { insertWebhook } from '../../src/db/webhooks.ts';
import { insertWeights } from '../../src/db/weights.ts';
import { recordCheckpoints } from '../../src/jobs/record-checkpoint.ts';
import { encodeOutcomes } from '../../src/judging/outcomes.ts';
import { SCOPES, type Scope } from '../../src/spec/api-key.ts';
import { call } from '../support/client.ts';
import { addClaimed, addModel, describeCheckpoint, TENANT } from '../support/jobs.ts';
import { expectProblem } from '../support/problem.ts';
import { type Service, startService } from '../support/service.ts';

/** Who may do what, of every operation in the document: a new route is tested as soon as it is there. */
const PUBLIC = [
  'get /healthz',
  'get /metrics',
  'get /readyz',
  'get /v2',
  'get /v2/health/live',
  'get /v2/health/ready',
];

interface Operation {
  name: string;
  method: string;
  path: string;
  /** null: not declared; undefined inside: no scope is asked for */
  security: Record<string, Scope[]>[] | null;
}

let service: Service;
let operations: Operation[];
/** ids of the first tenant, by what stands before them in a path */
let ids: Record<string, string>;
let owner: string;
beforeAll(async () => {
  service = await startService({ auth: 'keys' });
  const { db } = service.database;
  const claim = await addClaimed(db);
  const file = Buffer.alloc(10);
  const sha256 = createHash('sha256').update(file).digest('hex');
  const checkpoint = { ...describeCheckpoint(1, 'latest'), sizeBytes: file.length, sha256 };
  await service.deps.storage.put(checkpoint.storageKey, file);
  await recordCheckpoints(db, claim, [checkpoint]);
  const weights = { which: 'latest', checkpoint: null, step: 1, epoch: 1 } as const;
  const figures = { weights, splits: {}, importance: null };
  const columns = { truth: Float64Array.of(1, 2), predicted: Float64Array.of(1, 3) };
  const target = { name: 'y', task: 'regression', classes: null, tokensPerCharacter: null, columns } as const;
  const outcomes = {
    dataset: 'ab',
    splits: [{ split: 'test', rows: Int32Array.of(0, 1), targets: [target] }],
  } as const;
  const answers = await service.deps.storage.put(`evaluations/${claim.job.id}/a.bin`, encodeOutcomes(outcomes));
  const kept = { outcomesKey: answers.key, outcomesSha256: answers.sha256 };
  await db.orm.insert(evaluations).values({ jobId: claim.job.id, tenant: TENANT, figures, ...kept });
  const webhook = { id: 'whk_01h455vb4pex5vsknk084sn02q', tenant: TENANT, url: 'https://a.example', description: '' };
  await insertWebhook(db, { ...webhook, events: ['job.succeeded'], secret: 'whsec_a' }, 10);
  const delivery = { id: 'whd_01h455vb4pex5vsknk084sn02q', tenant: TENANT, webhookId: webhook.id };
  await insertDeliveries(db.orm, [{ ...delivery, event: 'job.succeeded', jobId: claim.job.id, payload: '{}' }]);
  await addModel(db, 'points', checkpoint.id);
  const weightsId = 'wts_01h455vb4pex5vsknk084sn02q';
  await insertWeights(db, {
    ...{ id: weightsId, tenant: TENANT, name: 'a', tensors: [] },
    ...{ storageKey: 'weights/a', sizeBytes: 1, sha256 },
  });
  const key = await createApiKey(db.orm, { tenant: TENANT, name: 'a', scopes: SCOPES, expiresAt: null });
  owner = key.key;
  const made = await call('POST', `${service.api}/uploads`, undefined, {
    authorization: `Bearer ${owner}`,
    'tus-resumable': '1.0.0',
    'upload-length': '10',
  });
  ids = {
    'uploads/{id}': made.headers.get('location')!.split('/').at(-1)!,
    'datasets/{id}': claim.job.datasetId,
    'jobs/{id}': claim.job.id,
    'compare/{other}': claim.job.id,
    'checkpoints/{reference}': 'latest',
    'weights/{id}': weightsId,
    'models/{name}': 'points',
    'versions/{version}': 'champion',
    'aliases/{alias}': 'champion',
    'webhooks/{id}': webhook.id,
    'deliveries/{delivery}': delivery.id,
    'api-keys/{id}': key.row.id,
  };
  const { paths } = (await call('GET', `${service.url}/openapi.json`)).body;
  operations = Object.entries(paths as Record<string, Record<string, { security?: Operation['security'] }>>).flatMap(
    ([path, methods]) =>
      Object.entries(methods).map(([method, { security = null }]) => ({
        name: `${method} ${path}`,
        method: method.toUpperCase(),
        path,
        security,
      })),
  );
});
afterAll(() => service.close());

const makeKey = async (tenant: string, scopes: readonly Scope[], expiresAt: Date | null = null) =>
  (await createApiKey(service.database.db.orm, { tenant, name: 'a key', scopes, expiresAt })).key;

const ask = (operation: Operation, key?: string) => {
  const path = operation.path.replaceAll(/([\w-]+)\/(\{\w+\})/g, (part, before) => {
    if (ids[part] === undefined) throw new Error(`${operation.name}: which id stands at ${part}? Add one to this test`);
    return `${before}/${ids[part]}`;
  });
  const hasBody = ['POST', 'PATCH', 'PUT'].includes(operation.method);
  const body = hasBody ? (path.endsWith('/predict') ? { rows: [{}] } : {}) : undefined;
  return call(operation.method, service.url + path, body, key === undefined ? {} : { authorization: `Bearer ${key}` });
};

const secured = () => operations.filter(({ name }) => !PUBLIC.includes(name));

describe('every operation of the document', () => {
  it('declares what it asks for, and only those that tell nothing of tenants ask for nothing', () => {
    const open = operations.filter(({ security }) => security !== null && security.length === 0);
    expect(open.map(({ name }) => name).sort()).toEqual(PUBLIC);
    for (const { name, security } of secured()) expect(security?.[0]?.api_key, name).toBeInstanceOf(Array);
  });

  it('is refused without a key, with one that is none, is expired or revoked', async () => {
    const expired = await makeKey(TENANT, SCOPES, new Date(Date.now() - 1000));
    for (const operation of secured())
      for (const key of [undefined, 'ty_', `ty_${'a'.repeat(43)}`, expired]) {
        const answer = await ask(operation, key);
        expectProblem(answer, 'unauthorized');
        expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
      }
  });

  it('is refused with every scope but its own', async () => {
    for (const operation of secured()) {
      const [scope] = operation.security![0]!.api_key!;
      if (scope === undefined) continue;
      const others = SCOPES.filter((other) => other !== scope);
      expectProblem(await ask(operation, await makeKey(TENANT, others)), 'insufficient_scope');
    }
  });

  it('knows nothing of another tenant’s ids', async () => {
    const stranger = await makeKey('another', SCOPES);
    for (const operation of secured().filter(({ path }) => path.includes('{'))) {
      const answer = await ask(operation, stranger);
      expect([operation.name, answer.status], JSON.stringify(answer.body)).toEqual([operation.name, 404]);
    }
    for (const operation of secured().filter(({ method, path }) => method === 'GET' && !path.includes('{'))) {
      const { status, body } = await ask(operation, stranger);
      expect([operation.name, status]).toEqual([operation.name, 200]);
      for (const id of Object.values(ids)) expect(JSON.stringify(body)).not.toContain(id);
    }
    // the same questions are answered to whom it belongs to
    for (const operation of secured().filter(({ method }) => method === 'GET'))
      expect([operation.name, (await ask(operation, owner)).status]).toEqual([operation.name, 200]);
  });
});

it('a route that does not say what it asks for cannot be added', () => {
  const app = Fastify();
  addAuth(app, service.deps);
  expect(() => app.get('/v1/new', async () => 1)).toThrow(/does not say what it asks for/);
});

it('a cursor is good for the tenant that it was given to', async () => {
  for (let i = 0; i < 2; i++) await makeKey('cursors', SCOPES);
  const [a, b] = [await makeKey('cursors', SCOPES), await makeKey('others', SCOPES)];
  const as = (key: string) => ({ authorization: `Bearer ${key}` });
  const url = `${service.api}/api-keys?limit=1`;
  const { next_cursor: cursor } = (await call('GET', url, undefined, as(a))).body;
  expect((await call('GET', `${url}&cursor=${cursor}`, undefined, as(a))).body.data).toHaveLength(1);
  expectProblem(await call('GET', `${url}&cursor=${cursor}`, undefined, as(b)), 'invalid_cursor');
});

describe('keys', () => {
  const as = (key: string) => ({ authorization: `Bearer ${key}` });

  it('are made with no more than the maker has, shown once, listed, and refused once revoked', async () => {
    const url = `${service.api}/api-keys`;
    const admin = await makeKey('keys', ['keys:admin', 'jobs:read']);
    expectProblem(await call('POST', url, { name: 'b', scopes: ['jobs:write'] }, as(admin)), 'insufficient_scope');
    const made = await call('POST', url, { name: 'b', scopes: ['jobs:read'], expires_in_s: 60 }, as(admin));
    expect([made.status, made.headers.get('location')]).toEqual([201, `/v1/api-keys/${made.body.id}`]);
    expect(made.body.key).toMatch(/^ty_[\w-]{43}$/);
    expect((await call('GET', `${service.api}/jobs`, undefined, as(made.body.key))).status).toBe(200);
    const listed = await call('GET', url, undefined, as(admin));
    expect(listed.body.data).toMatchObject([{ id: made.body.id, name: 'b', scopes: ['jobs:read'] }, {}]);
    expect(JSON.stringify(listed.body)).not.toContain(made.body.key);
    const { rows } = await service.database.db.pool.query('select row_to_json(api_keys)::text as text from api_keys');
    for (const { text } of rows) expect(text).not.toContain(made.body.key.slice(3, -4));
    expect((await call('DELETE', `${url}/${made.body.id}`, undefined, as(admin))).status).toBe(200);
    expectProblem(await call('GET', `${service.api}/jobs`, undefined, as(made.body.key)), 'unauthorized');
  });
});
