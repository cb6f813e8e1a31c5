CREATE TABLE "model_aliases" (
	"tenant" text NOT NULL,
	"model_id" text NOT NULL,
	"alias" text NOT NULL,
	"version" integer NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "model_aliases_model_id_alias_pk" PRIMARY KEY("model_id","alias")
);
--> statement-breakpoint
ALTER TABLE "model_aliases" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "model_versions" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"model_id" text NOT NULL,
	"version" integer NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"tags" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"metadata" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"checkpoint_id" text NOT NULL,
	"job_id" text NOT NULL,
	"dataset_id" text NOT NULL,
	"step" bigint NOT NULL,
	"epoch" integer NOT NULL,
	"metrics" jsonb NOT NULL,
	"job_metrics" jsonb NOT NULL,
	"spec" jsonb NOT NULL,
	"preparation" jsonb NOT NULL,
	"evaluation" jsonb,
	"storage_key" text NOT NULL,
	"size_bytes" bigint NOT NULL,
	"sha256" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "model_versions_number" UNIQUE("model_id","version")
);
--> statement-breakpoint
ALTER TABLE "model_versions" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "models" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"name" text NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"tags" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"metadata" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"last_version" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "models" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "model_aliases" ADD CONSTRAINT "model_aliases_version" FOREIGN KEY ("model_id","version") REFERENCES "public"."model_versions"("model_id","version") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "model_versions" ADD CONSTRAINT "model_versions_model_id_models_id_fk" FOREIGN KEY ("model_id") REFERENCES "public"."models"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "model_aliases_version_of" ON "model_aliases" USING btree ("model_id","version");--> statement-breakpoint
CREATE INDEX "model_versions_file" ON "model_versions" USING btree ("storage_key");--> statement-breakpoint
CREATE UNIQUE INDEX "models_name" ON "models" USING btree ("tenant","name");--> statement-breakpoint
CREATE INDEX "models_tenant_created" ON "models" USING btree ("tenant","created_at","id");--> statement-breakpoint
CREATE POLICY "own_rows" ON "model_aliases" AS PERMISSIVE FOR ALL TO public USING (tenant = (select current_setting('trainyard.tenant', true)));--> statement-breakpoint
CREATE POLICY "own_rows" ON "model_versions" AS PERMISSIVE FOR ALL TO public USING (tenant = (select current_setting('trainyard.tenant', true)));--> statement-breakpoint
CREATE POLICY "own_rows" ON "models" AS PERMISSIVE FOR ALL TO public USING (tenant = (select current_setting('trainyard.tenant', true)));