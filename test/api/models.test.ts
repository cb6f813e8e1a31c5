import { typeid } from 'typeid-js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createApiKey } from '../../src/db/api-keys.ts';
import { type EvaluationFigures, evaluations } from '../../src/db/schema.ts';
import { finishJob } from '../../src/jobs/finish-job.ts';
import { recordCheckpoints } from '../../src/jobs/record-checkpoint.ts';
import { SCOPES } from '../../src/spec/api-key.ts';
import { call } from '../support/client.ts';
import { addClaimed, addJob, addModel, describeCheckpoint, TENANT } from '../support/jobs.ts';
import { expectProblem } from '../support/problem.ts';
import { type Service, startService } from '../support/service.ts';

let service: Service;
let at: string;
beforeAll(async () => {
  service = await startService();
  at = `${service.api}/models`;
});
afterAll(() => service.close());

/** A running job with one checkpoint whose file is there. */
async function addTrained() {
  const { db } = service.database;
  const claim = await addClaimed(db);
  const checkpoint = describeCheckpoint(3, 'best');
  await service.deps.storage.put(checkpoint.storageKey, Buffer.from('the weights'));
  await recordCheckpoints(db, claim, [checkpoint]);
  return { claim, checkpoint };
}
const isThere = async (key: string) => (await service.deps.storage.size(key)) !== null;

it('a name, its versions and an alias are made, listed, changed and deleted', async () => {
  const { claim, checkpoint } = await addTrained();
  const made = await call('POST', at, { name: 'digits', description: 'reads digits', tags: ['vision'] });
  expect([made.status, made.headers.get('location')]).toEqual([201, '/v1/models/digits']);
  expect(made.body).toMatchObject({
    name: 'digits',
    tags: ['vision'],
    metadata: {},
    latest_version: null,
    aliases: {},
  });
  expectProblem(await call('GET', `${at}/digits/versions/latest`), 'model_not_found');

  for (const version of [1, 2]) {
    const body = { checkpoint: checkpoint.id, metadata: { run: `${version}` } };
    const answer = await call('POST', `${at}/digits/versions`, body);
    expect([answer.status, answer.headers.get('location')]).toEqual([201, `/v1/models/digits/versions/${version}`]);
    expect(answer.body).toMatchObject({
      model: 'digits',
      version,
      metadata: { run: `${version}` },
      lineage: { checkpoint: checkpoint.id, job: claim.job.id, dataset: claim.job.datasetId, model: null, step: 3 },
      metrics: { 'validation.loss': 0.25 },
      sha256: checkpoint.sha256,
    });
  }
  const put = await call('PUT', `${at}/digits/aliases/champion`, { version: 1 });
  expect([put.status, put.body.version]).toEqual([201, 1]);
  expect((await call('GET', `${at}/digits`)).body).toMatchObject({ latest_version: 2, aliases: { champion: 1 } });
  for (const [reference, version] of [
    ['champion', 1],
    ['1', 1],
    ['latest', 2],
    ['2', 2],
  ] as const)
    expect((await call('GET', `${at}/digits/versions/${reference}`)).body.version).toBe(version);
  const { body: page } = await call('GET', `${at}/digits/versions?limit=1`);
  expect([page.data[0].version, page.has_more]).toEqual([2, true]);
  const { body: rest } = await call('GET', `${at}/digits/versions?limit=1&cursor=${page.next_cursor}`);
  expect(rest.data).toMatchObject([{ version: 1, aliases: ['champion'] }]);
  expect(rest.has_more).toBe(false);
  expect((await call('GET', `${at}?tag=vision`)).body.data).toMatchObject([{ name: 'digits' }]);
  expect((await call('GET', `${at}?tag=sound`)).body.data).toEqual([]);

  const changed = await call('PATCH', `${at}/digits`, { description: 'new' });
  expect(changed.body).toMatchObject({ description: 'new', tags: ['vision'], latest_version: 2 });
  const described = await call('PATCH', `${at}/digits/versions/champion`, { tags: ['a'] });
  expect(described.body).toMatchObject({ version: 1, tags: ['a'], aliases: ['champion'] });

  expectProblem(await call('DELETE', `${at}/digits/versions/1`), 'model_in_use');
  expect((await call('DELETE', `${at}/digits/aliases/champion`)).status).toBe(204);
  expectProblem(await call('GET', `${at}/digits/aliases/champion`), 'model_not_found');
  expect((await call('DELETE', `${at}/digits/versions/2`)).status).toBe(204);
  // a number is given once
  const next = await call('POST', `${at}/digits/versions`, { checkpoint: checkpoint.id });
  expect(next.body.version).toBe(3);
  expect((await call('DELETE', `${at}/digits`)).status).toBe(204);
  expectProblem(await call('GET', `${at}/digits`), 'model_not_found');
  expectProblem(await call('POST', `${at}/digits/versions`, { checkpoint: checkpoint.id }), 'model_not_found');
  // the job still has its checkpoint
  expect(await isThere(checkpoint.storageKey)).toBe(true);
});

