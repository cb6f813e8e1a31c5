import { constants } from 'node:os';

type TakeAway = () => Promise<unknown>;

/** What is there now, the first first. */
const there = new Set<TakeAway>();
let isLeaving = false;

/** Ctrl-C and the like end a process without its `finally`: what it made is taken away first, the last first. A second signal ends it at once. */
function leave(signal: NodeJS.Signals): void {
  const end = () => process.exit(128 + constants.signals[signal]);
  if (isLeaving) end();
  isLeaving = true;
  const takeAll = async () => {
    for (const takeAway of [...there].reverse())
      await takeAway().catch((error: unknown) => void process.stderr.write(`${error}\n`));
  };
  void takeAll().then(end);
}

/** Takes something away when the process is told to end, too: `takeAway` is to be called once, by what this gives or by a signal. */
export function tidyUp(takeAway: TakeAway): TakeAway {
  let taken: Promise<unknown> | null = null;
  const once: TakeAway = () => {
    taken ??= takeAway().finally(() => {
      there.delete(once);
      if (there.size === 0 && !isLeaving) for (const signal of SIGNALS) process.off(signal, leave);
    });
    return taken;
  };
  if (there.size === 0) for (const signal of SIGNALS) process.on(signal, leave);
  there.add(once);
  return once;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
