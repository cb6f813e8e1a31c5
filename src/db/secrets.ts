import { randomBytes } from 'node:crypto';
import { eq } from 'drizzle-orm';
import type { Database } from './client.ts';
import { secrets } from './schema.ts';

const SECRET_BYTES = 32;

/** The secret of that name, made when first asked for. Processes that ask at once get the same: only one insert wins. */
export async function getOrCreateSecret(db: Database, name: string): Promise<Buffer> {
  await db.orm
    .insert(secrets)
    .values({ name, value: randomBytes(SECRET_BYTES) })
    .onConflictDoNothing();
  const [row] = await db.orm.select().from(secrets).where(eq(secrets.name, name));
  return row!.value;
}
