import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { playStorm } from './play-storm.ts';
import { Stage } from './stage.ts';

it('a worker that is stopped past its lease, an API and a database that are killed: nothing is lost or doubled', async () => {
  const faults = ['worker stopped past its lease', 'API killed', 'PostgreSQL killed'];
  const { wrong, jobs, played } = await playStorm({ rounds: 3, seed: 1, epochs: 20, faults });
  expect(wrong).toEqual([]);
  expect([...played.keys()].toSorted()).toEqual(faults.toSorted());
  expect(jobs.length).toBeGreaterThanOrEqual(3);
}, 180_000);

it.skipIf(process.platform !== 'linux')(
  'a stage that cannot be raised leaves neither mounts nor processes behind',
  async () => {
    const under = await mkdtemp(join(tmpdir(), 'trainyard-stage-'));
    await chmod(under, 0o755);
    await expect(Stage.raise({ under, environment: { LOG_LEVEL: 'loud' } })).rejects.toThrow('LOG_LEVEL');
    expect(await readFile('/proc/mounts', 'utf8')).not.toContain(under);
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const commands = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
    expect(commands.filter((command) => command.includes(under))).toEqual([]);
    expect(await readdir(under)).toEqual([]);
    await rm(under, { recursive: true });
  },
);
