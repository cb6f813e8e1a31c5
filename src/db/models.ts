import { and, desc, eq, getTableColumns, sql } from 'drizzle-orm';
import type { DescriptionChange } from '../spec/model-registry.ts';
import type { Database, Transaction } from './client.ts';
import { isBehind, type PageKey } from './keyset.ts';
import { modelAliases, models, modelVersions } from './schema.ts';

const { lastVersion: _, ...columns } = getTableColumns(models);
const shown = {
  ...columns,
  /** the newest there is */
  latestVersion: sql<number | null>`(select max(version) from model_versions where model_id = models.id)`,
  aliases: sql<Record<string, number>>`(
    select coalesce(jsonb_object_agg(alias, version order by alias), '{}') from model_aliases where model_id = models.id)`,
};

export type ModelRow = Omit<typeof models.$inferSelect, 'lastVersion'> & {
  latestVersion: number | null;
  aliases: Record<string, number>;
};
export type NewModel = Pick<ModelRow, 'id' | 'tenant' | 'name' | 'description' | 'tags' | 'metadata'>;

/** null where the tenant has one of that name. */
export async function insertModel(db: Database, model: NewModel): Promise<ModelRow | null> {
  const [row] = await db.orm
    .insert(models)
    .values(model)
    .onConflictDoNothing({ target: [models.tenant, models.name] })
    .returning(columns);
  return row === undefined ? null : { ...row, latestVersion: null, aliases: {} };
}

export async function getModel(db: Database, tenant: string, name: string): Promise<ModelRow | null> {
  const [row] = await db.orm.select(shown).from(models).where(isOf(tenant, name));
  return row ?? null;
}

/** Newest first. */
export function listModels(
  db: Database,
  tenant: string,
  { limit, after, tag }: { limit: number; after?: PageKey; tag?: string },
): Promise<ModelRow[]> {
  return db.orm
    .select(shown)
    .from(models)
    .where(
      and(
        eq(models.tenant, tenant),
        after && isBehind(models, after),
        tag === undefined ? undefined : sql`${models.tags} @> ${JSON.stringify([tag])}::jsonb`,
      ),
    )
    .orderBy(desc(models.createdAt), desc(models.id))
    .limit(limit);
}

/** null where there is none. `check` throws where it is not as it was expected; nobody changes it meanwhile. */
export async function updateModel(
  db: Database,
  tenant: string,
  name: string,
  change: DescriptionChange,
  check: (row: ModelRow) => void,
): Promise<ModelRow | null> {
  return db.orm.transaction(async (tx) => {
    const old = await lockModel(tx, tenant, name);
    if (old === null) return null;
    check(old);
    const [row] = await tx
      .update(models)
      .set({ ...change, updatedAt: sql`now()` })
      .where(eq(models.id, old.id))
      .returning(columns);
    return { ...old, ...row! };
  });
}

/** The model, which nobody else changes, and to which nobody adds a version or an alias, until the transaction ends. */
export async function lockModel(tx: Transaction, tenant: string, name: string): Promise<ModelRow | null> {
  const [locked] = await tx.select({ id: models.id }).from(models).where(isOf(tenant, name)).for('update');
  if (locked === undefined) return null;
  // after the lock, in a statement of its own: it sees what was committed meanwhile
  const [row] = await tx.select(shown).from(models).where(eq(models.id, locked.id));
  return row ?? null;
}

/** Deletes the rows of a locked model; answers keys of its versions' files, which others may need. */
export async function removeModel(tx: Transaction, modelId: string): Promise<string[]> {
  await tx.delete(modelAliases).where(eq(modelAliases.modelId, modelId));
  const rows = await tx
    .delete(modelVersions)
    .where(eq(modelVersions.modelId, modelId))
    .returning({ key: modelVersions.storageKey });
  await tx.delete(models).where(eq(models.id, modelId));
  return rows.map(({ key }) => key);
}

function isOf(tenant: string, name: string) {
  return and(eq(models.name, name), eq(models.tenant, tenant));
}
