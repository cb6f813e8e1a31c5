import { afterAll, beforeAll, expect, it } from 'vitest';
import { call } from '../support/client.ts';
import { expectProblem } from '../support/problem.ts';
import { type Service, startService } from '../support/service.ts';

/** No name has to be resolved for it: there may be no network here. */
const URL = 'https://93.184.216.34/hook';
const NONE = 'whk_01h455vb4pex5vsknk084sn02q';
const NO_DELIVERY = 'whd_01h455vb4pex5vsknk084sn02q';
let service: Service;
let at: string;
beforeAll(async () => {
  service = await startService();
  at = `${service.api}/webhooks`;
});
afterAll(() => service.close());

it('lives from its making to its deletion', async () => {
  const made = await call('POST', at, { url: URL });
  expect(made.status).toBe(201);
  expect(made.headers.get('location')).toBe(`/v1/webhooks/${made.body.id}`);
  const { secret, ...webhook } = made.body;
  expect(secret).toMatch(/^whsec_/);
  expect(webhook).toMatchObject({
    url: URL,
    description: '',
    enabled: true,
    events: ['job.started', 'job.paused', 'job.resumed', 'job.succeeded', 'job.failed', 'job.cancelled'],
  });
  expect((await call('GET', `${at}/${webhook.id}`)).body).toEqual(webhook);

  const change = { events: ['job.failed'], description: 'new', enabled: false };
  const changed = await call('PATCH', `${at}/${webhook.id}`, change);
  expect(changed.body).toMatchObject({ ...change, disabled_reason: 'by_client' });

  const others = [];
  for (let i = 0; i < 3; i++) others.push((await call('POST', at, { url: URL, description: `${i}` })).body.id);
  const first = await call('GET', `${at}?limit=2`);
  expect(first.body).toMatchObject({ has_more: true, data: [{ id: others[2] }, { id: others[1] }] });
  const second = await call('GET', `${at}?limit=2&cursor=${first.body.next_cursor}`);
  expect(second.body).toMatchObject({ has_more: false, data: [{ id: others[0] }, { id: webhook.id }] });

  expect((await call('DELETE', `${at}/${webhook.id}`)).status).toBe(204);
  expectProblem(await call('GET', `${at}/${webhook.id}`), 'webhook_not_found');
});

it('is read, changed and deleted on condition of its ETag', async () => {
  const { id } = (await call('POST', at, { url: URL })).body;
  const url = `${at}/${id}`;
  const tag = (await call('GET', url)).headers.get('etag')!;
  expect(tag).toMatch(/^"[\w-]{22}"$/);
  for (const known of [tag, `W/${tag}`, `"a", ${tag}`, '*']) {
    const { status, headers, body } = await call('GET', url, undefined, { 'if-none-match': known });
    expect([status, headers.get('etag'), body]).toEqual([304, tag, '']);
  }
  const seen = { 'if-match': tag };
  const changed = await call('PATCH', url, { description: 'a' }, seen);
  expect(changed.status).toBe(200);
  const now = changed.headers.get('etag')!;
  expect(now).not.toBe(tag);
  expect((await call('GET', url, undefined, { 'if-none-match': tag })).headers.get('etag')).toBe(now);
  const late = await call('PATCH', url, { description: 'b' }, seen);
  expectProblem(late, 'precondition_failed');
  expect(late.headers.get('etag')).toBe(now);
  expectProblem(await call('DELETE', url, undefined, seen), 'precondition_failed');
  expectProblem(await call('DELETE', url, undefined, { 'if-match': `W/${now}` }), 'precondition_failed');
  // of two who have seen the same, one changes it
  const both = ['c', 'd'].map((description) => call('PATCH', url, { description }, { 'if-match': now }));
  expect((await Promise.all(both)).map(({ status }) => status).sort()).toEqual([200, 412]);
  expect((await call('DELETE', url, undefined, { 'if-match': '*' })).status).toBe(204);
});

it.each([
  ['not https', 'http://93.184.216.34/'],
  ['credentials', 'https://u:p@93.184.216.34/'],
  ['loopback', 'https://127.0.0.1/'],
  ['loopback by name', 'https://localhost/'],
  ['as one number', 'https://2130706433/'],
  ['mapped', 'https://[::ffff:127.0.0.1]/'],
  ['link-local', 'https://169.254.169.254/'],
  ['CGNAT', 'https://100.64.0.1/'],
  ['translated', 'https://[64:ff9b::7f00:1]/'],
  ['port 0', 'https://93.184.216.34:0/'],
  ['no URL', 'nonsense'],
])('refuses a URL that may not be called: %s', async (_, url) => {
  const { errors } = expectProblem(await call('POST', at, { url }), 'webhook_url_forbidden');
  expect(errors).toMatchObject([{ pointer: '/url', code: 'webhook_url_forbidden' }]);
  const { body } = await call('POST', at, { url: URL });
  expectProblem(await call('PATCH', `${at}/${body.id}`, { url }), 'webhook_url_forbidden');
  await call('DELETE', `${at}/${body.id}`);
});

it('tells everything that is wrong with a body', async () => {
  const answer = await call('POST', at, { ulr: URL, events: ['job.done', 'job.failed', 'job.failed'], description: 1 });
  const { errors } = expectProblem(answer, 'invalid_field');
  expect(errors.map(({ pointer }) => pointer).sort()).toEqual(['/description', '/events', '/events/0', '/ulr', '/url']);
  for (const body of [null, [], 'x', { url: URL, events: [] }, { url: URL, description: 'x'.repeat(501) }])
    expectProblem(
      await call('POST', at, JSON.stringify(body), { 'content-type': 'application/json' }),
      'invalid_field',
    );
  const { body } = await call('POST', at, { url: URL });
  expectProblem(await call('PATCH', `${at}/${body.id}`, { enabled: 'yes' }), 'invalid_field');
  expectProblem(await call('POST', `${at}/${body.id}/rotate-secret`, { overlap_s: -1 }), 'invalid_field');
});

it('knows only what is there', async () => {
  expectProblem(await call('GET', `${at}/1`), 'invalid_id');
  for (const [method, path, body] of [
    ['GET', ''],
    ['PATCH', '', {}],
    ['DELETE', ''],
    ['POST', '/rotate-secret', {}],
    ['POST', '/test'],
    ['GET', '/deliveries'],
    ['GET', `/deliveries/${NO_DELIVERY}`],
    ['POST', `/deliveries/${NO_DELIVERY}/replay`],
  ] as const)
    expectProblem(await call(method, `${at}/${NONE}${path}`, body), 'webhook_not_found');
  const { body } = await call('POST', at, { url: URL });
  expectProblem(await call('GET', `${at}/${body.id}/deliveries/${NO_DELIVERY}`), 'delivery_not_found');
  expectProblem(await call('POST', `${at}/${body.id}/deliveries/${NO_DELIVERY}/replay`), 'delivery_not_found');
  expectProblem(await call('GET', `${at}/${body.id}/deliveries?status=done`), 'invalid_field');
});

it('has its limit, also for those who ask at once', async () => {
  const { body } = await call('GET', `${at}?limit=100`);
  const answers = await Promise.all(Array.from({ length: 60 }, () => call('POST', at, { url: URL })));
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(50 - body.data.length);
  expectProblem(answers.find(({ status }) => status !== 201)!, 'too_many_webhooks');
});
