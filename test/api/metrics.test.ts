import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { recordMetrics } from '../../src/jobs/record-metrics.ts';
import type { SplitName } from '../../src/spec/metric-point.ts';
import { call } from '../support/client.ts';
import { addClaimed } from '../support/jobs.ts';
import { expectProblem } from '../support/problem.ts';
import { type Service, startService } from '../support/service.ts';

let service: Service;
let url: string;
const SPIKE = 501;
beforeAll(async () => {
  service = await startService();
  const { db } = service.database;
  const claim = await addClaimed(db);
  url = `${service.api}/jobs/${claim.job.id}/metrics`;
  const point = (name: string, split: SplitName, step: number, value: number) => ({
    name,
    split,
    step,
    epoch: 0,
    value,
  });
  await recordMetrics(db, claim, [
    ...Array.from({ length: 1000 }, (_, i) => point('loss', 'train', i + 1, i + 1 === SPIKE ? 99 : 1 / (i + 1))),
    point('loss', 'validation', 10, Number.POSITIVE_INFINITY),
    point('loss', 'validation', 20, Number.NaN),
    point('loss', 'validation', 30, -0.5),
    point('accuracy', 'validation', 30, 1),
  ]);
});
afterAll(() => service.close());

interface Series {
  name: string;
  split: string;
  points: { step: number; epoch: number; value: number | string }[];
}
const get = async (query = ''): Promise<Series[]> => (await call('GET', `${url}?${query}`)).body.data;

describe('metrics', () => {
  it('are series by name and split; numbers that JSON cannot say are strings', async () => {
    const series = await get();
    expect(series.map(({ name, split, points }) => [name, split, points.length])).toEqual([
      ['accuracy', 'validation', 1],
      ['loss', 'train', 1000],
      ['loss', 'validation', 3],
    ]);
    expect(series[2]!.points.map(({ value }) => value)).toEqual(['Infinity', 'NaN', -0.5]);
  });

  it('are chosen by name, split and step', async () => {
    expect((await get('name=accuracy')).map(({ name }) => name)).toEqual(['accuracy']);
    expect((await get('split=train&since_step=998'))[0]!.points.map(({ step }) => step)).toEqual([999, 1000]);
    expect(await get('name=nothing')).toEqual([]);
    expect(await get(`since_step=${Number.MAX_SAFE_INTEGER}`)).toEqual([]);
  });

  it.each([4, 5, 50, 999])('a long series is cut to %i points and keeps its spikes and ends', async (most) => {
    const [train] = await get(`split=train&max_points=${most}`);
    const steps = train!.points.map(({ step }) => step);
    expect(steps.length).toBeLessThanOrEqual(most);
    expect(train!.points).toContainEqual({ step: SPIKE, epoch: 0, value: 99 });
    expect([steps[0], steps.at(-1)]).toEqual([1, 1000]);
    expect(steps).toEqual([...new Set(steps)].sort((a, b) => a - b));
  });

  it('as CSV', async () => {
    const { headers, body } = await call<string>('GET', `${url}?split=validation`, undefined, { accept: 'text/csv' });
    expect(headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect(body).toBe(
      'name,split,step,epoch,value\naccuracy,validation,30,0,1\nloss,validation,10,0,Infinity\nloss,validation,20,0,NaN\nloss,validation,30,0,-0.5\n',
    );
  });

  it.each([
    'max_points=3',
    'max_points=10001',
    'since_step=-1',
    'since_step=1e300',
    'since_step=0.5',
    'split=all',
    `name=${'a'.repeat(101)}`,
    'names=loss',
  ])('?%s is refused', async (query) => {
    const { errors } = expectProblem(await call('GET', `${url}?${query}`), 'invalid_field');
    expect(errors[0]!.pointer).toBe(`/${query.split('=')[0]}`);
  });
});
