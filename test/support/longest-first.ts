import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that took longest in build/test-report.json. Begun at the end, one of them would hold up the whole run. */
const LONGEST = [
  'faults/killed-worker',
  'worker/run-job',
  'e2e/http-only',
  'data/ingest-dataset',
  'integration/embedded-postgres',
  'faults/storm',
  'fuzz/fuzz',
  'jobs/queue-contract',
  'api/graceful-stop',
  'api/upload-memory',
  'worker/fine-tuning',
  'e2e/late-database',
  'e2e/whole-stop',
  'e2e/language-model',
  'e2e/keys',
  'api/half-open',
  'worker/interrupted',
  'worker/forecasts',
  'worker/byte-pair-models',
  'api/idempotency',
  'api/connections',
  'worker/memory',
  'engine/no-allocation',
  'engine/same-bits',
  'jobs/reconcile',
  'load/load',
  'export/onnx-jobs',
  'api/job-pages',
  'api/bad-input-table',
  'webhooks/deliveries',
  'api/back-pressure',
  'worker/searches',
  'worker/diagnosis',
  'worker/estimate',
  'api/outages',
  'api/formats',
  'api/datasets',
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const found = LONGEST.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
      return found < 0 ? LONGEST.length : found;
    };
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b));
  }
}
