CREATE INDEX "jobs_dataset" ON "jobs" USING btree ("dataset_id","created_at");--> statement-breakpoint
CREATE INDEX "outbox_sent" ON "outbox" USING btree ("sent_at") WHERE sent_at is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "outbox_message" ON "outbox" USING btree ("job_id","dispatch_number");