import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepareRows } from '../../src/data/prepare-rows.ts';
import { recordCheckpoints } from '../../src/jobs/record-checkpoint.ts';
import { PredictorBusyError } from '../../src/spec/prediction.ts';
import { call } from '../support/client.ts';
import { addClaimed, addJob, describeCheckpoint } from '../support/jobs.ts';
import { expectProblem } from '../support/problem.ts';
import { type Service, startService } from '../support/service.ts';

const asked: { rows: Record<string, unknown>[]; storageKey: string }[] = [];
let service: Service;
let url: string;
let best: string;
let latest: string;
beforeAll(async () => {
  // y = 2x, from rows as they are read everywhere
  service = await startService({
    predict: (rows, network) => {
      asked.push({ rows, ...network });
      if (rows.some(({ x }) => x === 1000)) throw new PredictorBusyError('busy');
      if (rows.some(({ x }) => x === 2000)) throw new Error('the prediction process ended');
      const { preparation } = describeCheckpoint(0, 'best');
      return Array.from(prepareRows(rows, preparation), (x) => ({ y: x === 0 ? Number.NaN : 2 * x }));
    },
  });
  const { db } = service.database;
  const claim = await addClaimed(db);
  const written = [describeCheckpoint(1, 'best'), describeCheckpoint(1, 'latest')];
  await recordCheckpoints(db, claim, written);
  url = `${service.api}/jobs/${claim.job.id}/predict`;
  [best, latest] = written.map(({ id }) => id) as [string, string];
});
afterAll(() => service.close());

describe('predictions', () => {
  it('come row by row from the best checkpoint, or the one that is named', async () => {
    const { status, body } = await call('POST', url, { rows: [{ x: 1 }, { x: 2.5 }, {}] });
    expect(status).toBe(200);
    expect(body).toEqual({ predictions: [{ y: 2 }, { y: 5 }, { y: 'NaN' }], checkpoint: best });
    for (const [checkpoint, id] of [
      ['best', best],
      ['latest', latest],
      [latest, latest],
    ])
      expect((await call('POST', url, { rows: [{ x: 1 }], checkpoint })).body.checkpoint).toBe(id);
    expect(asked.at(-1)).toMatchObject({ rows: [{ x: 1 }], storageKey: expect.stringContaining(latest) });
  });

  it('come from the latest where nothing was the best yet', async () => {
    const { db } = service.database;
    const claim = await addClaimed(db);
    const written = describeCheckpoint(1, 'latest');
    await recordCheckpoints(db, claim, [written]);
    const own = `${service.api}/jobs/${claim.job.id}/predict`;
    expect((await call('POST', own, { rows: [{ x: 1 }] })).body.checkpoint).toBe(written.id);
    expectProblem(await call('POST', own, { rows: [{ x: 1 }], checkpoint: 'best' }), 'checkpoint_not_ready');
  });

  it('rows that do not fit are all named', async () => {
    const rows = [{ x: 1 }, { x: '2' }, { z: 1 }, { x: [1], 'a/b': null }, { 'a/b': null }];
    const { errors } = expectProblem(await call('POST', url, { rows }), 'invalid_rows');
    expect(errors.map(({ pointer, code }) => [pointer, code])).toEqual([
      ['/rows/1/x', 'invalid_type'],
      ['/rows/2/z', 'unknown_column'],
      // beside all inputs there may be others
      ['/rows/3/x', 'invalid_type'],
      ['/rows/4/a~1b', 'unknown_column'],
    ]);
  });

  it.each([
    [[], ['']],
    [{}, ['/rows']],
    [{ rows: [] }, ['/rows']],
    [{ rows: {} }, ['/rows']],
    [{ rows: Array(1001).fill({}) }, ['/rows']],
    [{ rows: [1, {}, null, []] }, ['/rows/0', '/rows/2', '/rows/3']],
    [{ row: [{}], checkpoint: 3 }, ['/row', '/rows', '/checkpoint']],
  ])('%j is refused, with every mistake', async (body, pointers) => {
    const { errors } = expectProblem(await call('POST', url, body), 'invalid_field');
    expect(errors.map(({ pointer }) => pointer)).toEqual(pointers);
  });

  it('of a checkpoint that is not there', async () => {
    const { id } = await addJob(service.database.db);
    const none = `${service.api}/jobs/${id}/predict`;
    expectProblem(await call('POST', none, { rows: [{}] }), 'checkpoint_not_ready');
    expectProblem(await call('POST', url, { rows: [{}], checkpoint: 'newest' }), 'invalid_id');
    expectProblem(
      await call('POST', url, { rows: [{}], checkpoint: best.replace(/.$/, best.endsWith('0') ? '1' : '0') }),
      'checkpoint_not_found',
    );
    expectProblem(
      await call('POST', `${service.api}/jobs/job_01h455vb4pex5vsknk084sn02q/predict`, { rows: [{}] }),
      'job_not_found',
    );
  });

  it('a predictor that is busy is said with a time to come again; one that broke is no fault of the client', async () => {
    const busy = await call('POST', url, { rows: [{ x: 1000 }] });
    expectProblem(busy, 'unavailable');
    expect(busy.headers.get('retry-after')).toBe('1');
    const broken = await call('POST', url, { rows: [{ x: 2000 }] });
    const { detail, request_id } = expectProblem(broken, 'internal');
    expect(detail).toContain(request_id);
    expect(detail).not.toContain('process');
  });
});
