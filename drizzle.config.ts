import { defineConfig } from 'drizzle-kit';

/** `npm run migrations` writes the SQL that takes the database from the last migration to the present schema. */
export default defineConfig({ dialect: 'postgresql', schema: './src/db/schema.ts', out: './migrations' });
