import { describe, expect, test } from 'vitest';
import { playHistory } from './play.ts';
import { RULES, type Rules, Violation } from './world.ts';

test('a thousand histories of faults break no rule', () => {
  let crashes = 0;
  for (let seed = 1; seed <= 1000; seed++) crashes += playHistory(seed).crashes;
  expect(crashes).toBeGreaterThan(1000);
});

describe('a history finds what is wrong', () => {
  const broken: Record<string, Partial<Rules>> = {
    'a fence that lets any epoch through': { lets: (job) => RULES.lets(job, job.runEpoch) },
    'a fence that looks at the epoch alone': { lets: (job, epoch) => job.runEpoch === epoch },
    'a claim that does not wait for the end of the lease': {
      mayClaim: (job, now) => RULES.mayClaim({ ...job, leaseUntil: job.leaseUntil === null ? null : 0 }, now),
    },
    'a worker that stops after its lease has ended': { shareOfLease: 2 },
    'a job that was to be cancelled waits again when its worker is gone': { decideRecovery: () => 'queued' },
    'a job that pauses waits again when its worker lets go': { decideLeaving: () => 'queued' },
    'a job that was to be cancelled and breaks has failed': { decideEnding: (_status, ending) => ending },
    'crashes that are not counted': { countCrashes: () => 0, decideRecovery: (status) => RULES.decideLeaving(status) },
    'a queue that forgets, and nobody looks': { looksForLost: false },
  };
  test.for(Object.entries(broken))('%s', ([, change]) => {
    const rules = { ...RULES, ...change };
    expect(() => {
      for (let seed = 1; seed <= 3000; seed++) playHistory(seed, rules);
    }).toThrow(Violation);
  });
});
