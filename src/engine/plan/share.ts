import type { Domain } from './call.ts';
import type { PlannedWork } from './compile.ts';

/** Units [start, end) of a domain. */
export interface Range {
  start: number;
  end: number;
}

/**
 * How a stage's work along one domain is cut. Every thread has a range of its own; then whoever is done first takes the next of the `rest`, so that a
 * thread whose core is slower, or is taken away for a while, is waited for no longer than a small range takes. Who does what never changes a result.
 */
export interface Cut {
  own: Range[];
  rest: Range[];
}

/** What packing one value costs, in the multiply-adds and additions that a core could do meanwhile. */
const FLOPS_PER_PACKED = 32;
/** A share does this many times the work that its packing costs. */
const WORTH_PACKING = 20;
/** About 50 µs, some fifty times what taking it costs. */
const LEAST_FLOPS = 5e6;
/** Work is cut finer only where each thread would have at least so many of the smallest ranges. */
const LEAST_RANGES = 2;
/** Of what is left, each thread's next range is its fair share divided by this. */
const FACTOR = 1.5;

/**
 * Where shares of a domain are cut. Columns: at multiples of 16, the width of a product's tile and a cache line of f32, so that two threads seldom write one
 * line. Rows: at multiples of a tile's height, 5 of a batch's rows and 6 of a weight gradient's, and of four times that, which are whole vectors too, where
 * there are many; with multiples of 16 the tiles at the ends were half empty, and W1 took 3 % longer on two threads. Few units are cut anywhere. Where the
 * cuts lie never changes a result.
 */
function grainOf(domain: Domain, size: number, threads: number): number {
  const grains = domain.kind === 'rows' ? [20, 5] : domain.kind === 'units' && domain.of === 'rows' ? [24, 6] : [16];
  return grains.find((grain) => size >= 4 * grain * threads) ?? 1;
}

/** Share of one thread where each has one: [start, end) of `size` units. */
function shareOf(size: number, grain: number, rank: number, threads: number): Range {
  const cut = (i: number) => (i === threads ? size : Math.min(size, Math.round((size * i) / threads / grain) * grain));
  return { start: cut(rank), end: cut(rank + 1) };
}

/**
 * Cuts works along one domain, for a batch of `rows`. Ranges shrink as the work runs out, by "factoring" (Hummel, Schonberg & Flynn 1992): in turns every
 * thread has a range of 1 / (1.5 · threads) of what is left, down to the smallest that is worth its packing.
 */
export function cutWork(works: readonly PlannedWork[], rows: number, threads: number): Cut {
  const { domain } = works[0]!;
  const ranks = Array.from({ length: threads }, (_, rank) => rank);
  if (domain.kind === 'single') return { own: ranks.map((rank) => ({ start: 0, end: rank === 0 ? 1 : 0 })), rest: [] };
  const size = domain.kind === 'rows' ? rows : domain.size;
  const grain = grainOf(domain, size, threads);
  const even = { own: ranks.map((rank) => shareOf(size, grain, rank, threads)), rest: [] };
  const flops = works.reduce((sum, work) => sum + work.flops, 0);
  const packs = works.reduce((sum, work) => sum + work.packs, 0);
  const worthwhile = Math.max(LEAST_FLOPS, packs * FLOPS_PER_PACKED * WORTH_PACKING);
  const least = Math.ceil((size * worthwhile) / flops / grain) * grain;
  if (threads === 1 || size < least * threads * LEAST_RANGES) return even;

  const ranges: Range[] = [];
  for (let start = 0; start < size; ) {
    const fair = Math.round((size - start) / threads / FACTOR / grain) * grain;
    for (let i = 0; i < threads && start < size; i++) {
      const end = Math.min(size, start + Math.max(least, fair));
      ranges.push({ start, end });
      start = end;
    }
  }
  return { own: ranges.slice(0, threads), rest: ranges.slice(threads) };
}
