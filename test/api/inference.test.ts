import { afterAll, beforeAll, expect, it } from 'vitest';
import { call } from '../support/client.ts';
import { addModel } from '../support/jobs.ts';
import { expectProblem } from '../support/problem.ts';
import { type Service, startService } from '../support/service.ts';
import { addTrained, CATS, IMAGES } from '../support/trained.ts';

/** The Open Inference Protocol, as its clients speak it. */
let service: Service;
let at: string;
beforeAll(async () => {
  service = await startService({ predictProcesses: 1 });
  const { db } = service.database;
  await addModel(db, 'cats', (await addTrained(service, CATS)).checkpoint);
  await addModel(db, 'images', (await addTrained(service, IMAGES)).checkpoint);
  at = `${service.url}/v2/models/cats`;
});
afterAll(() => service.close());

const x = { name: 'x', shape: [3], datatype: 'FP32', data: [1, 3, 3] };
const colour = { name: 'colour', shape: [3, 1], datatype: 'BYTES', data: [['red'], ['red'], ['blue']] };

it('tells what there is', async () => {
  const { url } = service;
  expect((await call('GET', `${url}/v2`)).body).toEqual({ name: 'trainyard', version: 'test', extensions: [] });
  expect((await call('GET', `${url}/v2/health/live`)).body).toEqual({ live: true });
  expect((await call('GET', `${url}/v2/health/ready`)).body).toEqual({ ready: true });
  const metadata = {
    name: 'cats',
    versions: ['1'],
    platform: 'trainyard',
    inputs: [
      { name: 'x', datatype: 'FP64', shape: [-1] },
      { name: 'colour', datatype: 'BYTES', shape: [-1] },
    ],
    outputs: [
      { name: 'species', datatype: 'BYTES', shape: [-1] },
      { name: 'species.probabilities', datatype: 'FP64', shape: [-1, 2] },
    ],
  };
  for (const path of ['', '/versions/1', '/versions/champion']) {
    expect((await call('GET', at + path)).body).toEqual(metadata);
    expect((await call('GET', `${at}${path}/ready`)).body).toEqual({ name: 'cats', ready: true });
  }
});

it('answers tensors by column', async () => {
  const { status, body } = await call('POST', `${at}/infer`, { id: 'a', inputs: [x, colour], parameters: { p: 1 } });
  expect(status).toBe(200);
  expect(body).toMatchObject({ model_name: 'cats', model_version: '1', id: 'a' });
  const [species, probabilities] = body.outputs;
  expect(species).toEqual({ name: 'species', datatype: 'BYTES', shape: [3], data: ['cat', 'dog', 'cat'] });
  expect(probabilities).toMatchObject({ name: 'species.probabilities', datatype: 'FP64', shape: [3, 2] });
  const rows = x.data.map((value, i) => ({ x: value, colour: colour.data[i]![0] }));
  const { predictions } = (await call('POST', `${service.api}/models/cats/predict`, { rows })).body;
  expect(probabilities.data).toEqual(
    predictions.flatMap(({ probabilities: p }: { probabilities: Record<string, number> }) => [p.cat, p.dog]),
  );
  const some = await call('POST', `${at}/versions/champion/infer`, { inputs: [x], outputs: [{ name: 'species' }] });
  expect(some.body.outputs).toEqual([{ ...species, data: ['cat', 'cat', 'cat'] }]);
  const images = { name: 'pixels', shape: [2, 2, 2, 1], datatype: 'UINT8', data: [0, 10, 20, 30, 4, 4, 4, 4] };
  const means = await call('POST', `${service.url}/v2/models/images/infer`, { inputs: [images] });
  expect(means.body.outputs).toEqual([{ name: 'mean', datatype: 'FP64', shape: [2], data: [15, 4] }]);
});

it('errors are what the protocol says, and tell all that is wrong', async () => {
  const ask = (body: unknown, path = '/infer') => call('POST', at + path, body);
  const wrong = [
    { ...x, name: 'y' },
    { ...colour, shape: [2], data: ['red', 'blue'] },
    { ...colour, name: 'x', data: ['red'] },
  ];
  const answer = await ask({ inputs: wrong });
  expect(answer.body.error).toMatch(/^\/inputs\/0\/name: the model has no input "y"/);
  const { errors } = expectProblem(answer, 'invalid_field');
  expect(errors.map(({ pointer }) => pointer)).toEqual(['/inputs/0/name', '/inputs/1/shape', '/inputs/2/data']);
  const types = await ask({ inputs: [{ ...x, data: [1, 'two', 3] }, colour] });
  expect(expectProblem(types, 'invalid_rows').errors[0]!.pointer).toBe('/inputs/0/data/1');
  expectProblem(await ask({ inputs: [x], outputs: [{ name: 'spices' }] }), 'invalid_field');
  for (const body of [{}, { inputs: [] }, { inputs: [{ ...x, datatype: 'FP31' }] }, { inputs: [{ ...x, shape: [] }] }])
    expectProblem(await ask(body), 'invalid_field');
  for (const path of ['/versions/2/infer', '/versions/none/infer']) {
    const missing = await ask({ inputs: [x] }, path);
    expectProblem(missing, 'model_not_found');
    expect(missing.body.error).toMatch(/no/);
  }
  expect((await call('GET', `${service.url}/v2/nothing`)).body.error).toMatch(/nothing/);
  expect((await call('GET', `${service.url}/v1/nothing`)).body).not.toHaveProperty('error');
});
