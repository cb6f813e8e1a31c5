import pg from 'pg';
import { expect, test } from 'vitest';
import { gather, gatherById } from '../../src/db/gather.ts';

/** An error as PostgreSQL gives it, in one as drizzle gives it. */
function refusal(code: string): Error {
  const cause = Object.assign(new pg.DatabaseError('no', 0, 'error'), { code });
  return new Error('failed query', { cause });
}

test('what is asked for in one turn is one call, and who asks later is answered by the next', async () => {
  const calls: number[][] = [];
  const double = gather(async (asked: number[]) => {
    calls.push([...asked]);
    return asked.map((one) => 2 * one);
  }, 3);
  expect(await Promise.all([1, 2, 3, 4].map(double))).toEqual([2, 4, 6, 8]);
  expect(await double(5)).toBe(10);
  expect(calls).toEqual([[1, 2, 3], [4], [5]]);
});

test('who asks while a call is under way is not answered by it', async () => {
  let value = 'old';
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  const read = gather(async (asked: number[]) => {
    const seen = value;
    await over;
    return asked.map(() => seen);
  });
  const before = read(1);
  await new Promise((resolve) => setImmediate(resolve));
  value = 'new';
  const after = read(1);
  end();
  expect([await before, await after]).toEqual(['old', 'new']);
});

test('what PostgreSQL refuses of one keeps no other back', async () => {
  let calls = 0;
  const read = gather(async (asked: string[]) => {
    calls += 1;
    if (asked.includes('wrong')) throw refusal('22021');
    return asked.map((one) => one.toUpperCase());
  });
  const answers = await Promise.allSettled(['a', 'wrong', 'b'].map(read));
  expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(calls).toBe(4);
});

test('a server that is away is asked once', async () => {
  let calls = 0;
  const read = gather(async (): Promise<number[]> => {
    calls += 1;
    throw refusal('57P01');
  });
  const answers = await Promise.allSettled([read(1), read(2)]);
  expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(calls).toBe(1);
});

test('by id: a row is given to its tenant alone', async () => {
  const read = gatherById(async ({ ids }) => ids.map((id) => ({ tenant: 'a', id })));
  const rows = await Promise.all([read({ tenant: 'a', id: '1' }), read({ tenant: 'b', id: '1' })]);
  expect(rows).toEqual([{ tenant: 'a', id: '1' }, null]);
});
