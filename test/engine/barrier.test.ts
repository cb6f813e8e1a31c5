import { expect, it } from 'vitest';
import { createBarrier, TeamFailedError, Word } from '../../src/engine/team/control.ts';

const newControl = () => new Int32Array(new SharedArrayBuffer(256));

it('a thread that does not come is not waited for for ever, and the others hear that the team has failed', () => {
  const control = newControl();
  const begin = performance.now();
  expect(createBarrier(control, 3, 300)).toThrow('did not arrive within 300 ms');
  expect(performance.now() - begin).toBeLessThan(5_000);
  expect(Atomics.load(control, Word.failed)).toBe(1);
  expect(createBarrier(control, 3, 60_000)).toThrow(TeamFailedError);
});

it('a thread that has failed is not waited for at all', () => {
  const control = newControl();
  Atomics.store(control, Word.failed, 1);
  expect(createBarrier(control, 2, 60_000)).toThrow('a thread of the team failed');
});

it('the last to come goes on at once, and all may meet again; one alone meets nobody', () => {
  const control = newControl();
  const meet = createBarrier(control, 2, 60_000);
  for (let i = 1; i <= 3; i++) {
    // as if the other had come
    Atomics.store(control, Word.arrived, 1);
    meet();
    expect([Atomics.load(control, Word.arrived), Atomics.load(control, Word.phase)]).toEqual([0, i]);
  }
  createBarrier(newControl(), 1, 0)();
});
