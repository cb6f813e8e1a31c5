import type pg from 'pg';
import { ownJobMetrics } from './schema.ts';

/** Whose rights the API has while it acts for a tenant; it owns nothing and cannot log in. Shared by all databases of a server. */
export const API_ROLE = 'trainyard_api';

export class ApiRoleError extends Error {
  constructor(user: string, cause: unknown) {
    super(
      `The user "${user}" of DATABASE_URL may not make the role ${API_ROLE}, behind which tenants are kept apart. Let an administrator of the database say: create role ${API_ROLE} nologin; grant ${API_ROLE} to "${user}";`,
      { cause },
    );
  }
}

/** Tables without tenants, and views, and what the API may do with them while it acts for one. All others without policies are closed to it. */
const SHARED = { workers: ['select'], [ownJobMetrics]: ['select'] };

/**
 * Makes the role and gives it what is missing: everything on tables that have policies, and what SHARED says.
 * Errors: ApiRoleError, where an administrator must help.
 */
export async function grantApiRole(client: pg.Client): Promise<void> {
  try {
    await client.query(`
      do $$ begin
        if not exists (select from pg_roles where rolname = '${API_ROLE}') then create role ${API_ROLE} nologin; end if;
      exception when duplicate_object or unique_violation then null; -- of another database of the server, at the same moment
      end $$`);
    // who may make roles may also take them on; a superuser may anyway
    const { rows } = await client.query<{ may: boolean }>("select pg_has_role($1, 'set') as may", [API_ROLE]);
    if (rows[0]?.may !== true) await client.query(`grant ${API_ROLE} to current_user`);
  } catch (error) {
    const { rows } = await client.query<{ user: string }>('select current_user as user');
    throw new ApiRoleError(rows[0]!.user, error);
  }
  const { rows } = await client.query<{ statement: string }>(
    `with wanted as (
       select oid, relname, unnest(case when relrowsecurity then '{select,insert,update,delete}'::text[]
         else coalesce((select array_agg(value) from jsonb_array_elements_text($1::jsonb -> relname)), '{}') end) as privilege
       from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v')
     )
     select format('grant %s on public.%I to ${API_ROLE}', privilege, relname) as statement from wanted
     where not has_table_privilege('${API_ROLE}', oid, privilege)
     union all
     select format('grant usage on sequence public.%I to ${API_ROLE}', relname) from pg_class
     where relnamespace = 'public'::regnamespace and case relkind when 'S' then not has_sequence_privilege('${API_ROLE}', oid, 'usage') end`,
    [JSON.stringify(SHARED)],
  );
  for (const { statement } of rows) await client.query(statement);
}
