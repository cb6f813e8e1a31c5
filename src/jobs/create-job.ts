import { eq } from 'drizzle-orm';
import { typeid } from 'typeid-js';
import type { Database } from '../db/client.ts';
import type { JobRow } from '../db/jobs.ts';
import { jobs } from '../db/schema.ts';
import type { JobSpec } from '../spec/job.ts';
import { addEvents, dispatch } from './transitions.ts';

/**
 * In: a resolved spec. Out: the queued job.
 * Events: job.queued. Writes, in one transaction: the job, its event, an outbox row. The queue is not waited for.
 */
export function createJob(db: Database, { tenant, spec }: { tenant: string; spec: JobSpec }): Promise<JobRow> {
  const id = typeid('job').toString();
  return db.orm.transaction(async (tx) => {
    const [job] = await tx
      .insert(jobs)
      .values({
        id,
        tenant,
        kind: spec.kind,
        name: spec.name,
        datasetId: spec.dataset,
        spec,
        metadata: spec.metadata,
        priority: spec.resources.priority,
        status: 'queued',
        transitions: [{ status: 'queued', at: new Date().toISOString(), reason: null }],
      })
      .returning();
    await addEvents(tx, id, [{ type: 'job.queued', data: { name: spec.name } }]);
    await dispatch(tx, job!);
    const [row] = await tx.select().from(jobs).where(eq(jobs.id, id));
    return row!;
  });
}
