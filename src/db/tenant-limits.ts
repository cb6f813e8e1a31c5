import { eq } from 'drizzle-orm';
import type { Database } from './client.ts';
import { tenantLimits } from './schema.ts';

/** null: as the configuration says. */
export type TenantLimits = Omit<typeof tenantLimits.$inferSelect, 'tenant'>;

/** What was set for the tenant alone. */
export async function getTenantLimits(db: Database, tenant: string): Promise<TenantLimits> {
  const [row] = await db.orm.select().from(tenantLimits).where(eq(tenantLimits.tenant, tenant));
  const { datasetBytes = null, openJobs = null, requestsPerMinute = null } = row ?? {};
  return { datasetBytes, openJobs, requestsPerMinute };
}

/** Sets those that are given; out: all of them. */
export async function setTenantLimits(
  db: Database,
  tenant: string,
  change: Partial<TenantLimits>,
): Promise<TenantLimits> {
  const insert = db.orm.insert(tenantLimits).values({ tenant, ...change });
  await (Object.keys(change).length === 0
    ? insert.onConflictDoNothing()
    : insert.onConflictDoUpdate({ target: tenantLimits.tenant, set: change }));
  return getTenantLimits(db, tenant);
}