it('a version keeps its weights when the job goes, and lets them go with itself', async () => {
  const { db } = service.database;
  const { claim, checkpoint } = await addTrained();
  await addModel(db, 'kept', checkpoint.id);
  await finishJob(db, claim, { status: 'succeeded', stopReason: 'completed', metrics: {} });
  expect((await call('DELETE', `${service.api}/jobs/${claim.job.id}`)).status).toBe(204);
  expect(await isThere(checkpoint.storageKey)).toBe(true);
  const { body } = await call('GET', `${at}/kept/versions/1`);
  expect(body.lineage.job).toBe(claim.job.id);
  expectProblem(await call('POST', `${at}/kept/versions`, { checkpoint: checkpoint.id }), 'checkpoint_not_found');
  expect((await call('DELETE', `${at}/kept`)).status).toBe(204);
  expect(await isThere(checkpoint.storageKey)).toBe(false);
});

it('a job is deleted while a version is made of it: the file is there, or there is no version', async () => {
  const { db } = service.database;
  for (let round = 0; round < 8; round++) {
    const { claim, checkpoint } = await addTrained();
    const name = `race-${round}`;
    await call('POST', at, { name });
    await finishJob(db, claim, { status: 'succeeded', stopReason: 'completed', metrics: {} });
    const [made] = await Promise.all([
      call('POST', `${at}/${name}/versions`, { checkpoint: checkpoint.id }),
      call('DELETE', `${service.api}/jobs/${claim.job.id}`),
    ]);
    expect([201, 404]).toContain(made.status);
    expect(await isThere(checkpoint.storageKey)).toBe(made.status === 201);
  }
});

it('versions made at once have numbers of their own', async () => {
  const { checkpoint } = await addTrained();
  await call('POST', at, { name: 'many' });
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => call('POST', `${at}/many/versions`, { checkpoint: checkpoint.id })),
  );
  expect(answers.map(({ body }) => body.version).sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  const key = { 'idempotency-key': typeid('try').toString() };
  const first = await call('POST', `${at}/many/versions`, { checkpoint: checkpoint.id }, key);
  const again = await call('POST', `${at}/many/versions`, { checkpoint: checkpoint.id }, key);
  expect([first.body.version, again.body]).toEqual([9, first.body]);
});

it('an alias moves only from what was seen, where that is asked for', async () => {
  const { db } = service.database;
  const { checkpoint } = await addTrained();
  await addModel(db, 'moved', checkpoint.id);
  await call('POST', `${at}/moved/versions`, { checkpoint: checkpoint.id });
  const alias = `${at}/moved/aliases/champion`;
  const seen = (await call('GET', alias)).headers.get('etag')!;
  const move = (version: number, headers: Record<string, string>, to = alias) => call('PUT', to, { version }, headers);
  const moved = await Promise.all([move(2, { 'if-match': seen }), move(2, { 'if-match': seen })]);
  expect(moved.map(({ status }) => status).sort()).toEqual([200, 412]);
  const now = (await call('GET', alias)).headers.get('etag')!;
  expect(moved.find(({ status }) => status === 200)!.headers.get('etag')).toBe(now);
  expectProblem(await move(1, { 'if-none-match': '*' }), 'precondition_failed');
  const other = `${at}/moved/aliases/challenger`;
  expectProblem(await move(1, { 'if-match': '*' }, other), 'precondition_failed');
  expect((await move(1, { 'if-none-match': '*' }, other)).status).toBe(201);
  const { errors } = expectProblem(await move(7, {}), 'invalid_field');
  expect(errors).toMatchObject([{ pointer: '/version' }]);
  for (const name of ['latest', '1st', 'Champion', 'a b'])
    expectProblem(await move(1, {}, `${at}/moved/aliases/${encodeURIComponent(name)}`), 'invalid_id');
  expectProblem(await call('DELETE', alias, undefined, { 'if-match': seen }), 'precondition_failed');
  expect((await call('DELETE', alias, undefined, { 'if-match': now })).status).toBe(204);
});

