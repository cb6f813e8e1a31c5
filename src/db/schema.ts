/**
 * The truth. Glossary:
 * - run epoch: grows by one with every claim; every write of an attempt carries it, and changes nothing once it is stale (the fence).
 * - lease: until when the claiming worker may be believed alive; renewed by its heartbeat, by the database's clock.
 * - dispatch number: grows with every message put on the queue for the job, so that no message id is used twice.
 * - turn: which tenant's job is taken up next.
 * - outbox: what must be told to the queue, written in the transaction that makes it true.
 */

export * from './schema/access.ts';
export * from './schema/datasets.ts';
export * from './schema/dispatch.ts';
export * from './schema/jobs.ts';
export * from './schema/models.ts';
export * from './schema/results.ts';
export * from './schema/webhooks.ts';
