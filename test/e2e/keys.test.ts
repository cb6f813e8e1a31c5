import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { call } from '../support/client.ts';
import { expectProblem } from '../support/problem.ts';
import { launch, type ServiceProcess, startProcess } from '../support/stack.ts';
import { waitFor } from '../support/wait-for.ts';

/** `npm start` where a key is asked for, and `npm run keys` beside it: as somebody sets the service up. */
let folder: string;
let service: ServiceProcess | null = null;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trainyard-keys-'));
  await chmod(folder, 0o755);
});
afterAll(async () => {
  await service?.stop();
  await rm(folder, { recursive: true });
});

const environment = () => ({ DATA_DIR: folder, PORT: '0', WORKERS: '0', LOG_LEVEL: 'warn' });
const start = (more: Record<string, string>) =>
  startProcess('all', { ...environment(), ...more }, (line) => /API +http/.test(line));

/** Exit status, the JSON lines on stdout, and stderr. */
async function runKeys(
  ...args: string[]
): Promise<{ status: number | null; lines: Record<string, string>[]; said: string }> {
  const child = launch('keys', args, environment());
  let [out, said] = ['', ''];
  child.stdout.on('data', (text) => (out += text));
  child.stderr.on('data', (text) => (said += text));
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const lines = out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, string>);
  return { status, lines, said };
}

it('it does not start while nobody has a key: neither where AUTH says so, nor where other machines can reach it', async () => {
  for (const [name, value] of [
    ['AUTH', 'keys'],
    ['HOST', '0.0.0.0'],
  ] as const)
    await expect(start({ [name]: value })).rejects.toThrow(/A key is asked for.*npm run keys -- create/s);
}, 120_000);

it('a key is made, used, passed on with less, and revoked', async () => {
  const made = await runKeys('create', '--tenant', 'acme', '--name', 'first');
  expect(made).toMatchObject({ status: 0, lines: [{ tenant: 'acme', name: 'first', expires_at: null }] });
  expect(made.said).toMatch(/never again/);
  expect(await runKeys('create', '--expires-in-days', '0')).toMatchObject({ status: 2, lines: [] });
  const [{ id, key }] = made.lines as [Record<string, string>];
  expect(key).toMatch(/^ty_[\w-]{43}$/);

  const started = await start({ AUTH: 'keys' });
  service = started;
  const api = /http\S+/.exec(started.readyLine)![0];
  const as = (token: string | undefined) => ({ authorization: `Bearer ${token}` });
  const nobody = await call('GET', `${api}/jobs`);
  expectProblem(nobody, 'unauthorized');
  expect(nobody.headers.get('www-authenticate')).toMatch(/^Bearer/);
  expectProblem(await call('GET', `${api}/jobs`, undefined, as(`ty_${'a'.repeat(43)}`)), 'unauthorized');
  expect((await call('GET', `${api}/jobs`, undefined, as(key))).status).toBe(200);
  expect((await call('GET', `${api.replace('/v1', '')}/healthz`)).status).toBe(200);

  const second = await call('POST', `${api}/api-keys`, { name: 'reads', scopes: ['jobs:read'] }, as(key));
  expect(second.status).toBe(201);
  expect((await call('GET', `${api}/jobs`, undefined, as(second.body.key))).status).toBe(200);
  expectProblem(await call('GET', `${api}/datasets`, undefined, as(second.body.key)), 'insufficient_scope');

  // beside the running service, on its own database
  const listed = await runKeys('list', '--tenant', 'acme');
  expect(listed.lines.map((one) => one.name).toSorted()).toEqual(['first', 'reads']);
  expect(JSON.stringify(listed.lines)).not.toContain(key);
  expect((await runKeys('revoke', id!, '--tenant', 'acme')).status).toBe(0);
  await waitFor(
    async () => (await call('GET', `${api}/jobs`, undefined, as(key))).status === 401,
    'the key to be refused',
  );
  expect((await call('GET', `${api}/jobs`, undefined, as(second.body.key))).status).toBe(200);
  expect((await runKeys('revoke', 'key_01h455vb4pex5vsknk084sn02q', '--tenant', 'acme')).status).toBe(2);
}, 120_000);
