CREATE TABLE "checkpoints" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"job_id" text NOT NULL,
	"run_epoch" integer NOT NULL,
	"step" bigint NOT NULL,
	"epoch" integer NOT NULL,
	"metrics" jsonb NOT NULL,
	"storage_key" text NOT NULL,
	"size_bytes" bigint NOT NULL,
	"sha256" text NOT NULL,
	"is_best" boolean NOT NULL,
	"is_latest" boolean NOT NULL,
	"resumable" boolean NOT NULL,
	"preparation" jsonb NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "datasets" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"name" text NOT NULL,
	"format" text NOT NULL,
	"files" jsonb NOT NULL,
	"size_bytes" bigint NOT NULL,
	"sha256" text NOT NULL,
	"rows" bigint NOT NULL,
	"columns" jsonb NOT NULL,
	"preview" jsonb NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"deleted_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "job_events" (
	"job_id" text NOT NULL,
	"sequence" bigint NOT NULL,
	"type" text NOT NULL,
	"once_key" text,
	"at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"data" jsonb NOT NULL,
	CONSTRAINT "job_events_job_id_sequence_pk" PRIMARY KEY("job_id","sequence")
);
--> statement-breakpoint
CREATE TABLE "job_metrics" (
	"job_id" text NOT NULL,
	"name" text NOT NULL,
	"split" text NOT NULL,
	"step" bigint NOT NULL,
	"epoch" integer NOT NULL,
	"value" double precision NOT NULL,
	CONSTRAINT "job_metrics_job_id_name_split_step_pk" PRIMARY KEY("job_id","name","split","step")
);
--> statement-breakpoint
CREATE TABLE "jobs" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"kind" text NOT NULL,
	"name" text NOT NULL,
	"dataset_id" text NOT NULL,
	"spec" jsonb NOT NULL,
	"metadata" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"priority" integer DEFAULT 0 NOT NULL,
	"status" text NOT NULL,
	"phase" text,
	"stop_reason" text,
	"transitions" jsonb NOT NULL,
	"conditions" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"progress" jsonb,
	"metrics" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"error" jsonb,
	"runtime" jsonb,
	"run_epoch" integer DEFAULT 0 NOT NULL,
	"lease_until" timestamp (3) with time zone,
	"worker_id" text,
	"crashes_without_progress" integer DEFAULT 0 NOT NULL,
	"claimed_at_step" bigint DEFAULT 0 NOT NULL,
	"dispatch_number" integer DEFAULT 0 NOT NULL,
	"event_sequence" bigint DEFAULT 0 NOT NULL,
	"cancel_requested_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"queued_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp (3) with time zone,
	"finished_at" timestamp (3) with time zone,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "outbox" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"job_id" text NOT NULL,
	"dispatch_number" integer NOT NULL,
	"priority" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"sent_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "secrets" (
	"name" text PRIMARY KEY NOT NULL,
	"value" "bytea" NOT NULL
);
--> statement-breakpoint
CREATE TABLE "workers" (
	"id" text PRIMARY KEY NOT NULL,
	"host" text NOT NULL,
	"pid" integer NOT NULL,
	"kernels" text NOT NULL,
	"threads" integer NOT NULL,
	"job_id" text,
	"started_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"seen_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "checkpoints" ADD CONSTRAINT "checkpoints_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "job_events" ADD CONSTRAINT "job_events_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "job_metrics" ADD CONSTRAINT "job_metrics_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_dataset_id_datasets_id_fk" FOREIGN KEY ("dataset_id") REFERENCES "public"."datasets"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "checkpoints_job" ON "checkpoints" USING btree ("job_id","step");--> statement-breakpoint
CREATE INDEX "datasets_tenant_created" ON "datasets" USING btree ("tenant","created_at","id");--> statement-breakpoint
CREATE UNIQUE INDEX "job_events_once" ON "job_events" USING btree ("job_id","once_key");--> statement-breakpoint
CREATE INDEX "jobs_tenant_created" ON "jobs" USING btree ("tenant","created_at","id");--> statement-breakpoint
CREATE INDEX "jobs_queued" ON "jobs" USING btree ("priority" DESC NULLS LAST,"queued_at","id") WHERE status = 'queued';--> statement-breakpoint
CREATE INDEX "jobs_leased" ON "jobs" USING btree ("lease_until") WHERE status in ('running', 'cancelling');--> statement-breakpoint
CREATE INDEX "jobs_metadata" ON "jobs" USING gin ("metadata");--> statement-breakpoint
CREATE INDEX "jobs_dataset" ON "jobs" USING btree ("dataset_id","created_at");--> statement-breakpoint
CREATE INDEX "outbox_unsent" ON "outbox" USING btree ("id") WHERE sent_at is null;--> statement-breakpoint
CREATE INDEX "outbox_sent" ON "outbox" USING btree ("sent_at") WHERE sent_at is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "outbox_message" ON "outbox" USING btree ("job_id","dispatch_number");