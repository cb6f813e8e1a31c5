import { execFile, execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { GenericContainer, Network, Wait } from 'testcontainers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Job } from '../../src/spec/job.ts';
import { call, hasEnded, postJob, uploadCsv, waitForJob } from '../support/client.ts';
import { waitFor } from '../support/wait-for.ts';

/** The image and docker-compose.yml, brought up for real. Building takes minutes, so these tests stand in a command of their own. */
const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);
const docker = async (...args: string[]) => (await run('docker', args, { cwd: root })).stdout.trim();

const BASES = ['node:26-bookworm-slim', 'postgres:18-bookworm', 'redis:8-bookworm'];
const MINUTES = 60_000;

/** Undefined where they can run; else why not. */
const missing = (() => {
  if (process.env.CONTAINERS !== '1') return 'npm run test:containers runs them';
  try {
    execFileSync('docker', ['info'], { stdio: 'ignore', timeout: 10_000 });
    return undefined;
  } catch {
    return 'no container engine answers `docker info`';
  }
})();

/** From a registry; where none can be reached, stand-ins. */
async function prepareBases(): Promise<void> {
  for (const image of BASES) {
    const isThere = () => docker('image', 'inspect', image);
    await isThere()
      .catch(() => docker('pull', '--quiet', image))
      .catch(() => run('test/containers/make-stand-ins.sh', { cwd: root }));
    await isThere();
  }
}

describe.skipIf(missing !== undefined)(`containers${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  beforeAll(async () => {
    // its cleaner is one more image to fetch; everything is taken down below
    process.env.TESTCONTAINERS_RYUK_DISABLED = 'true';
    await prepareBases();
    await docker('build', '--quiet', '--tag', 'trainyard', '.');
  }, 20 * MINUTES);

  it(
    'the image: an ordinary user, a root that stays as it is, and healthy as soon as it is ready',
    async () => {
      const config = JSON.parse(await docker('image', 'inspect', '--format', '{{json .Config}}', 'trainyard'));
      expect(config).toMatchObject({ User: 'node', Healthcheck: { Test: expect.arrayContaining(['CMD']) } });
      await using network = await new Network().start();
      const credentials = { POSTGRES_USER: 'trainyard', POSTGRES_PASSWORD: 'trainyard', POSTGRES_DB: 'trainyard' };
      await using postgres = await new GenericContainer('postgres:18-bookworm')
        .withEnvironment(credentials)
        .withNetwork(network)
        .withNetworkAliases('postgres')
        .withHealthCheck({ test: ['CMD', 'pg_isready', '-U', 'trainyard'], interval: 1000, retries: 60 })
        .withWaitStrategy(Wait.forHealthCheck())
        .start();
      await using api = await new GenericContainer('trainyard')
        .withEnvironment({ DATABASE_URL: 'postgres://trainyard:trainyard@postgres:5432/trainyard', AUTH: 'open' })
        .withNetwork(network)
        .withExposedPorts(3000)
        .withWaitStrategy(Wait.forHealthCheck())
        .start();
      expect((await api.exec(['id', '-un'])).output.trim()).toBe('node');
      expect((await api.exec(['touch', '/app/src/x'])).exitCode).not.toBe(0);
      const { bomFormat, components } = JSON.parse((await api.exec(['cat', '/app/sbom.json'])).output);
      expect([bomFormat, components.some(({ name }: { name: string }) => name === 'fastify')]).toEqual([
        'CycloneDX',
        true,
      ]);
      const ready = await call('GET', `http://${api.getHost()}:${api.getMappedPort(3000)}/readyz`);
      expect(ready.status).toBe(200);
      await docker('stop', '--time', '30', api.getId());
      expect(await docker('inspect', '--format', '{{.State.ExitCode}}', api.getId())).toBe('0');
      expect(postgres.getId()).not.toBe('');
    },
    10 * MINUTES,
  );

  describe('docker-compose.yml', () => {
    const project = `trainyard-test-${process.pid}`;
    let api: string;
    let composeProgram: string[];
    const compose = async (...args: string[]) => {
      const [file, ...before] = composeProgram;
      const env = { ...process.env, PORT: '0' };
      return (await run(file!, [...before, '-p', project, ...args], { cwd: root, env })).stdout.trim();
    };

    beforeAll(async () => {
      // the plugin, or where Debian has not got it the program that came before it
      const plugin = ['docker', 'compose'];
      composeProgram = await docker('compose', 'version').then(
        () => plugin,
        () => ['docker-compose'],
      );
      await compose('up', '--detach', '--no-build');
      api = `http://${await compose('port', 'api', '3000')}/v1`;
    }, 10 * MINUTES);

    afterAll(async () => {
      await compose('down', '--volumes', '--timeout', '30');
    }, 5 * MINUTES);

    const select = async (what: string) =>
      docker('exec', await compose('ps', '-q', 'postgres'), 'psql', '-U', 'trainyard', '-Atc', `select ${what}`);

    /** The short id of the container in which the job's worker is. */
    const holderOf = async (jobId: string) => {
      return select(`host from workers join jobs on worker_id = workers.id where jobs.id = '${jobId}'`);
    };

    it(
      'a job goes through, although the worker that has it is killed',
      async () => {
        await waitFor(
          async () => (await call('GET', `${api}/system`)).body.workers.length === 2,
          'two workers',
          60_000,
        );
        const dataset = await uploadCsv(
          api,
          'line',
          `x,y\n${Array.from({ length: 4000 }, (_, i) => `${i},${2 * i}`).join('\n')}\n`,
        );
        const { id } = await postJob(api, {
          dataset,
          target: 'y',
          training: { epochs: 1500, batch_size: 32, early_stopping: null },
          checkpoints: { every: 'epoch' },
        });
        const isUnderWay = ({ progress }: Job) => (progress?.step ?? 0) > 500;
        await waitForJob(api, id, isUnderWay, 2 * MINUTES);
        const victim = await holderOf(id);
        const killedAt = Date.now();
        await docker('kill', victim);
        const ended = await waitForJob(api, id, hasEnded, 5 * MINUTES);
        expect(ended).toMatchObject({ status: 'succeeded', progress: { percentage: 100 } });
        const ends = `count(*) from job_events where job_id = '${id}' and type = 'job.succeeded'`;
        expect(await select(ends)).toBe('1');
        const begun = ended.transitions.filter(({ status }) => status === 'running');
        expect(begun).toHaveLength(2);
        expect(Date.parse(begun[1]!.at) - killedAt).toBeLessThan(45_000);
      },
      10 * MINUTES,
    );
  });
});
