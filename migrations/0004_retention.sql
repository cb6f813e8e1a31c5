ALTER TABLE "datasets" ADD COLUMN "files_removed_at" timestamp (3) with time zone;--> statement-breakpoint
CREATE INDEX "datasets_deleted" ON "datasets" USING btree ("deleted_at") WHERE deleted_at is not null and files_removed_at is null;--> statement-breakpoint
CREATE INDEX "jobs_finished" ON "jobs" USING btree ("finished_at","id") WHERE finished_at is not null;