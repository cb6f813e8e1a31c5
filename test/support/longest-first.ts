import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that took longest in build/test-report.json. Begun at the end, one of them would hold up the whole run. */
const LONGEST = [
  'faults/killed-worker',
  'fuzz/fuzz',
  'e2e/http-only',
  'e2e/whole-stop',
  'jobs/queue-contract',
  'faults/storm',
  'worker/run-job',
  'integration/embedded-postgres',
  'api/half-open',
  'api/upload-memory',
  'api/graceful-stop',
  'data/ingest-dataset',
  'worker/fine-tuning',
  'e2e/language-model',
  'e2e/keys',
  'api/idempotency',
  'api/outages',
  'worker/memory',
  'engine/no-allocation',
  'worker/searches',
  'worker/estimate',
  'api/connections',
  'api/datasets',
  'engine/same-bits',
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
