import type { SplitName } from '../spec/metric-point.ts';
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

/** Points that are read at once: 1.2 MB, and as many again as hexadecimal digits. */
const PAGE_POINTS = 50_000;
/** Of a point: value, step and epoch as float8, the highest byte first; steps are below 2⁵³. */
const POINT_BYTES = 24;

/** A stretch of a series; whole series but for those at the borders of a page. */
interface Stretch {
  name: string;
  split: SplitName;
  points: Buffer;
}

/**
 * Series of a job of the tenant for which `db` acts; none of any other.
 *
 * A series that is longer than `maxPoints` is cut into buckets of equally many points, and each gives its least and its greatest value, where
 * they stand, so that spikes stay; NaN counts as the greatest, and of equal values the first step. The first and the last point stay as well.
 *
 * Points come as bytes, and are cut into buckets here: by windows and groups the database took five times as long for it. However long the series are, a page of
 * them is held at a time.
 */
export async function listMetrics(db: Database, jobId: string, filter: MetricFilter): Promise<MetricSeries[]> {
  const maxPoints = Math.max(4, Math.floor(filter.maxPoints));
  const asked = [jobId, filter.name ?? null, filter.split ?? null, filter.sinceStep ?? null];
  const isAsked = `job_id = $1 and ($2::text is null or name = $2) and ($3::text is null or split = $3)
    and ($4::bigint is null or step > $4)`;
  const readPage = async (after: [name: string, split: string, step: number] | null): Promise<Stretch[]> => {
    const { rows } = await db.pool.query<Stretch>(
      `select name, split, string_agg(float8send(value) || float8send(step) || float8send(epoch), '' order by step) as points
       from (
         select name, split, step, epoch, value from ${ownJobMetrics}
         where ${isAsked} ${after === null ? '' : 'and (name, split, step) > ($6, $7, $8)'}
         order by name, split, step limit $5
       ) page
       group by name, split order by name, split`,
      [...asked, PAGE_POINTS, ...(after ?? [])],
    );
    return rows;
  };
  const sizeOf = ({ points }: Stretch) => points.length / POINT_BYTES;
  const isFull = (page: Stretch[]) => page.reduce((sum, stretch) => sum + sizeOf(stretch), 0) === PAGE_POINTS;

  let page = await readPage(null);
  const keyOf = ({ name, split }: Pick<Stretch, 'name' | 'split'>) => `${name} ${split}`;
  const sizes = new Map(page.map((stretch) => [keyOf(stretch), sizeOf(stretch)]));
  if (isFull(page)) {
    const { rows } = await db.pool.query<{ name: string; split: SplitName; n: number }>(
      `select name, split, count(*)::int as n from ${ownJobMetrics} where ${isAsked} group by name, split`,
      asked,
    );
    for (const row of rows) sizes.set(keyOf(row), row.n);
  }
  const series = new Map<string, MetricSeries & { cut: SeriesCut }>();
  for (;;) {
    for (const stretch of page) {
      const { name, split, points } = stretch;
      const key = keyOf(stretch);
      // what was written since the points were counted is for the next time
      const own = series.get(key) ?? { name, split, points: [], cut: cutSeries(sizes.get(key) ?? 0, maxPoints) };
      series.set(key, own);
      const view = new DataView(points.buffer, points.byteOffset, points.length);
      for (let at = 0; at < points.length; at += POINT_BYTES)
        own.cut.add(view.getFloat64(at), view.getFloat64(at + 8), view.getFloat64(at + 16));
    }
    const last = page.at(-1);
    if (last === undefined || !isFull(page)) break;
    page = await readPage([last.name, last.split, last.points.readDoubleBE(last.points.length - POINT_BYTES + 8)]);
  }
  const byName = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return [...series.values()]
    .map(({ name, split, cut }) => ({ name, split, points: cut.read() }))
    .sort((a, b) => byName(a.name, b.name) || byName(a.split, b.split));
}

interface SeriesCut {
  /** in order of step; of more than there were to be, the rest is passed over */
  add(value: number, step: number, epoch: number): void;
  read(): MetricSeries['points'];
}

/** Takes the `n` points of a series one after the other, and keeps at most `maxPoints` of them. */
function cutSeries(n: number, maxPoints: number): SeriesCut {
  type Point = MetricSeries['points'][number];
  const buckets = Math.floor((maxPoints - 2) / 2);
  const bucketOf = (i: number) => {
    if (n <= maxPoints) return i;
    return i === 0 ? 0 : i === n - 1 ? n : 1 + Math.floor(((i - 1) * buckets) / (n - 2));
  };
  const points: Point[] = [];
  let i = 0;
  let bucket = -1;
  let least: Point | null = null;
  let greatest: Point | null = null;
  const close = () => {
    if (least === null || greatest === null) return;
    if (least.step === greatest.step) points.push(least);
    else points.push(...(least.step < greatest.step ? [least, greatest] : [greatest, least]));
  };
  return {
    add(value, step, epoch) {
      if (i >= n) return;
      const own = bucketOf(i);
      i += 1;
      if (own !== bucket) {
        close();
        bucket = own;
        least = { step, epoch, value };
        greatest = least;
      } else if (isBelow(value, least!.value)) least = { step, epoch, value };
      else if (isBelow(greatest!.value, value)) greatest = { step, epoch, value };
    },
    read() {
      close();
      least = null;
      return points;
    },
  };
}

/** NaN is above everything else. */
function isBelow(a: number, b: number): boolean {
  return a < b || (Number.isNaN(b) && !Number.isNaN(a));
}
