CREATE TABLE "api_keys" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"name" text NOT NULL,
	"hash" "bytea" NOT NULL,
	"hint" text NOT NULL,
	"scopes" jsonb NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"revoked_at" timestamp (3) with time zone,
	"last_used_at" timestamp (3) with time zone
);
--> statement-breakpoint
ALTER TABLE "api_keys" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "idempotency_keys" (
	"tenant" text NOT NULL,
	"key" text NOT NULL,
	"attempt" text NOT NULL,
	"fingerprint" text,
	"lease_until" timestamp (3) with time zone NOT NULL,
	"answer" jsonb,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "idempotency_keys_tenant_key_pk" PRIMARY KEY("tenant","key")
);
--> statement-breakpoint
ALTER TABLE "idempotency_keys" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "tenant_limits" (
	"tenant" text PRIMARY KEY NOT NULL,
	"dataset_bytes" bigint,
	"open_jobs" integer,
	"requests_per_minute" integer
);
--> statement-breakpoint
ALTER TABLE "checkpoints" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "datasets" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "job_events" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "job_metrics" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "jobs" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "webhook_deliveries" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "webhooks" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE UNIQUE INDEX "api_keys_hash" ON "api_keys" USING btree ("hash");--> statement-breakpoint
CREATE INDEX "api_keys_tenant_created" ON "api_keys" USING btree ("tenant","created_at","id");--> statement-breakpoint
CREATE INDEX "idempotency_keys_created" ON "idempotency_keys" USING btree ("created_at");--> statement-breakpoint
CREATE POLICY "own_rows" ON "checkpoints" AS PERMISSIVE FOR ALL TO public USING (tenant = (select current_setting('trainyard.tenant', true)));--> statement-breakpoint
CREATE POLICY "own_rows" ON "datasets" AS PERMISSIVE FOR ALL TO public USING (tenant = (select current_setting('trainyard.tenant', true)));--> statement-breakpoint
CREATE POLICY "rows_of_own_jobs" ON "job_events" AS PERMISSIVE FOR ALL TO public USING (exists (select from jobs where jobs.id = job_events.job_id));--> statement-breakpoint
CREATE POLICY "rows_of_own_jobs" ON "job_metrics" AS PERMISSIVE FOR ALL TO public USING (exists (select from jobs where jobs.id = job_metrics.job_id));--> statement-breakpoint
CREATE POLICY "own_rows" ON "jobs" AS PERMISSIVE FOR ALL TO public USING (tenant = (select current_setting('trainyard.tenant', true)));--> statement-breakpoint
CREATE POLICY "own_rows" ON "webhook_deliveries" AS PERMISSIVE FOR ALL TO public USING (tenant = (select current_setting('trainyard.tenant', true)));--> statement-breakpoint
CREATE POLICY "own_rows" ON "webhooks" AS PERMISSIVE FOR ALL TO public USING (tenant = (select current_setting('trainyard.tenant', true)));--> statement-breakpoint
CREATE POLICY "own_rows" ON "api_keys" AS PERMISSIVE FOR ALL TO public USING (tenant = (select current_setting('trainyard.tenant', true)));--> statement-breakpoint
CREATE POLICY "own_rows" ON "idempotency_keys" AS PERMISSIVE FOR ALL TO public USING (tenant = (select current_setting('trainyard.tenant', true)));