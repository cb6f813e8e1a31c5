import { elementsOf, type Graph, type Node, reachable } from '../graph/graph.ts';
import { shareOut } from '../graph/share-out.ts';
import { simplify } from '../graph/simplify.ts';
import type { KernelName } from '../kernels/abi.ts';
import { persistentBytes } from '../ops/leaves.ts';
import { bufferOf, domainOf, opOf } from '../ops/registry.ts';
import { COMMON_BLOCK } from '../optimizers/groups.ts';
import { allocate } from './allocate.ts';
import type { Argument, Domain } from './call.ts';
import {
  align,
  type FixedRegions,
  layoutFixedRegions,
  MAX_MEMORY_BYTES,
  PAGE_BYTES,
  PlanTooLargeError,
} from './layout.ts';
import { schedule } from './schedule.ts';

/** What is to be compiled: values that must be there at the end, and effects (updates) that must have happened. */
export interface ProgramSource {
  outputs: Record<string, Node>;
  effects?: readonly Node[];
  /** most rows a batch may have */
  maxRows: number;
  /** a batched value that must be finite, or no parameter and no state is changed */
  guard?: Node;
}

/** An argument with its address in place of its node. */
export type PlannedArgument = Exclude<Argument, { node: Node }> | { address: number; bytesPerUnit: number };

export interface PlannedCall {
  kernel: KernelName;
  args: PlannedArgument[];
}

/** The calls of one node. */
export interface PlannedWork {
  domain: Domain;
  /** units whose calls are all done before those of the next units; null: all that a thread has */
  strip: number | null;
  /** of a whole batch of `maxRows` */
  flops: number;
  /** values that every share packs anew */
  packs: number;
  calls: PlannedCall[];
}

export interface Program {
  /** work in order; a barrier stands between two stages */
  stages: PlannedWork[][];
  maxRows: number;
  /** addresses of the named outputs */
  outputs: Record<string, number>;
  /** address of the guard's values, one per row, and the stage that makes them: what comes after is left undone where one is not finite */
  guard: { address: number; stage: number } | null;
}

/** Everything a thread needs to run, as plain data: offsets, calls and nothing else. */
export interface Plan {
  threads: number;
  regions: FixedRegions;
  /** addresses of parameters, slots, tables and orders, by name */
  persistent: Record<string, { address: number; bytes: number }>;
  programs: Record<string, Program>;
  /** whole size of the memory, a multiple of the page */
  memoryBytes: number;
}

export interface CompileOptions {
  /** persistent nodes that no program has a use for: vectors that the leader works on */
  persistent?: readonly Node[];
  threads: number;
  limitBytes?: number | undefined;
}

/** Compiles programs over one set of parameters. Throws PlanTooLargeError, naming the figure, before any memory is taken. */
export function compile(graph: Graph, sources: Record<string, ProgramSource>, options: CompileOptions): Plan {
  const simplified = Object.entries(sources).map(([name, source]) => {
    const values = [...Object.values(source.outputs), ...(source.guard === undefined ? [] : [source.guard])];
    const simpler = simplify(graph, [...values, ...(source.effects ?? [])]);
    const roots = shareOut(graph, simpler, options.threads, source.maxRows);
    return { name, source, values: roots.slice(0, values.length), roots };
  });
  const nodes = reachable(simplified.flatMap((s) => s.roots));
  const stripBytes = Math.max(0, ...nodes.map((node) => opOf(node).strip?.(node).bytes ?? 0));
  const hyperBlocks = 1 + Math.max(COMMON_BLOCK, ...nodes.map((node) => (node.attributes.block as number) ?? 0));
  const regions = layoutFixedRegions(options.threads, stripBytes, hyperBlocks);
  const addresses = new Map<Node, number>();
  const persistent: Plan['persistent'] = {};
  let end = regions.end;

  for (const node of reachable([...simplified.flatMap((s) => s.roots), ...(options.persistent ?? [])])) {
    if (opOf(node).persistent !== true) continue;
    const bytes = persistentBytes(node);
    addresses.set(node, end);
    persistent[node.attributes.name as string] = { address: end, bytes };
    end += align(bytes);
  }

  const arenaStart = end;
  const programs: Plan['programs'] = {};
  for (const { name, source, values, roots } of simplified) {
    const guard = source.guard === undefined ? undefined : values.at(-1)!;
    const scheduled = schedule(roots, guard);
    const arena = allocate(scheduled, new Set(values), source.maxRows);
    end = Math.max(end, arenaStart + arena.bytes);
    const addressOf = (node: Node) => {
      const buffer = bufferOf(node);
      const address = addresses.get(buffer) ?? arenaStart + (arena.offsets.get(buffer) ?? Number.NaN);
      if (Number.isNaN(address)) throw new Error(`${buffer.op} has no place in memory`);
      return address;
    };
    const stages: PlannedWork[][] = [];
    for (const { node, stage } of scheduled) {
      const { lower, strip, packs } = opOf(node);
      const calls = (lower?.(node) ?? []).map(({ kernel, args }) => ({
        kernel,
        args: args.map((argument) => resolve(argument, addressOf)),
      }));
      if (calls.length === 0) continue;
      stages[stage] ??= [];
      stages[stage].push({
        domain: domainOf(node),
        strip: strip?.(node).units ?? null,
        flops: flopsOf(node, source.maxRows),
        packs: packs?.(node, source.maxRows) ?? 0,
        calls,
      });
    }
    const names = Object.keys(source.outputs);
    programs[name] = {
      stages: Array.from(stages, (stage) => stage ?? []),
      maxRows: source.maxRows,
      outputs: Object.fromEntries(names.map((output, i) => [output, addressOf(values[i]!)])),
      guard:
        guard === undefined
          ? null
          : { address: addressOf(guard), stage: scheduled.find((s) => s.node === guard)!.stage },
    };
  }

  const memoryBytes = Math.ceil(end / PAGE_BYTES) * PAGE_BYTES;
  const limitBytes = Math.min(options.limitBytes ?? MAX_MEMORY_BYTES, MAX_MEMORY_BYTES);
  if (memoryBytes > limitBytes) throw new PlanTooLargeError(memoryBytes, limitBytes);
  return { threads: options.threads, regions, persistent, programs, memoryBytes };
}

function resolve(argument: Argument, addressOf: (node: Node) => number): PlannedArgument {
  if (typeof argument === 'number' || !('node' in argument)) return argument;
  return { address: addressOf(argument.node) + (argument.offsetBytes ?? 0), bytesPerUnit: argument.bytesPerUnit };
}

function flopsOf(node: Node, rows: number): number {
  const { flops, sumsRows } = opOf(node);
  return (flops?.(node) ?? elementsOf(node)) * (node.shape.batched || sumsRows ? rows : 1);
}

/** Floating-point operations of one run on `rows` rows. */
export function countFlops(roots: readonly Node[], rows: number): number {
  return reachable(roots).reduce((sum, node) => sum + (opOf(node).persistent === true ? 0 : flopsOf(node, rows)), 0);
}
