import { readFileSync } from 'node:fs';
import { Pool } from 'undici';
import { call, hasEnded, postJob, uploadCsv, waitForJob } from '../../test/support/client.ts';
import { type Ground, type Percentiles, percentilesOf, show } from './ground.ts';

/** What one client sends again and again, and how much each answer counts for. */
interface Question {
  name: string;
  path: string;
  type?: string;
  accept?: string;
  body: string | Buffer;
  clients: number;
  units: number;
  unit: 'rows' | 'tokens';
}

export interface Answered {
  name: string;
  perSecond: number;
  unit: string;
  latencyMs: Percentiles;
}

export const PREDICTIONS_HEAD = ['', 'a second', 'p50 ms', 'p99 ms'];
export const rowOf = ({ name, perSecond, unit, latencyMs: { p50, p99 } }: Answered): string[] => [
  name,
  `${show(perSecond)} ${unit}`,
  show(p50),
  show(p99),
];

const STREAMED_ROWS = 50_000;
const TOKENS = 400;
const WARM_UP_MS = 2000;

const example = (name: string) => readFileSync(new URL(`../../examples/${name}`, import.meta.url));

/**
 * A network of the penguins that comes of a target's name alone, and the Shakespeare GPT and LSTM of the examples, whose speed does not depend on how long
 * they were trained. Each question is asked on as many connections as it has clients, each time as soon as the last is answered.
 */
export async function askPredictions(ground: Ground, { seconds }: { seconds: number }): Promise<Answered[]> {
  const { api } = await ground.startApi();
  await ground.startWorker();
  const train = async (spec: unknown) => {
    const { id } = await postJob(api, spec);
    const { status, error } = await waitForJob(api, id, hasEnded);
    if (status !== 'succeeded') throw new Error(`the job ended ${status}: ${error?.message}`);
    return id;
  };
  const penguins = await train({
    dataset: await uploadCsv(api, 'penguins', example('penguins.csv').toString()),
    target: 'species',
  });
  const { body: text } = await call('POST', `${api}/datasets`, example('shakespeare.txt').toString(), {
    'content-type': 'text/plain',
  });
  const learn = async (name: string) => {
    const { metadata: _, ...spec } = JSON.parse(example(`shakespeare-${name}.json`).toString());
    return train({ ...spec, dataset: text.id, training: { ...spec.training, max_steps: 5 } });
  };
  const [gpt, lstm] = [await learn('gpt'), await learn('lstm')];
  const { body: best } = await call('GET', `${api}/jobs/${penguins}/checkpoints/best`);
  await call('POST', `${api}/models`, { name: 'penguins' });
  await call('POST', `${api}/models/penguins/versions`, { checkpoint: best.id });

  const row = { bill_length: 39.1, bill_depth: 18.7, flipper_length: 181 };
  const rows = (count: number) => JSON.stringify({ rows: Array.from({ length: count }, () => row) });
  const tensors = (count: number) =>
    JSON.stringify({
      inputs: Object.entries(row).map(([name, value]) => ({
        ...{ name, shape: [count, 1], datatype: 'FP32', data: Array.from({ length: count }, () => value) },
      })),
    });
  const lines = Buffer.from(`${JSON.stringify(row)}\n`.repeat(STREAMED_ROWS));
  const fields = `${Object.keys(row).join(',')}\n${`${Object.values(row).join(',')}\n`.repeat(STREAMED_ROWS)}`;
  const predict = { path: `/v1/jobs/${penguins}/predict`, unit: 'rows', clients: 1 } as const;
  const infer = { path: '/v2/models/penguins/infer', unit: 'rows', clients: 1 } as const;
  const generate = (id: string) => ({
    path: `/v1/jobs/${id}/generate`,
    body: JSON.stringify({ prompt: 'ROMEO:', max_tokens: TOKENS, temperature: 0.8, seed: 1 }),
    ...{ units: TOKENS, unit: 'tokens' as const },
  });
  const questions: Question[] = [
    { name: 'one row, one client', ...predict, body: rows(1), units: 1 },
    { name: 'one row, 16 clients', ...predict, body: rows(1), units: 1, clients: 16 },
    { name: '1000 rows of JSON, one client', ...predict, body: rows(1000), units: 1000 },
    {
      name: `${STREAMED_ROWS} JSON lines`,
      ...predict,
      type: 'application/x-ndjson',
      body: lines,
      units: STREAMED_ROWS,
    },
    {
      name: `${STREAMED_ROWS} rows of CSV`,
      ...predict,
      type: 'text/csv',
      body: Buffer.from(fields),
      units: STREAMED_ROWS,
    },
    { name: 'one row by Open Inference', ...infer, body: tensors(1), units: 1 },
    { name: '1000 rows by Open Inference', ...infer, body: tensors(1000), units: 1000 },
    { name: `${TOKENS} tokens of the GPT, one client`, ...generate(gpt), clients: 1 },
    { name: `${TOKENS} tokens of the GPT, streamed`, ...generate(gpt), accept: 'application/x-ndjson', clients: 1 },
    { name: `${TOKENS} tokens of the GPT, 8 clients`, ...generate(gpt), clients: 8 },
    { name: `${TOKENS} tokens of the LSTM, one client`, ...generate(lstm), clients: 1 },
  ];
  const answered: Answered[] = [];
  for (const question of questions) answered.push(await measure(new URL(api).origin, question, seconds));
  return answered;
}

async function measure(origin: string, question: Question, seconds: number): Promise<Answered> {
  const { name, path, type = 'application/json', accept, body, clients, units, unit } = question;
  await using pool = closing(new Pool(origin, { connections: clients }));
  const headers = { 'content-type': type, ...(accept !== undefined && { accept }) };
  const takenMs: number[] = [];
  const askFor = (milliseconds: number) => {
    const untilMs = performance.now() + milliseconds;
    const ask = async () => {
      do {
        const beganMs = performance.now();
        const response = await pool.one.request({ path, method: 'POST', headers, body });
        const text = await response.body.text();
        if (response.statusCode !== 200)
          throw new Error(`${path} was answered ${response.statusCode}: ${text.slice(0, 300)}`);
        takenMs.push(performance.now() - beganMs);
      } while (performance.now() < untilMs);
    };
    return Promise.all(Array.from({ length: clients }, ask));
  };
  await askFor(WARM_UP_MS);
  takenMs.length = 0;
  const beganMs = performance.now();
  await askFor(1000 * seconds);
  const tookS = (performance.now() - beganMs) / 1000;
  return { name, perSecond: (takenMs.length * units) / tookS, unit, latencyMs: percentilesOf(takenMs) };
}

const closing = (one: Pool) => ({ one, [Symbol.asyncDispose]: () => one.close() });
