import { and, desc, eq } from 'drizzle-orm';
import type { Database } from './client.ts';
import { findUsers } from './job-users.ts';
import { isBehind, type PageKey } from './keyset.ts';
import { weights } from './schema.ts';

/** Weights that clients uploaded for fine-tuning. */
export type WeightsRow = typeof weights.$inferSelect;
export type NewWeights = typeof weights.$inferInsert;

/** Jobs that have not ended begin from them. */
export class WeightsInUseError extends Error {
  constructor(jobIds: string[]) {
    super(`${jobIds.join(', ')} begins from it`);
  }
}

export async function insertWeights(db: Database, row: NewWeights): Promise<WeightsRow> {
  const [made] = await db.orm.insert(weights).values(row).returning();
  return made!;
}

export async function getWeights(db: Database, tenant: string, id: string): Promise<WeightsRow | null> {
  const [row] = await db.orm
    .select()
    .from(weights)
    .where(and(eq(weights.id, id), eq(weights.tenant, tenant)));
  return row ?? null;
}

/** Newest first. */
export function listWeights(
  db: Database,
  tenant: string,
  { limit, after }: { limit: number; after?: PageKey },
): Promise<WeightsRow[]> {
  return db.orm
    .select()
    .from(weights)
    .where(and(eq(weights.tenant, tenant), after === undefined ? undefined : isBehind(weights, after)))
    .orderBy(desc(weights.createdAt), desc(weights.id))
    .limit(limit);
}

/** The key of the file that nobody needs any more; null: there were none. Errors: WeightsInUseError. */
export function deleteWeights(db: Database, tenant: string, id: string): Promise<string | null> {
  return db.orm.transaction(async (tx) => {
    const [row] = await tx
      .delete(weights)
      .where(and(eq(weights.id, id), eq(weights.tenant, tenant)))
      .returning();
    if (row === undefined) return null;
    const users = await findUsers(tx, [id]);
    if (users.length > 0) throw new WeightsInUseError(users);
    return row.storageKey;
  });
}
