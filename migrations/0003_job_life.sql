CREATE TABLE "tenant_turns" (
	"tenant" text PRIMARY KEY NOT NULL,
	"claimed_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
DROP INDEX "jobs_queued";--> statement-breakpoint
DROP INDEX "jobs_leased";--> statement-breakpoint
DROP INDEX "outbox_unsent";--> statement-breakpoint
ALTER TABLE "checkpoints" ADD COLUMN "best_step" bigint;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "start_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "trained_seconds" double precision DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "origin" jsonb;--> statement-breakpoint
ALTER TABLE "outbox" ADD COLUMN "not_before" timestamp (3) with time zone DEFAULT now() NOT NULL;--> statement-breakpoint
CREATE INDEX "checkpoints_file" ON "checkpoints" USING btree ("storage_key");--> statement-breakpoint
CREATE INDEX "jobs_turns" ON "jobs" USING btree ("tenant","priority" DESC NULLS FIRST,"queued_at","id") WHERE status = 'queued';--> statement-breakpoint
CREATE INDEX "jobs_held" ON "jobs" USING btree ("lease_until") WHERE status in ('running', 'pausing', 'cancelling');--> statement-breakpoint
CREATE INDEX "jobs_tenant_held" ON "jobs" USING btree ("tenant") WHERE status in ('running', 'pausing', 'cancelling');--> statement-breakpoint
CREATE INDEX "jobs_begun_from" ON "jobs" USING btree ((spec->'model'->>'from')) WHERE spec->'model'->>'from' is not null;--> statement-breakpoint
CREATE INDEX "outbox_due" ON "outbox" USING btree ("not_before","id") WHERE sent_at is null;