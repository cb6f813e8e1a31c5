import { eq } from 'drizzle-orm';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createApiKey } from '../../src/db/api-keys.ts';
import { type Database, openDatabase } from '../../src/db/client.ts';
import { migrateDatabase } from '../../src/db/migrate.ts';
import { API_ROLE, ApiRoleError } from '../../src/db/roles.ts';
import { evaluations, jobs } from '../../src/db/schema.ts';
import { openTenantDatabases, type TenantDatabases } from '../../src/db/tenants.ts';
import { insertDeliveries } from '../../src/db/webhook-deliveries.ts';
import { insertWebhook } from '../../src/db/webhooks.ts';
import { insertWeights } from '../../src/db/weights.ts';
import { createJob } from '../../src/jobs/create-job.ts';
import { recordCheckpoints } from '../../src/jobs/record-checkpoint.ts';
import { cancelJob } from '../../src/jobs/request-change.ts';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../support/database.ts';
import { addClaimed, addDataset, addModel, describeCheckpoint, describeJob, TENANT } from '../support/jobs.ts';

/** Of every table: what it is to tenants. A new one must be put here, and those of tenants need a policy. */
const OF_TENANTS = [
  'api_keys',
  'checkpoints',
  'datasets',
  'evaluations',
  'idempotency_keys',
  'job_events',
  'job_metrics',
  'jobs',
  'model_aliases',
  'model_versions',
  'models',
  'outbox',
  'webhook_deliveries',
  'webhooks',
  'weights',
];
const OF_THE_SERVICE = ['secrets', 'tenant_limits', 'tenant_turns', 'workers'];

let database: TestDatabase;
let tenants: TenantDatabases;
let jobId: string;
beforeAll(async () => {
  database = await createTestDatabase();
  // one connection, so that tenants take turns on it
  tenants = openTenantDatabases(database.url, { maxConnections: 1 });
  const claim = await addClaimed(database.db);
  jobId = claim.job.id;
  const point = { name: 'loss', split: 'train' as const, step: 1, epoch: 1, value: 1 };
  const checkpoint = describeCheckpoint(1, 'latest');
  await recordCheckpoints(database.db, claim, [checkpoint], [point]);
  await addModel(database.db, 'points', checkpoint.id);
  const weights = { which: 'latest', checkpoint: null, step: 1, epoch: 1 } as const;
  const figures = { weights, splits: {}, importance: null };
  await database.db.orm.insert(evaluations).values({ jobId, tenant: TENANT, figures });
  const file = { storageKey: 'weights/a', sizeBytes: 1, sha256: 'ab' };
  await insertWeights(database.db, { ...{ id: 'wts_a', tenant: TENANT, name: 'a', tensors: [] }, ...file });
  await createApiKey(database.db.orm, { tenant: TENANT, name: 'a key', scopes: ['jobs:read'], expiresAt: null });
  await insertWebhook(
    database.db,
    {
      id: 'whk_a',
      tenant: TENANT,
      url: 'https://a.example',
      description: '',
      events: ['job.succeeded'],
      secret: 'whsec_a',
    },
    10,
  );
  await insertDeliveries(database.db.orm, [
    { id: 'whd_a', tenant: TENANT, webhookId: 'whk_a', event: 'job.succeeded', jobId, payload: '{}' },
  ]);
  await database.db.pool.query(
    "insert into idempotency_keys (tenant, key, attempt, lease_until) values ($1, 'a', 'b', now())",
    [TENANT],
  );
});
afterAll(async () => {
  await tenants.close();
  await database.drop();
});

const count = async (db: Database, table: string) =>
  Number((await db.pool.query(`select count(*) from ${table}`)).rows[0].count);

