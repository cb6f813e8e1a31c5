import type { SplitName } from '../spec/job.ts';
import type { Database } from './client.ts';
import { ownJobMetrics } from './schema.ts';

export interface MetricSeries {
  name: string;
  split: SplitName;
  /** in order of step; values may be NaN or infinite */
  points: { step: number; epoch: number; value: number }[];
}

export interface MetricFilter {
  name?: string;
  split?: SplitName;
  /** points of later steps only */
  sinceStep?: number;
  /** per series, 4 at least */
  maxPoints: number;
}

/** One bucket of a series: `[value, step, epoch]` of its least point and, with the step negated, of its greatest. */
interface Bucket {
  name: string;
  split: SplitName;
  least: [number, number, number];
  greatest: [number, number, number];
}

/**
 * Series of a job of the tenant for which `db` acts; none of any other.
 *
 * A series that is longer than `maxPoints` is cut into buckets of equally many points, and each gives its least and its greatest value, where
 * they stand, so that spikes stay; NaN counts as the greatest. The first and the last point stay as well.
 *
 * Arrays are compared element by element, so that the least and the greatest of a bucket come from one pass; of equal values the first step counts.
 * Numbers are written as float8: steps are below 2⁵³.
 */
export async function listMetrics(db: Database, jobId: string, filter: MetricFilter): Promise<MetricSeries[]> {
  const maxPoints = Math.max(4, Math.floor(filter.maxPoints));
  const buckets = Math.floor((maxPoints - 2) / 2);
  const { rows } = await db.pool.query<Bucket>(
    `with points as (
       select name, split, step::float8 as step, epoch::float8 as epoch, value,
         row_number() over (partition by name, split order by step) as i,
         count(*) over (partition by name, split) as n
       from ${ownJobMetrics}
       where job_id = $1 and ($2::text is null or name = $2) and ($3::text is null or split = $3)
         and ($4::bigint is null or step > $4)
     )
     select name, split, min(array[value, step, epoch]) as least, max(array[value, -step, epoch]) as greatest
     from points
     group by name, split, case when n <= $5 then i when i = 1 then 0 when i = n then n else 1 + (i - 2) * $6 / (n - 2) end`,
    [jobId, filter.name ?? null, filter.split ?? null, filter.sinceStep ?? null, maxPoints, buckets],
  );
  const series = new Map<string, MetricSeries>();
  for (const { name, split, least, greatest } of rows) {
    const key = `${name} ${split}`;
    const own = series.get(key) ?? { name, split, points: [] };
    series.set(key, own);
    const [value, step, epoch] = least;
    own.points.push({ step, epoch, value });
    if (-greatest[1] !== step) own.points.push({ step: -greatest[1], epoch: greatest[2], value: greatest[0] });
  }
  const byName = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  for (const { points } of series.values()) points.sort((a, b) => a.step - b.step);
  return [...series.values()].sort((a, b) => byName(a.name, b.name) || byName(a.split, b.split));
}
