import type { PreparedNumber, PreparedTargetColumn, PreparedTransform } from '../spec/preparation.ts';
import { openInverse, openTransform } from './transforms.ts';

/** One number as a network sees it, and back. Tables and rows are prepared by these same functions, so that both give the same bits. */

/** NaN is missing. Not finite where a transform does not take the number. */
export function openNumber({ clip, transform, scale, shift, missing }: PreparedNumber): (value: number) => number {
  const apply = transform === undefined ? null : openTransform(transform);
  if (clip === undefined && apply === null) return (value) => (Number.isNaN(value) ? missing : value * scale + shift);
  const low = clip?.low ?? Number.NEGATIVE_INFINITY;
  const high = clip?.high ?? Number.POSITIVE_INFINITY;
  return (value) => {
    if (Number.isNaN(value)) return missing;
    const inside = value < low ? low : value > high ? high : value;
    return (apply === null ? inside : apply(inside)) * scale + shift;
  };
}

export function openTargetColumn({ transform, scale, shift }: PreparedTargetColumn): (value: number) => number {
  const apply = transform === undefined ? null : openTransform(transform);
  return (value) => (apply === null ? value : apply(value)) * scale + shift;
}

/** A prepared number of the target in the column's own units. */
export function openRestored({ transform, scale, shift }: PreparedTargetColumn): (value: number) => number {
  const undo = transform === undefined ? null : openInverse(transform);
  return (value) => (undo === null ? (value - shift) / scale : undo((value - shift) / scale));
}

/** What a transform that gives no number says to its input. */
export function isUnusable(transform: PreparedTransform | undefined, prepared: number): boolean {
  return transform !== undefined && !Number.isFinite(prepared);
}
