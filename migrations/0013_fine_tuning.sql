CREATE TABLE "weights" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"name" text NOT NULL,
	"tensors" jsonb NOT NULL,
	"storage_key" text NOT NULL,
	"size_bytes" bigint NOT NULL,
	"sha256" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "weights" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "transfer" jsonb;--> statement-breakpoint
CREATE INDEX "weights_tenant_created" ON "weights" USING btree ("tenant","created_at","id");--> statement-breakpoint
CREATE INDEX "jobs_taught_by" ON "jobs" USING btree ((spec->'training'->'distillation'->>'teacher')) WHERE spec->'training'->'distillation'->>'teacher' is not null;--> statement-breakpoint
CREATE POLICY "own_rows" ON "weights" AS PERMISSIVE FOR ALL TO public USING (tenant = (select current_setting('trainyard.tenant', true)));