import { and, inArray, notInArray, or, sql } from 'drizzle-orm';
import { FINAL_STATUSES } from '../spec/job.ts';
import type { Executor } from './client.ts';
import { jobs } from './schema.ts';

/** Named in an error, so that one sees which they are. */
const MOST_NAMED_JOBS = 5;

/** Some of the jobs that have not ended and begin from one of these, or are taught by it: ids of checkpoints or weights, or paths of versions. */
export async function findUsers(executor: Executor, references: readonly string[]): Promise<string[]> {
  const beginsFrom = sql`${jobs.spec}->'model'->>'from'`;
  const isTaughtBy = sql`${jobs.spec}->'training'->'distillation'->>'teacher'`;
  const adaptsBy = sql`${jobs.spec}->'model'->'lora'->>'from'`;
  const uses = or(...[beginsFrom, isTaughtBy, adaptsBy].map((source) => inArray(source, [...references])));
  const users = await executor
    .select({ id: jobs.id })
    .from(jobs)
    .where(and(uses, notInArray(jobs.status, [...FINAL_STATUSES])))
    .limit(MOST_NAMED_JOBS);
  return users.map(({ id }) => id);
}
