import type { Kernels } from '../kernels/abi.ts';
import type { Domain } from './call.ts';
import type { Plan, PlannedArgument, PlannedCall, PlannedWork, Program } from './compile.ts';

/** A stage ready to run on one thread: kernels with every argument in place. */
export type BoundStage = (() => void)[];

/**
 * Share of one thread: [start, end) of `size` units. Shares of large domains are cut at multiples of 16 units (a cache line of f32), so that two threads
 * seldom write one line. Where the cuts lie never changes a result.
 */
export function shareOf(size: number, rank: number, threads: number): { start: number; end: number } {
  const grain = size >= 16 * threads * 4 ? 16 : 1;
  const cut = (i: number) => (i === threads ? size : Math.min(size, Math.round((size * i) / threads / grain) * grain));
  return { start: cut(rank), end: cut(rank + 1) };
}

function rangeOf(domain: Domain, rows: number, rank: number, threads: number): { start: number; end: number } {
  switch (domain.kind) {
    case 'rows':
      return shareOf(rows, rank, threads);
    case 'units':
      return shareOf(domain.size, rank, threads);
    case 'single':
      return { start: 0, end: rank === 0 ? 1 : 0 };
  }
}

/** The calls of one thread for batches of `rows` rows. Made once for each number of rows (two in an epoch), then only run. */
export function bindProgram(plan: Plan, program: Program, kernels: Kernels, rank: number, rows: number): BoundStage[] {
  return program.stages.map((stage) => stage.flatMap((work) => bindWork(plan, work, kernels, rank, rows)));
}

function bindWork(plan: Plan, work: PlannedWork, kernels: Kernels, rank: number, rows: number): BoundStage {
  const { start, end } = rangeOf(work.domain, rows, rank, plan.threads);
  const strip = work.strip ?? end - start;
  const bound: BoundStage = [];
  for (let first = start; first < end; first += strip) {
    const range = { start: first, end: Math.min(end, first + strip) };
    for (const call of work.calls) bound.push(bindCall(plan, call, kernels, rank, rows, range));
  }
  return bound;
}

function bindCall(
  plan: Plan,
  call: PlannedCall,
  kernels: Kernels,
  rank: number,
  rows: number,
  { start, end }: { start: number; end: number },
): () => void {
  const value = (argument: PlannedArgument): number => {
    if (typeof argument === 'number') return argument;
    if ('address' in argument) return argument.address + start * argument.bytesPerUnit;
    if ('units' in argument) return (end - start) * argument.units;
    if ('start' in argument) return start * argument.start;
    if ('rows' in argument) return rows * argument.rows;
    if ('own' in argument) return plan.regions[argument.own][rank]!;
    return plan.regions.hyper[argument.hyper]!;
  };
  const kernel = kernels[call.kernel] as (...args: number[]) => void;
  return kernel.bind(kernels, ...call.args.map(value));
}
