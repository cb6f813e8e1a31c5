import { and, count, desc, eq, getTableColumns, sql } from 'drizzle-orm';
import { formatModelPath, LATEST, type ModelReference } from '../spec/model-reference.ts';
import type { DescriptionChange } from '../spec/model-registry.ts';
import { findUnusedFiles } from './checkpoints.ts';
import type { Database, Transaction } from './client.ts';
import { oncePer } from './gather.ts';
import { findUsers } from './job-users.ts';
import { isBehind, type PageKey } from './keyset.ts';
import { lockModel, type ModelRow, removeModel } from './models.ts';
import { checkpoints, evaluations, jobs, models, modelVersions } from './schema.ts';

const shown = {
  ...getTableColumns(modelVersions),
  model: models.name,
  aliases: sql<string[]>`(
    select coalesce(jsonb_agg(alias order by alias), '[]') from model_aliases
    where model_aliases.model_id = model_versions.model_id and model_aliases.version = model_versions.version)`,
};

export type ModelVersionRow = typeof modelVersions.$inferSelect & {
  /** its name */
  model: string;
  aliases: string[];
};

export interface NewModelVersion extends Required<DescriptionChange> {
  id: string;
  checkpointId: string;
}

/** There are as many of something as a model may have. */
export class ModelFullError extends Error {}

/** A version or a model is needed: an alias names it, or a job that has not ended begins from it. */
export class ModelInUseError extends Error {}

/** Of one model; each keeps a file. */
const MOST_VERSIONS = 10_000;

/**
 * Makes the next version of a model from a checkpoint of the same tenant. The checkpoint's row is locked meanwhile, so whoever deletes it at the same
 * moment comes either before, and there is none, or after, and finds that its file is needed.
 * Errors: ModelFullError.
 */
export function insertModelVersion(
  db: Database,
  tenant: string,
  name: string,
  { checkpointId, ...version }: NewModelVersion,
): Promise<ModelVersionRow | 'no model' | 'no checkpoint'> {
  return db.orm.transaction(async (tx) => {
    const model = await lockModel(tx, tenant, name);
    if (model === null) return 'no model';
    const [checkpoint] = await tx
      .select()
      .from(checkpoints)
      .where(and(eq(checkpoints.id, checkpointId), eq(checkpoints.tenant, tenant)))
      .for('update');
    if (checkpoint === undefined) return 'no checkpoint';
    const [{ jobs: job, evaluations: evaluation } = { jobs: null, evaluations: null }] = await tx
      .select()
      .from(jobs)
      .leftJoin(evaluations, eq(evaluations.jobId, jobs.id))
      .where(eq(jobs.id, checkpoint.jobId));
    const [found] = await tx.select({ n: count() }).from(modelVersions).where(eq(modelVersions.modelId, model.id));
    if (found!.n >= MOST_VERSIONS) throw new ModelFullError(`${name} has ${MOST_VERSIONS} versions already`);
    const [numbered] = await tx
      .update(models)
      .set({ lastVersion: sql`${models.lastVersion} + 1`, updatedAt: sql`now()` })
      .where(eq(models.id, model.id))
      .returning({ number: models.lastVersion });
    const { storageKey, sizeBytes, sha256, preparation, metrics, step, epoch } = checkpoint;
    const [row] = await tx
      .insert(modelVersions)
      .values({
        ...version,
        ...{ tenant, modelId: model.id, version: numbered!.number },
        ...{ checkpointId, jobId: job!.id, datasetId: job!.datasetId },
        ...{ step, epoch, metrics, jobMetrics: job!.metrics, spec: job!.spec, preparation },
        evaluation: evaluation?.figures.weights.step === step ? evaluation.figures : null,
        ...{ storageKey, sizeBytes, sha256 },
      })
      .returning();
    return { ...row!, model: name, aliases: [] };
  });
}

/** The version that an id from a request belongs to, where it has been made. */
export async function getModelVersionById(db: Database, tenant: string, id: string): Promise<ModelVersionRow | null> {
  const [row] = await selectVersions(db.orm).where(and(eq(modelVersions.id, id), eq(modelVersions.tenant, tenant)));
  return row ?? null;
}

/** What a reference leads to now; null: there is no such model, version or alias. */
export async function resolveModelVersion(
  db: Database,
  tenant: string,
  { name, version }: ModelReference,
): Promise<ModelVersionRow | null> {
  const number =
    typeof version === 'number'
      ? eq(modelVersions.version, version)
      : version === LATEST
        ? sql`${modelVersions.version} = (select max(version) from model_versions newest where newest.model_id = ${models.id})`
        : sql`${modelVersions.version} = (
            select version from model_aliases where model_aliases.model_id = ${models.id} and alias = ${version})`;
  const [row] = await selectVersions(db.orm).where(and(eq(models.name, name), eq(models.tenant, tenant), number));
  return row ?? null;
}

/** What it takes to ask a version: a row also has its spec and its evaluation, which take longer to read than an answer. */
export type AskedVersion = Pick<
  ModelVersionRow,
  'model' | 'version' | 'checkpointId' | 'preparation' | 'storageKey' | 'sizeBytes' | 'sha256'