it('what a job begins from is not deleted before it has ended', async () => {
  const { db } = service.database;
  const { checkpoint } = await addTrained();
  await addModel(db, 'base', checkpoint.id);
  await call('DELETE', `${at}/base/aliases/champion`);
  const user = await addJob(db);
  await db.pool.query(`update jobs set spec = jsonb_set(spec, '{model,from}', '"models/base@1"') where id = $1`, [
    user.id,
  ]);
  expect(expectProblem(await call('DELETE', `${at}/base/versions/1`), 'model_in_use').detail).toContain(user.id);
  expectProblem(await call('DELETE', `${at}/base`), 'model_in_use');
  await call('POST', `${service.api}/jobs/${user.id}/cancel`);
  expect((await call('DELETE', `${at}/base/versions/1`)).status).toBe(204);
});

it('one tenant’s names are no other’s', async () => {
  const { db } = service.database;
  const { checkpoint } = await addTrained();
  await addModel(db, 'mine', checkpoint.id);
  const { key } = await createApiKey(db.orm, { tenant: 'another', name: 'a', scopes: SCOPES, expiresAt: null });
  const as = { authorization: `Bearer ${key}` };
  expect((await call('POST', at, { name: 'mine' }, as)).status).toBe(201);
  expectProblem(await call('POST', `${at}/mine/versions`, { checkpoint: checkpoint.id }, as), 'checkpoint_not_found');
  expectProblem(await call('GET', `${at}/mine/versions/1`, undefined, as), 'model_not_found');
  expect((await call('GET', at, undefined, as)).body.data).toHaveLength(1);
});

it('tells everything that is wrong with a body', async () => {
  const bad = { nmae: 'a', name: 'A', tags: ['', 'b', 'b'], metadata: { 'a b': 'c', d: 1 }, description: 1 };
  const { errors } = expectProblem(await call('POST', at, bad), 'invalid_field');
  expect(new Set(errors.map(({ pointer }) => pointer.split('/')[1]))).toEqual(
    new Set(['nmae', 'name', 'tags', 'metadata', 'description']),
  );
  await call('POST', at, { name: 'body' });
  expectProblem(await call('PATCH', `${at}/body`, {}), 'invalid_field');
  expectProblem(await call('PATCH', `${at}/body`, { name: 'other' }), 'invalid_field');
  expectProblem(await call('POST', `${at}/body/versions`, {}), 'invalid_field');
  expectProblem(await call('POST', `${at}/body/versions`, { checkpoint: 'best' }), 'invalid_id');
});

it('a card tells what a model is, from the registry, the dataset and the evaluation, as Markdown and as JSON', async () => {
  const { db } = service.database;
  const { claim, checkpoint } = await addTrained();
  const figure = { value: 0.98765432, low: 0.9, high: 1, baseline: 0.5 };
  const target = { name: 'y|`', task: 'regression', metrics: { r2: figure } };
  await db.orm.insert(evaluations).values({
    jobId: claim.job.id,
    tenant: TENANT,
    figures: {
      weights: { which: 'best', checkpoint: null, step: checkpoint.step, epoch: 3 },
      splits: { test: { rows: 34, targets: [target] } },
      importance: { split: 'test', columns: [{ column: 'x', loss_increase: 1.5, standard_deviation: 0.1 }] },
      notes: [{ code: 'leakage_target', message: '"x" alone tells "y" nearly without error.' }],
    } as unknown as EvaluationFigures,
  });
  await call('POST', at, { name: 'carded', description: '**Points** on a line.' });
  const metadata = { by: '<b>us</b> | [me](x)' };
  await call('POST', `${at}/carded/versions`, { checkpoint: checkpoint.id, metadata });
  const url = `${at}/carded/versions/1/card`;
  const { headers, body: text } = await call('GET', url);
  expect(headers.get('content-type')).toBe('text/markdown; charset=utf-8');
  for (const part of [
    '# carded, version 1',
    '**Points** on a line.',
    '### test, `y  `, 34 rows',
    '| r2 | 0.98765 | 0.9 to 1 | 0.5 |',
    '| `x` | 1.5 |',
    '| `output` | dense | `input` | bias |',
    'optimizer `sgd` with a learning rate of 0.01',
    '## What to beware of\n\n- "x" alone tells "y" nearly without error.',
    `points (\`${claim.job.datasetId}\`): 3 rows`,
    `| job | \`${claim.job.id}\` |`,
    '\\<b\\>us\\</b\\> \\| \\[me\\]\\(x\\)',
  ])
    expect(text).toContain(part);
  const { body } = await call('GET', url, undefined, { accept: 'application/json' });
  expect(body).toMatchObject({
    model: { model: 'carded', version: 1, metadata },
    spec: claim.job.spec,
    dataset: { id: claim.job.datasetId, rows: 3, deleted: false },
    evaluation: { test: { rows: 34 } },
    importance: { split: 'test' },
    notes: [{ code: 'leakage_target' }],
  });
});
