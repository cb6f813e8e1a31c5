import { availableParallelism, cpus, totalmem } from 'node:os';

export function processorName(): string {
  return cpus()[0]?.model ?? 'unknown processor';
}

/** The machine that figures are of: `AMD EPYC (2 cores, 24 GiB)`. */
export function describeMachine(): string {
  const gib = Math.round(totalmem() / 2 ** 30);
  return `${processorName()} (${availableParallelism()} cores, ${gib} GiB)`;
}
