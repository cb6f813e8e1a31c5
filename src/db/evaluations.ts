import { and, eq, inArray, sql } from 'drizzle-orm';
import type { SplitEvaluation } from '../spec/evaluation.ts';
import type { Database, Executor } from './client.ts';
import { evaluations } from './schema.ts';

export type EvaluationRow = typeof evaluations.$inferSelect;

export async function getEvaluation(db: Database, tenant: string, jobId: string): Promise<EvaluationRow | null> {
  const [row] = await db.orm
    .select()
    .from(evaluations)
    .where(and(eq(evaluations.jobId, jobId), eq(evaluations.tenant, tenant)));
  return row ?? null;
}

/** What jobs of the tenant reached on their validation splits, by job; of those that were judged. */
export async function listValidations(
  db: Database,
  tenant: string,
  jobIds: string[],
): Promise<Map<string, SplitEvaluation>> {
  const rows = await db.orm
    .select({
      jobId: evaluations.jobId,
      split: sql<SplitEvaluation | null>`${evaluations.figures} #> '{splits,validation}'`,
    })
    .from(evaluations)
    .where(and(eq(evaluations.tenant, tenant), inArray(evaluations.jobId, jobIds)));
  return new Map(rows.flatMap(({ jobId, split }) => (split === null ? [] : [[jobId, split]])));
}

/** Of files of outcomes, those that no evaluation names. */
export async function findUnnamedOutcomes(executor: Executor, keys: readonly string[]): Promise<string[]> {
  if (keys.length === 0) return [];
  const named = await executor
    .select({ key: evaluations.outcomesKey })
    .from(evaluations)
    .where(inArray(evaluations.outcomesKey, [...keys]));
  const known = new Set(named.map(({ key }) => key));
  return keys.filter((key) => !known.has(key));
}
