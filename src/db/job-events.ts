import { and, asc, eq, gt } from 'drizzle-orm';
import type { Database } from './client.ts';
import { jobEvents } from './schema.ts';

export type JobEventRow = typeof jobEvents.$inferSelect;

/** Events after a sequence, in order and without gaps; 0 begins at the first. */
export function listEvents(db: Database, jobId: string, afterSequence: number, limit: number): Promise<JobEventRow[]> {
  return db.orm
    .select()
    .from(jobEvents)
    .where(and(eq(jobEvents.jobId, jobId), gt(jobEvents.sequence, afterSequence)))
    .orderBy(asc(jobEvents.sequence))
    .limit(limit);
}
