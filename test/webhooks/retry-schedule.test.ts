import { expect, test } from 'vitest';
import { chooseDelay, RETRY_DELAYS_S } from '../../src/webhooks/retry-schedule.ts';

test('the standard’s schedule: ten tries within some three days, each late by a fifth at most', () => {
  expect(RETRY_DELAYS_S.map((_, i) => chooseDelay(RETRY_DELAYS_S, i + 1, null, () => 0))).toEqual([
    5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400,
  ]);
  expect(RETRY_DELAYS_S.map((_, i) => chooseDelay(RETRY_DELAYS_S, i + 1, null, () => 1))).toEqual(
    RETRY_DELAYS_S.map((delay) => delay * 1.2),
  );
  expect(chooseDelay(RETRY_DELAYS_S, 10, null)).toBeNull();
});

test('whoever says when to come back is not asked sooner, and cannot put it off for ever', () => {
  expect(chooseDelay([5], 1, 60, () => 0)).toBe(60);
  expect(chooseDelay([5], 1, 2, () => 0)).toBe(5);
  expect(chooseDelay([5], 1, 1e9, () => 0)).toBe(86_400);
  expect(chooseDelay([5], 2, 60)).toBeNull();
});
