import { sql } from 'drizzle-orm';
import { customType, pgPolicy, timestamp } from 'drizzle-orm/pg-core';

export const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date', precision: 3 });
export const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' });

/** Rows of the tenant that the connection acts for; nobody acts for none. Policies bind the API's role, not the tables' owner (see tenants.ts). */
export const ownRows = () =>
  pgPolicy('own_rows', { using: sql`tenant = (select current_setting('trainyard.tenant', true))` });
/**
 * Rows of a job that can be seen. Not `exists (…)`: of that PostgreSQL may make a table of all jobs of the tenant, for one row of one job; this is one look
 * into an index for each row. Whoever reads many rows of a job asks the view that looks once (`own_job_metrics`).
 */
export const rowsOfOwnJobs = (table: string) =>
  pgPolicy('rows_of_own_jobs', {
    using: sql.raw(`(select true from jobs where jobs.id = ${table}.job_id)`),
  });
