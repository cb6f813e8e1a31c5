import { expect, it } from 'vitest';
import { playStorm } from './play-storm.ts';

it('a worker that is stopped past its lease, an API and a database that are killed: nothing is lost or doubled', async () => {
  const faults = ['worker stopped past its lease', 'API killed', 'PostgreSQL killed'];
  const { wrong, jobs, played } = await playStorm({ rounds: 3, seed: 1, epochs: 20, faults });
  expect(wrong).toEqual([]);
  expect([...played.keys()].toSorted()).toEqual(faults.toSorted());
  expect(jobs.length).toBeGreaterThanOrEqual(3);
}, 180_000);
