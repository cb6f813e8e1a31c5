import { LRUCache } from 'lru-cache';
import { Type } from 'typebox';
import { listMetrics, type MetricSeries } from '../../db/job-metrics.ts';
import { FINAL_STATUSES } from '../../spec/job.ts';
import { SPLITS, type SplitName } from '../../spec/metric-point.ts';
import { JsonNumber } from '../../spec/schema.ts';

import { type Api, type ApiDeps, ofTenant } from '../deps.ts';
import { IdParams } from '../request-parts.ts';
import { SharedReads } from '../shared-reads.ts';
import { findJob } from './jobs.ts';

const Query = Type.Object({
  name: Type.Optional(Type.String({ maxLength: 100, description: 'loss, accuracy, …' })),
  split: Type.Optional(Type.String({ enum: [...SPLITS] })),
  since_step: Type.Optional(
    Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'points of later steps only' }),
  ),
  max_points: Type.Integer({
    minimum: 4,
    maximum: 10_000,
    default: 1000,
    description: 'of each series; longer ones keep the least and greatest of each stretch',
  }),
});

const Series = Type.Object({
  name: Type.String(),
  split: Type.String({ enum: [...SPLITS] }),
  points: Type.Array(Type.Object({ step: Type.Integer(), epoch: Type.Integer(), value: JsonNumber })),
});

/** Some 100 bytes each. */
const KEPT_POINTS = 200_000;
const KEPT_MS = 60_000;

export function addMetricRoutes(app: Api, deps: ApiDeps): void {
  /** those who watch one job ask for the same */
  const charts = new SharedReads<MetricSeries[]>();
  /** of jobs that have ended: nothing is added to them, and retention takes them away by the day */
  const ended = new LRUCache<string, MetricSeries[]>({
    maxSize: KEPT_POINTS,
    sizeCalculation: (series) => 1 + series.reduce((sum, { points }) => sum + points.length, 0),
    ttl: KEPT_MS,
  });
  app.get(
    '/v1/jobs/:id/metrics',
    {
      config: { access: 'jobs:read' },
      schema: {
        tags: ['jobs'],
        summary: 'Series of figures',
        description: 'As JSON, or as CSV with `Accept: text/csv`.',
        params: IdParams,
        querystring: Query,
        response: {
          200: {
            description: 'As JSON, or as CSV: name,split,step,epoch,value',
            content: {
              'application/json': { schema: Type.Object({ data: Type.Array(Series) }) },
              'text/csv': { schema: Type.String() },
            },
          },
        },
      },
    },
    async (request, reply) => {
      const {
        name,
        split,
        since_step: sinceStep,
        max_points: maxPoints,
      } = request.query as {
        name?: string;
        split?: SplitName;
        since_step?: number;
        max_points: number;
      };
      const filter = {
        ...(name !== undefined && { name }),
        ...(split !== undefined && { split }),
        ...(sinceStep !== undefined && { sinceStep }),
        maxPoints,
      };
      const { tenant, db } = ofTenant(deps, request);
      const { id, status } = await findJob(deps, request);
      const key = `${tenant} ${id} ${JSON.stringify(filter)}`;
      const kept = ended.get(key);
      const series = kept ?? (await charts.read(key, () => listMetrics(db, id, filter)));
      if (kept === undefined && FINAL_STATUSES.includes(status)) ended.set(key, series);
      if (request.headers.accept?.includes('text/csv') !== true) return { data: series };
      const lines = series.flatMap(({ name, split, points }) =>
        points.map(({ step, epoch, value }) => `${name},${split},${step},${epoch},${value}\n`),
      );
      return reply
        .type('text/csv; charset=utf-8')
        .serializer((text: unknown) => String(text))
        .send(`name,split,step,epoch,value\n${lines.join('')}`);
    },
  );
}
