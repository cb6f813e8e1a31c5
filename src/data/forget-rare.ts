/** Share of the room that may stay taken, so that what is forgotten next is worth going through all again. */
const MOST_KEPT = 0.9;

/**
 * Makes room where more than `most` things have been counted: those of least occurrences so far are forgotten, as in Manku & Motwani 2002, "Approximate
 * frequency counts over data streams" (lossy counting). All that occurred once; of more, the earliest until a tenth of the room is free.
 */
export function forgetRare(counts: Map<string, number>, most: number): void {
  if (counts.size <= most) return;
  for (let least = 1; counts.size > most * MOST_KEPT; least++)
    for (const [key, count] of counts) {
      if (least > 1 && counts.size <= most * MOST_KEPT) return;
      if (count <= least) counts.delete(key);
    }
}
