import { expect, it } from 'vitest';
import { tellTimeLeft } from '../../bench/progress.ts';

it('the time that a bench has left goes by the share that is done; before that it is not known', () => {
  expect(tellTimeLeft(0.2, 0)).toBe('time left not known yet');
  expect(tellTimeLeft(30, 0.5)).toBe('30 s left');
  expect(tellTimeLeft(80, 0.1)).toBe('12 min left');
  expect(tellTimeLeft(800, 1)).toBe('0 s left');
});
