import { and, count, eq, sql } from 'drizzle-orm';
import type { Database } from './client.ts';
import { ModelFullError } from './model-versions.ts';
import { lockModel } from './models.ts';
import { modelAliases, models, modelVersions } from './schema.ts';

export type ModelAliasRow = typeof modelAliases.$inferSelect & {
  /** its name */
  model: string;
};

const MOST_ALIASES = 100;

export async function getModelAlias(
  db: Database,
  tenant: string,
  name: string,
  alias: string,
): Promise<ModelAliasRow | null> {
  const [found] = await db.orm
    .select()
    .from(modelAliases)
    .innerJoin(models, eq(models.id, modelAliases.modelId))
    .where(and(eq(models.name, name), eq(models.tenant, tenant), eq(modelAliases.alias, alias)));
  return found === undefined ? null : { ...found.model_aliases, model: name };
}

/**
 * Makes an alias, or moves it. `check` throws where it does not name what was expected (null: it is not there yet); nobody moves it meanwhile.
 * Errors: ModelFullError.
 */
export function putModelAlias(
  db: Database,
  tenant: string,
  { name, alias, version }: { name: string; alias: string; version: number },
  check: (row: ModelAliasRow | null) => void,
): Promise<{ row: ModelAliasRow; isNew: boolean } | 'no model' | 'no version'> {
  return db.orm.transaction(async (tx) => {
    const model = await lockModel(tx, tenant, name);
    if (model === null) return 'no model';
    const own = and(eq(modelAliases.modelId, model.id), eq(modelAliases.alias, alias));
    const [old] = await tx.select().from(modelAliases).where(own);
    check(old === undefined ? null : { ...old, model: name });
    const [target] = await tx
      .select({ id: modelVersions.id })
      .from(modelVersions)
      .where(and(eq(modelVersions.modelId, model.id), eq(modelVersions.version, version)));
    if (target === undefined) return 'no version';
    if (old !== undefined) {
      const [row] = await tx.update(modelAliases).set({ version, updatedAt: sql`now()` }).where(own).returning();
      return { row: { ...row!, model: name }, isNew: false };
    }
    const [found] = await tx.select({ n: count() }).from(modelAliases).where(eq(modelAliases.modelId, model.id));
    if (found!.n >= MOST_ALIASES) throw new ModelFullError(`${name} has ${MOST_ALIASES} aliases already`);
    const [row] = await tx.insert(modelAliases).values({ tenant, modelId: model.id, alias, version }).returning();
    return { row: { ...row!, model: name }, isNew: true };
  });
}

/** False where there is none. */
export function deleteModelAlias(
  db: Database,
  tenant: string,
  name: string,
  alias: string,
  check: (row: ModelAliasRow) => void,
): Promise<boolean> {
  return db.orm.transaction(async (tx) => {
    const model = await lockModel(tx, tenant, name);
    if (model === null) return false;
    const own = and(eq(modelAliases.modelId, model.id), eq(modelAliases.alias, alias));
    const [old] = await tx.select().from(modelAliases).where(own);
    if (old === undefined) return false;
    check({ ...old, model: name });
    await tx.delete(modelAliases).where(own);
    return true;
  });
}