describe('row-level security', () => {
  test('every table is either of tenants, and has a policy, or of the service', async () => {
    const { rows } = await database.db.pool.query<{ name: string; secured: boolean }>(
      `select relname as name, relrowsecurity and exists (select from pg_policy where polrelid = pg_class.oid) as secured
       from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' order by relname`,
    );
    expect(rows.filter((row) => row.secured).map((row) => row.name)).toEqual(OF_TENANTS);
    expect(rows.filter((row) => !row.secured).map((row) => row.name)).toEqual(OF_THE_SERVICE);
  });

  test.each(OF_TENANTS)('a query of %s that forgets its tenant gives rows of no other', async (table) => {
    expect(await count(tenants.of(TENANT), table)).toBeGreaterThan(0);
    expect(await count(tenants.of('another'), table)).toBe(0);
    expect(await count(tenants.of(TENANT), table)).toBe(await count(database.db, table));
  });

  test('the view of metrics shows those of the tenant, and can be read alone', async () => {
    const view = 'own_job_metrics';
    expect(await count(tenants.of(TENANT), view)).toBe(await count(database.db, 'job_metrics'));
    expect(await count(tenants.of('another'), view)).toBe(0);
    expect(await count(database.db, view)).toBe(0);
    await expect(tenants.of(TENANT).pool.query(`delete from ${view}`)).rejects.toThrow(
      /permission denied|cannot delete/,
    );
    const { rows } = await database.db.pool.query(
      "select relname, reloptions from pg_class where relnamespace = 'public'::regnamespace and relkind = 'v'",
    );
    expect(rows).toEqual([{ relname: view, reloptions: ['security_barrier=true'] }]);
  });

  test('whose a row of a job is costs one look into an index, however many jobs the tenant has', async () => {
    const { rows } = await tenants
      .of(TENANT)
      .pool.query("explain select * from job_events where job_id = 'job_a' and sequence > 5");
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toContain('SubPlan');
    expect(plan).not.toContain('hashed');
  });

  test('for no tenant at all there is nothing', async () => {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    await client.query(`set role ${API_ROLE}`);
    for (const table of OF_TENANTS) expect((await client.query(`select from ${table}`)).rowCount, table).toBe(0);
    for (const table of ['secrets', 'tenant_limits'])
      await expect(client.query(`select from ${table}`)).rejects.toThrow(/permission denied/);
    await client.end();
  });

  test('nothing of another tenant is changed, and nothing is written in its name', async () => {
    const { orm } = tenants.of('another');
    expect(await orm.update(jobs).set({ name: 'mine' }).where(eq(jobs.id, jobId)).returning()).toEqual([]);
    expect(await orm.delete(jobs).returning()).toEqual([]);
    await expect(addDataset(tenants.of('another'))).rejects.toMatchObject({
      cause: { message: expect.stringMatching(/row-level security/) },
    });
    await expect(
      tenants
        .of('another')
        .pool.query("insert into job_events (job_id, sequence, type, data) values ($1, 99, 'x', '{}')", [jobId]),
    ).rejects.toThrow(/row-level security/);
  });

  test('a tenant does all it needs to do, in transactions too, and a connection does not mix them up', async () => {
    const own = tenants.of('another');
    const { id } = await addDataset(own, { tenant: 'another' });
    const job = await createJob(own, { tenant: 'another', spec: describeJob(id) });
    expect(await cancelJob(tenants.of(TENANT), TENANT, job.id)).toBeNull();
    expect(await cancelJob(own, 'another', job.id)).toMatchObject({ status: 'cancelled' });
    await expect(own.pool.query('select nothing')).rejects.toThrow(/does not exist/);
    const counts = await Promise.all(
      Array.from({ length: 20 }, (_, i) => count(tenants.of(i % 2 === 0 ? TENANT : 'another'), 'jobs')),
    );
    expect(counts).toEqual(Array.from({ length: 20 }, () => 1));
  });

  test('workers and whoever else repairs act beyond tenants', async () => {
    expect(await count(database.db, 'jobs')).toBe(2);
  });
});

describe('the user of DATABASE_URL', () => {
  /** A database that belongs to a user who is no superuser. */
  async function createOwned(rights: string) {
    const empty = await createEmptyDatabase();
    const name = new URL(empty.url).pathname.slice(1);
    const admin = new pg.Client({ connectionString: empty.url });
    await admin.connect();
    await admin.query(`create role owner_${name} login password 'secret' ${rights}`);
    await admin.query(`alter database ${name} owner to owner_${name}`);
    const url = new URL(empty.url);
    url.username = `owner_${name}`;
    url.password = 'secret';
    return {
      admin,
      user: `owner_${name}`,
      url: url.href,
      async drop() {
        await admin.query(`drop owned by owner_${name} cascade`).catch(() => {});
        await admin.query(`alter database ${name} owner to current_user`);
        await admin.query(`revoke ${API_ROLE} from owner_${name}`).catch(() => {});
        await admin.query(`drop role owner_${name}`);
        await admin.end();
        await empty.drop();
      },
    };
  }

  test('may be one who only owns the tables: policies hold for its API, and not for its workers', async () => {
    const owned = await createOwned('');
    try {
      // the role may be there, from another database of the server; to take it on is another matter
      const refusal = await migrateDatabase(owned.url).catch((error: unknown) => error);
      expect(refusal).toBeInstanceOf(ApiRoleError);
      expect((refusal as Error).message).toContain(`grant ${API_ROLE} to "${owned.user}"`);
      await owned.admin.query(`grant ${API_ROLE} to ${owned.user}`);
      await migrateDatabase(owned.url);
      const db = openDatabase(owned.url);
      const own = openTenantDatabases(owned.url);
      await addDataset(db);
      expect(await count(own.of(TENANT), 'datasets')).toBe(1);
      expect(await count(own.of('another'), 'datasets')).toBe(0);
      expect(await count(db, 'datasets')).toBe(1);
      await own.close();
      await db.close();
    } finally {
      await owned.drop();
    }
  });
});
