/** How a sweep goes on. */
export interface Pace {
  /** rows of one statement */
  batch: number;
  /** false once the sweep has taken long enough, or is to stop */
  goesOn(): boolean;
  /** between two statements */
  rest(): Promise<void>;
}

/** Repeats a statement until it finds less than a batch; answers how many rows there were. */
export async function deleteInBatches(
  pace: Pace,
  run: (limit: number) => Promise<{ rowCount: number | null }>,
): Promise<number> {
  let deleted = 0;
  while (pace.goesOn()) {
    const { rowCount } = await run(pace.batch);
    deleted += rowCount ?? 0;
    if ((rowCount ?? 0) < pace.batch) break;
    await pace.rest();
  }
  return deleted;
}
