import { type Options, SingleBar } from 'cli-progress';

export interface BenchProgress {
  begin(what: string): void;
  done(): void;
  end(): void;
}

/**
 * A bar that says what runs and how long the rest will take; a line now and then where there is no terminal. `pieces`: how many
 * there are, or how long each is beside the others.
 */
export function showProgress(pieces: number | readonly number[]): BenchProgress {
  const lengths = typeof pieces === 'number' ? new Array<number>(pieces).fill(1) : pieces;
  const options: Options = {
    format: '{bar} {done}/{of} · {left} · {what}',
    hideCursor: true,
    noTTYOutput: true,
    notTTYSchedule: 10_000,
  };
  const bar = new SingleBar(options);
  const started = performance.now();
  const whole = lengths.reduce((sum, length) => sum + length, 0);
  let [done, past] = [0, 0];
  const told = () => ({ done, left: tellTimeLeft((performance.now() - started) / 1000, past / whole) });
  bar.start(whole, 0, { ...told(), of: lengths.length, what: '' });
  return {
    begin: (what) => bar.update({ ...told(), what }),
    done: () => {
      past += lengths[done++]!;
      bar.update(past, told());
    },
    end: () => bar.stop(),
  };
}

/** How long the rest takes where `share` of the whole took so many seconds. */
export function tellTimeLeft(seconds: number, share: number): string {
  if (share === 0) return 'time left not known yet';
  const left = Math.ceil((seconds * (1 - share)) / share);
  return left < 60 ? `${left} s left` : `${Math.ceil(left / 60)} min left`;
}
