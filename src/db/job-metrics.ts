import type { SplitName } from '../spec/job.ts';
import type { Database } from './client.ts';

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

/**
 * A series that is longer than `maxPoints` is cut into buckets of equally many points, and each gives its least and its greatest value, where
 * they stand, so that spikes stay; NaN counts as the greatest. The first and the last point stay as well.
 */
export async function listMetrics(db: Database, jobId: string, filter: MetricFilter): Promise<MetricSeries[]> {
  const maxPoints = Math.max(4, Math.floor(filter.maxPoints));
  const buckets = Math.floor((maxPoints - 2) / 2);
  const { rows } = await db.pool.query<{
    name: string;
    split: SplitName;
    step: string;
    epoch: number;
    value: number;
  }>(
    `with points as (
       select name, split, step, epoch, value,
         row_number() over (partition by name, split order by step) as i,
         count(*) over (partition by name, split) as n
       from job_metrics
       where job_id = $1 and ($2::text is null or name = $2) and ($3::text is null or split = $3)
         and ($4::bigint is null or step > $4)
     ), bucketed as (
       select *, case when n <= $5 then i else (i - 1) * $6 / n end as bucket from points
     ), ranked as (
       select *,
         row_number() over (partition by name, split, bucket order by value, step) as from_least,
         row_number() over (partition by name, split, bucket order by value desc, step) as from_greatest
       from bucketed
     )
     select name, split, step, epoch, value from ranked
     where from_least = 1 or from_greatest = 1 or i = 1 or i = n
     order by name, split, step`,
    [jobId, filter.name ?? null, filter.split ?? null, filter.sinceStep ?? null, maxPoints, buckets],
  );
  const series: MetricSeries[] = [];
  for (const { name, split, step, epoch, value } of rows) {
    let last = series.at(-1);
    if (last?.name !== name || last.split !== split) {
      last = { name, split, points: [] };
      series.push(last);
    }
    last.points.push({ step: Number(step), epoch, value });
  }
  return series;
}
