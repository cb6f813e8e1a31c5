import { prepareRows } from '../../src/data/prepare-rows.ts';
import { recordCheckpoints } from '../../src/jobs/record-checkpoint.ts';
import { postJob, uploadCsv } from '../support/client.ts';
import { addClaimed, describeCheckpoint } from '../support/jobs.ts';
import { type Service, startService } from '../support/service.ts';

/** A service with something in it, to be sent requests. */
export interface Ground {
  url: string;
  /** path of a job's predictions */
  predict: string;
  validSpec: unknown;
  /** cursors that were given out, with the list they are of */
  cursors: { path: string; cursor: string }[];
  service: Service;
}

export async function layGround(databaseUrl?: string): Promise<Ground> {
  const { preparation } = describeCheckpoint(0, 'best');
  const service = await startService({
    ...(databaseUrl !== undefined && { databaseUrl }),
    maxUploadBytes: 2 ** 25,
    predict: (rows) => Array.from(prepareRows(rows, preparation), (y) => ({ y })),
  });
  const { api, url, database } = service;
  const claim = await addClaimed(database.db);
  const written = describeCheckpoint(1, 'best');
  // whole, so that what is wrong with a download is the request
  const bytes = Buffer.from('0123456789');
  const { sha256 } = await service.deps.storage.put(written.storageKey, bytes);
  await recordCheckpoints(database.db, claim, [{ ...written, sizeBytes: bytes.length, sha256 }]);
  const dataset = await uploadCsv(api, 'points', 'a,b,y\n1,x,2\n2,y,4\n3,x,6\n4,z,8\n');
  await uploadCsv(api, 'others', 'a\n1\n2\n');
  const layers = [
    { type: 'dense', units: 8, activation: { type: 'leaky_relu', alpha: 0.1 }, init: 'he_normal' },
    { type: 'dropout', rate: 0.1 },
  ];
  const { spec } = await postJob(api, { dataset, target: 'y', model: { layers, freeze: ['*.bias'] } });
  const cursors = [];
  for (const path of ['/v1/jobs?limit=1&cursor=', '/v1/datasets?limit=1&cursor=']) {
    const response = await fetch(`${url}${path.replace('&cursor=', '')}`);
    cursors.push({ path, cursor: ((await response.json()) as { next_cursor: string }).next_cursor });
  }
  return { url, predict: `/v1/jobs/${claim.job.id}/predict`, validSpec: spec, cursors, service };
}
