import { type Options, SingleBar } from 'cli-progress';

/** A bar that says what runs and how long the rest will take; a line now and then where there is no terminal. */
export function showProgress(total: number): { begin(what: string): void; done(): void; end(): void } {
  const options: Options = {
    format: '{bar} {value}/{total} · {eta_formatted} left · {what}',
    hideCursor: true,
    noTTYOutput: true,
    notTTYSchedule: 10_000,
    etaBuffer: 20,
  };
  const bar = new SingleBar(options);
  bar.start(total, 0, { what: '' });
  return {
    begin: (what) => bar.update({ what }),
    done: () => bar.increment(),
    end: () => bar.stop(),
  };
}
