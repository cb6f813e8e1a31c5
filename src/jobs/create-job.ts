import { typeid } from 'typeid-js';
import type { Database } from '../db/client.ts';
import { holdDataset } from '../db/datasets.ts';
import type { JobRow } from '../db/jobs.ts';
import { jobEvents, jobs } from '../db/schema.ts';
import type { JobSpec } from '../spec/job.ts';
import { changeTime, describeTransition, insertDispatch } from './transitions.ts';

/**
 * In: a resolved spec. Out: the job, queued. The queue is not waited for.
 * Writes, in one transaction: the job; event job.queued; an outbox row.
 * Errors: DatasetNotFoundError, where the dataset has been deleted meanwhile.
 */
export function createJob(db: Database, { tenant, spec }: { tenant: string; spec: JobSpec }): Promise<JobRow> {
  const jobId = typeid('job').toString();
  const { priority } = spec.resources;
  return db.orm.transaction(async (tx) => {
    await holdDataset(tx, tenant, spec.dataset);
    const [job] = await tx
      .insert(jobs)
      .values({
        id: jobId,
        tenant,
        kind: spec.kind,
        name: spec.name,
        datasetId: spec.dataset,
        spec,
        metadata: spec.metadata,
        priority,
        status: 'queued',
        transitions: describeTransition('queued', null),
        dispatchNumber: 1,
        eventSequence: 1,
        createdAt: changeTime,
        queuedAt: changeTime,
        updatedAt: changeTime,
      })
      .returning();
    const data = { kind: spec.kind, name: spec.name, dataset: spec.dataset };
    await tx.insert(jobEvents).values({ jobId, sequence: 1, type: 'job.queued', at: job!.createdAt, data });
    await insertDispatch(tx, { jobId, dispatchNumber: 1, priority });
    return job!;
  });
}
