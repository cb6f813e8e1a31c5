CREATE TABLE "evaluations" (
	"job_id" text PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"figures" jsonb NOT NULL,
	"outcomes_key" text,
	"outcomes_sha256" text,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "evaluations" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "diagnosis" jsonb;--> statement-breakpoint
ALTER TABLE "evaluations" ADD CONSTRAINT "evaluations_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "evaluations_file" ON "evaluations" USING btree ("outcomes_key");--> statement-breakpoint
CREATE POLICY "own_rows" ON "evaluations" AS PERMISSIVE FOR ALL TO public USING (tenant = (select current_setting('trainyard.tenant', true)));