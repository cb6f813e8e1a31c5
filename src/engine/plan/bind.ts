import type { Kernels } from '../kernels/abi.ts';
import { sameDomain } from './call.ts';
import type { Plan, PlannedArgument, PlannedCall, PlannedWork, Program } from './compile.ts';
import { cutWork, type Range } from './share.ts';

type BoundCalls = (() => void)[];

/** A stage ready to run on one thread: kernels with every argument in place. */
export interface BoundStage {
  /** what this thread does in any case */
  own: BoundCalls;
  /** ranges that are done by whoever takes them first; the same on all threads */
  rest: BoundCalls[];
}

/** The calls of one thread for batches of `rows` rows. Made once for each number of rows (two in an epoch), then only run. */
export function bindProgram(plan: Plan, program: Program, kernels: Kernels, rank: number, rows: number): BoundStage[] {
  return program.stages.map((stage) => {
    const cuts = groupByDomain(stage).map((works) => ({ works, cut: cutWork(works, rows, plan.threads) }));
    const bind = (works: readonly PlannedWork[], range: Range) => bindRange(plan, works, kernels, rank, rows, range);
    return {
      own: cuts.flatMap(({ works, cut }) => bind(works, cut.own[rank]!)),
      rest: cuts.flatMap(({ works, cut }) => cut.rest.map((range) => bind(works, range))),
    };
  });
}

/**
 * Works of one stage and one domain read what the others of them have written for the same units, and nothing of other domains' works of this stage: so
 * they are done one behind the other for each range, in any order of ranges.
 */
function groupByDomain(stage: readonly PlannedWork[]): PlannedWork[][] {
  const groups: PlannedWork[][] = [];
  for (const work of stage) {
    const group = groups.find((works) => sameDomain(works[0]!.domain, work.domain));
    if (group === undefined) groups.push([work]);
    else group.push(work);
  }
  return groups;
}

function bindRange(
  plan: Plan,
  works: readonly PlannedWork[],
  kernels: Kernels,
  rank: number,
  rows: number,
  { start, end }: Range,
): BoundCalls {
  return works.flatMap((work) => {
    const strip = work.strip ?? end - start;
    const bound: BoundCalls = [];
    for (let first = start; first < end; first += strip) {
      const range = { start: first, end: Math.min(end, first + strip) };
      for (const call of work.calls) bound.push(bindCall(plan, call, kernels, rank, rows, range));
    }
    return bound;
  });
}

function bindCall(
  plan: Plan,
  call: PlannedCall,
  kernels: Kernels,
  rank: number,
  rows: number,
  { start, end }: Range,
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
