import { and, eq, isNull, lt, sql } from 'drizzle-orm';
import type { Database } from './client.ts';
import { idempotencyKeys, type StoredAnswer } from './schema.ts';

/** A request with an Idempotency-Key that is at work. */
export interface Attempt {
  tenant: string;
  key: string;
  /** random: the fence against an attempt that was thought dead */
  attempt: string;
  /** when the key was first used; the same for every attempt */
  since: Date;
}

/** What a key was used for: method and address, and the body's SHA-256 where it is known. */
export interface Fingerprint {
  /** SHA-256, hex */
  target: string;
  /** SHA-256, hex; null: not known yet, or never */
  body: string | null;
}

export type Beginning =
  | { is: 'ours'; attempt: Attempt }
  | { is: 'answered'; answer: StoredAnswer; bodySha256: string | null }
  | { is: 'at work' }
  | { is: 'other' };

const KEEP_HOURS = 24;
const LEASE = sql`clock_timestamp() + interval '10 seconds'`;
/** A process renews the leases of its attempts this often. */
export const RENEW_EVERY_MS = 3_000;
const NOW = sql`clock_timestamp()`;

/**
 * Takes the key for an attempt, or tells what became of the first one. A key of more than a day ago is as good as new; one whose attempt has died is
 * taken over.
 */
export async function beginAttempt(
  db: Database,
  { tenant, key, attempt }: Omit<Attempt, 'since'>,
  fingerprint: Fingerprint,
): Promise<Beginning> {
  const values = { tenant, key, attempt, fingerprint: writeFingerprint(fingerprint), leaseUntil: LEASE };
  const isThis = and(eq(idempotencyKeys.tenant, tenant), eq(idempotencyKeys.key, key));
  for (let i = 0; i < 3; i++) {
    const since = idempotencyKeys.createdAt;
    const [ours] = await db.orm.insert(idempotencyKeys).values(values).onConflictDoNothing().returning({ since });
    if (ours !== undefined) return { is: 'ours', attempt: { tenant, key, attempt, since: ours.since } };
    const [found] = await db.orm
      .select({
        row: idempotencyKeys,
        isHeld: sql<boolean>`${idempotencyKeys.leaseUntil} > ${NOW}`,
        isOld: sql<boolean>`${idempotencyKeys.createdAt} < now() - make_interval(hours => ${KEEP_HOURS})`,
      })
      .from(idempotencyKeys)
      .where(isThis);
    if (found === undefined) continue;
    const { row, isHeld, isOld } = found;
    if (isOld && !(isHeld && row.answer === null)) {
      await db.orm.delete(idempotencyKeys).where(and(isThis, eq(idempotencyKeys.attempt, row.attempt)));
      continue;
    }
    if (!isSame(readFingerprint(row.fingerprint), fingerprint)) return { is: 'other' };
    if (row.answer !== null)
      return { is: 'answered', answer: row.answer, bodySha256: readFingerprint(row.fingerprint)?.body ?? null };
    if (isHeld) return { is: 'at work' };
    const [taken] = await db.orm
      .update(idempotencyKeys)
      .set({ attempt, leaseUntil: LEASE, ...(row.fingerprint === null && { fingerprint: values.fingerprint }) })
      .where(and(isThis, eq(idempotencyKeys.attempt, row.attempt), lt(idempotencyKeys.leaseUntil, NOW)))
      .returning({ since });
    return taken === undefined
      ? { is: 'at work' }
      : { is: 'ours', attempt: { tenant, key, attempt, since: taken.since } };
  }
  return { is: 'at work' };
}

/** Changes nothing where another attempt has taken over. */
export async function keepAnswer(
  db: Database,
  attempt: Attempt,
  fingerprint: Fingerprint,
  answer: StoredAnswer,
): Promise<void> {
  await db.orm
    .update(idempotencyKeys)
    .set({ answer, fingerprint: writeFingerprint(fingerprint) })
    .where(isOf(attempt));
}

/** The attempt is over without an answer to keep. `forget`: it made nothing, and the key may come with another body. */
export async function releaseAttempt(db: Database, attempt: Attempt, forget: boolean): Promise<void> {
  await db.orm
    .update(idempotencyKeys)
    .set({ leaseUntil: NOW, ...(forget && { fingerprint: null }) })
    .where(isOf(attempt));
}

/** Of any tenants. */
export async function renewAttempts(db: Database, attempts: readonly Attempt[]): Promise<void> {
  await db.pool.query(
    `update idempotency_keys i set lease_until = clock_timestamp() + interval '10 seconds'
     from unnest($1::text[], $2::text[], $3::text[]) as mine (tenant, key, attempt)
     where (i.tenant, i.key, i.attempt) = (mine.tenant, mine.key, mine.attempt) and answer is null`,
    [attempts.map(({ tenant }) => tenant), attempts.map(({ key }) => key), attempts.map(({ attempt }) => attempt)],
  );
}

/** Deletes keys of more than a day ago, at most `limit`; not one that is at work still. */
export function deleteOldKeys(db: Database, limit: number): Promise<{ rowCount: number | null }> {
  return db.pool.query(
    `delete from idempotency_keys where (tenant, key) in (
       select tenant, key from idempotency_keys
       where created_at < now() - make_interval(hours => $1) and (answer is not null or lease_until < now())
       order by created_at limit $2)`,
    [KEEP_HOURS, limit],
  );
}

function isOf({ tenant, key, attempt }: Attempt) {
  return and(
    eq(idempotencyKeys.tenant, tenant),
    eq(idempotencyKeys.key, key),
    eq(idempotencyKeys.attempt, attempt),
    isNull(idempotencyKeys.answer),
  );
}

const writeFingerprint = ({ target, body }: Fingerprint): string => `${target}:${body ?? ''}`;

/** null: a refusal has made it free. */
function readFingerprint(text: string | null): Fingerprint | null {
  if (text === null) return null;
  const [target, body] = text.split(':');
  return { target: target!, body: body === '' ? null : body! };
}

/** Bodies are compared where both are known. */
function isSame(kept: Fingerprint | null, given: Fingerprint): boolean {
  if (kept === null) return true;
  if (kept.target !== given.target) return false;
  return kept.body === null || given.body === null || kept.body === given.body;
}
