ALTER TABLE "datasets" ADD COLUMN "version" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "datasets" ADD COLUMN "origin" jsonb;--> statement-breakpoint
CREATE INDEX "datasets_tenant_name" ON "datasets" USING btree ("tenant","name","version");