import { setTimeout as sleep } from 'node:timers/promises';
import { LEASE_SECONDS, type Stage } from './stage.ts';

/** One thing that goes wrong, and is put right again. */
export interface Fault {
  name: string;
  /** why it cannot be played on this stage; null where it can */
  missing(stage: Stage): string | null;
  play(stage: Stage, draw: () => number): Promise<void>;
}

const always = () => null;
const needsRedis = (stage: Stage) => (stage.redis === null ? 'redis-server is not installed' : null);
const needsDisk = (stage: Stage) => (stage.disk === null ? 'a small disk needs root' : null);
const FROZEN_MS = (LEASE_SECONDS + 2) * 1000;

function pickWorker(stage: Stage, draw: () => number): number {
  return Math.floor(draw() * stage.workers.length);
}

export const FAULTS: readonly Fault[] = [
  {
    name: 'worker killed',
    missing: always,
    async play(stage, draw) {
      const i = pickWorker(stage, draw);
      await stage.workers[i]!.kill();
      stage.workers[i] = await stage.startWorker();
    },
  },
  {
    name: 'worker stopped past its lease',
    missing: always,
    async play(stage, draw) {
      const { child } = stage.workers[pickWorker(stage, draw)]!;
      child.kill('SIGSTOP');
      await sleep(FROZEN_MS);
      child.kill('SIGCONT');
    },
  },
  {
    name: 'worker drained',
    missing: always,
    async play(stage, draw) {
      const i = pickWorker(stage, draw);
      const begin = performance.now();
      const status = await stage.workers[i]!.stop();
      const seconds = (performance.now() - begin) / 1000;
      if (status !== 0 || seconds > 20) throw new Error(`a worker left with ${status} after ${seconds.toFixed(1)} s`);
      stage.workers[i] = await stage.startWorker();
    },
  },
  {
    name: 'API killed',
    missing: always,
    async play(stage) {
      await stage.api.kill();
      await stage.startApi();
    },
  },
  {
    name: 'API stopped for a while',
    missing: always,
    async play(stage, draw) {
      stage.api.child.kill('SIGSTOP');
      await sleep(1000 + draw() * 2000);
      stage.api.child.kill('SIGCONT');
    },
  },
  {
    name: 'PostgreSQL killed',
    missing: always,
    async play(stage, draw) {
      await stage.killPostgres();
      await sleep(draw() * 2000);
      await stage.startPostgres();
    },
  },
  {
    name: 'connections to PostgreSQL cut',
    missing: always,
    async play(stage, draw) {
      for (let i = 0; i < 3; i++) {
        stage.postgresProxy.cut();
        await sleep(draw() * 500);
      }
    },
  },
  {
    name: 'PostgreSQL answers nothing',
    missing: always,
    async play(stage, draw) {
      stage.postgresProxy.stall();
      await sleep(1000 + draw() * FROZEN_MS);
      stage.postgresProxy.open();
    },
  },
  {
    name: "PostgreSQL's disk full",
    missing: (stage) => (stage.postgresDisk === null ? 'a small disk needs root' : null),
    async play(stage, draw) {
      await stage.postgresDisk!.fill();
      await sleep(1000 + draw() * 4000);
      await stage.postgresDisk!.empty();
      await stage.startPostgresAgain();
    },
  },
  {
    name: 'Redis killed',
    missing: needsRedis,
    async play(stage, draw) {
      await stage.redis!.kill();
      await sleep(draw() * 2000);
      await stage.redis!.restart();
    },
  },
  {
    name: 'Redis forgets everything',
    missing: needsRedis,
    async play(stage) {
      await stage.redis!.command('flushall');
    },
  },
  {
    name: 'Redis stopped for a while',
    missing: needsRedis,
    async play(stage, draw) {
      stage.redis!.freeze();
      await sleep(1000 + draw() * 4000);
      stage.redis!.thaw();
    },
  },
  {
    name: 'connections to Redis cut',
    missing: needsRedis,
    async play(stage) {
      stage.redisProxy!.cut();
    },
  },
  {
    name: 'disk full',
    missing: needsDisk,
    async play(stage, draw) {
      await stage.disk!.fill();
      await sleep(1000 + draw() * 2000);
      await stage.disk!.empty();
    },
  },
  {
    name: 'disk answers nothing',
    missing: (stage) => needsDisk(stage) ?? stage.disk!.noFreeze,
    async play(stage, draw) {
      stage.disk!.freeze();
      await sleep(1000 + draw() * 2000);
      stage.disk!.thaw();
    },
  },
];