>;

/** As `resolveModelVersion`, for each request that asks a network. */
export async function findAskedVersion(
  db: Database,
  tenant: string,
  { name, version }: ModelReference,
): Promise<AskedVersion | null> {
  const number = typeof version === 'number' ? version : null;
  const alias = number !== null || version === LATEST ? null : version;
  const [row] = await askedVersions(db).execute({ tenant, name, number, alias });
  return row ?? null;
}

const askedVersions = oncePer(({ orm }: Database) => {
  const [number, alias] = [sql.placeholder('number'), sql.placeholder('alias')];
  const { version, checkpointId, preparation, storageKey, sizeBytes, sha256 } = modelVersions;
  return orm
    .select({ model: models.name, version, checkpointId, preparation, storageKey, sizeBytes, sha256 })
    .from(modelVersions)
    .innerJoin(models, eq(models.id, modelVersions.modelId))
    .where(
      and(
        eq(models.tenant, sql.placeholder('tenant')),
        eq(models.name, sql.placeholder('name')),
        sql`${version} = case
          when ${number}::int is not null then ${number}::int
          when ${alias}::text is not null then (
            select version from model_aliases where model_aliases.model_id = ${models.id} and alias = ${alias}::text)
          else (select max(version) from model_versions newest where newest.model_id = ${models.id}) end`,
      ),
    )
    .prepare('find_asked_version');
});

/** Newest first. */
export function listModelVersions(
  db: Database,
  tenant: string,
  name: string,
  { limit, after }: { limit: number; after?: PageKey },
): Promise<ModelVersionRow[]> {
  return selectVersions(db.orm)
    .where(and(eq(models.name, name), eq(models.tenant, tenant), after && isBehind(modelVersions, after)))
    .orderBy(desc(modelVersions.createdAt), desc(modelVersions.id))
    .limit(limit);
}

/** null where there is none. `check` throws where it is not as it was expected; nobody changes it meanwhile. */
export function updateModelVersion(
  db: Database,
  tenant: string,
  reference: { name: string; version: number },
  change: DescriptionChange,
  check: (row: ModelVersionRow) => void,
): Promise<ModelVersionRow | null> {
  return db.orm.transaction(async (tx) => {
    const old = await lockVersion(tx, tenant, reference);
    if (old === null) return null;
    check(old);
    const [row] = await tx
      .update(modelVersions)
      .set({ ...change, updatedAt: sql`now()` })
      .where(eq(modelVersions.id, old.id))
      .returning();
    return { ...old, ...row! };
  });
}

/** Keys of the files that nobody needs any more; null where there is none. Errors: ModelInUseError. */
export function deleteModelVersion(
  db: Database,
  tenant: string,
  reference: { name: string; version: number },
  check: (row: ModelVersionRow) => void,
): Promise<string[] | null> {
  return db.orm.transaction(async (tx) => {
    const row = await lockVersion(tx, tenant, reference);
    if (row === null) return null;
    check(row);
    const { name, version } = reference;
    if (row.aliases.length > 0)
      throw new ModelInUseError(
        `${name}@${version} is what ${row.aliases.join(', ')} names; move or delete that first`,
      );
    await checkUsers(tx, [formatModelPath(name, version)]);
    await tx.delete(modelVersions).where(eq(modelVersions.id, row.id));
    return findUnusedFiles(tx, [row.storageKey]);
  });
}

/** With all versions and aliases. Keys of the files that nobody needs any more; null where there is none. Errors: ModelInUseError. */
export function deleteModel(
  db: Database,
  tenant: string,
  name: string,
  check: (row: ModelRow) => void,
): Promise<string[] | null> {
  return db.orm.transaction(async (tx) => {
    const model = await lockModel(tx, tenant, name);
    if (model === null) return null;
    check(model);
    const versions = await tx
      .select({ version: modelVersions.version })
      .from(modelVersions)
      .where(eq(modelVersions.modelId, model.id));
    await checkUsers(
      tx,
      versions.map(({ version }) => formatModelPath(name, version)),
    );
    return findUnusedFiles(tx, await removeModel(tx, model.id));
  });
}

function selectVersions(executor: Database['orm'] | Transaction) {
  return executor.select(shown).from(modelVersions).innerJoin(models, eq(models.id, modelVersions.modelId)).$dynamic();
}

/** A version of a model that is locked. */
async function lockVersion(
  tx: Transaction,
  tenant: string,
  { name, version }: { name: string; version: number },
): Promise<ModelVersionRow | null> {
  const model = await lockModel(tx, tenant, name);
  if (model === null) return null;
  const [row] = await selectVersions(tx).where(
    and(eq(modelVersions.modelId, model.id), eq(modelVersions.version, version)),
  );
  return row ?? null;
}

/** Throws ModelInUseError where jobs that have not ended begin from one of the paths. */
async function checkUsers(tx: Transaction, paths: string[]): Promise<void> {
  const users = await findUsers(tx, paths);
  if (users.length > 0) throw new ModelInUseError(`${users.join(', ')} begins from it`);
}
