import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from '../../src/spec/job.ts';
import { type Answer, call } from '../support/client.ts';
import { describeSpirals } from '../support/spirals.ts';

/** Clients that keep the service at work, whatever happens to it, and remember what it has acknowledged. */

export interface Acknowledged {
  id: string;
  spec: number;
  /** what its client wanted of it in the end */
  wish: 'success' | 'cancel';
}

const PATIENCE_MS = 60_000;

/** Asks again while the service is away. Every request used here may be repeated, but posting a job: that is looked for by its mark. */
export async function callPatiently(
  method: string,
  url: string,
  body?: unknown,
  headers?: Record<string, string>,
): Promise<Answer<unknown>> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const answer = await callOnce(method, url, body, headers);
    if (answer !== null && answer.status < 500) return answer;
    if (performance.now() > deadline) throw new Error(`${method} ${url}: no answer within ${PATIENCE_MS / 1000} s`);
    await sleep(200);
  }
}

/** null: no answer came. */
export async function callOnce(
  method: string,
  url: string,
  body?: unknown,
  headers?: Record<string, string>,
): Promise<Answer<unknown> | null> {
  try {
    return await call(method, url, body, headers);
  } catch {
    return null;
  }
}

/** Specs of the load: of one kind every job comes to the same bits. */
export function describeLoad(dataset: string, epochs: number) {
  const first = describeSpirals(dataset, { epochs, every: 100 });
  return [first, { ...first, training: { ...first.training, seed: 12, batch_size: 48 } }];
}

/** A job that judges a checkpoint on rows that it has not seen: there is nothing between its beginning and its end. */
export const describeJudging = (dataset: string, checkpoint: string) => ({
  kind: 'evaluate',
  dataset,
  model: { from: checkpoint },
  evaluate_on: 'all',
});

export class Load {
  readonly acknowledged: Acknowledged[] = [];
  /** answers by status; 0: none came */
  readonly answers = new Map<number, number>();
  /** what nobody should hear, whatever happens: an error that is none of those that say when to come again */
  readonly odd: string[] = [];
  readonly #api: string;
  readonly #specs: readonly object[];
  readonly #draw: () => number;
  #marks = 0;

  constructor(api: string, specs: readonly object[], draw: () => number) {
    this.#api = api;
    this.#specs = specs;
    this.#draw = draw;
  }

  /** Posts once. What was not acknowledged may be there all the same, and is not counted. */
  async post(): Promise<void> {
    const spec = this.#marks % this.#specs.length;
    const mark = String(++this.#marks);
    const answer = await callOnce('POST', `${this.#api}/jobs`, { ...this.#specs[spec], metadata: { mark } });
    this.#count('post', answer);
    if (answer?.status !== 201) return;
    const job: Acknowledged = { id: (answer.body as Job).id, spec, wish: 'success' };
    this.acknowledged.push(job);
  }

  /** Pauses, resumes or cancels one of the jobs. */
  async disturb(): Promise<void> {
    const job = this.acknowledged[Math.floor(this.#draw() * this.acknowledged.length)];
    if (job === undefined) return;
    const kind = this.#draw();
    const action = kind < 0.1 ? 'cancel' : kind < 0.55 ? 'pause' : 'resume';
    const answer = await callOnce('POST', `${this.#api}/jobs/${job.id}/${action}`);
    this.#count(action, answer);
    // without an answer it may have been heard
    if (action === 'cancel' && (answer === null || answer.status !== 409)) job.wish = 'cancel';
  }

  /** Resumes what is paused until everything has ended; the last answer of each. */
  async waitForEnd(timeoutMs: number): Promise<Job[]> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const jobs: Job[] = [];
      for (const { id } of this.acknowledged) {
        const { status, body } = await callPatiently('GET', `${this.#api}/jobs/${id}`);
        if (status !== 200) throw new Error(`the job ${id}, which was acknowledged, is answered ${status}`);
        jobs.push(body as Job);
      }
      const open = jobs.filter(({ status }) => !['succeeded', 'failed', 'cancelled'].includes(status));
      if (open.length === 0) return jobs;
      for (const { id, status } of open)
        if (status === 'paused' || status === 'pausing') await callPatiently('POST', `${this.#api}/jobs/${id}/resume`);
      if (performance.now() > deadline)
        throw new Error(
          `after ${timeoutMs / 1000} s ${open.length} jobs have not ended: ${JSON.stringify(open.slice(0, 3).map(({ id, status, queue_reason, progress }) => ({ id, status, queue_reason, progress })))}`,
        );
      await sleep(500);
    }
  }

  #count(what: string, answer: Answer<unknown> | null): void {
    const status = answer?.status ?? 0;
    if (status >= 500 && status !== 503 && status !== 507)
      this.odd.push(`${what} was answered ${status}: ${JSON.stringify(answer?.body)}`);
    this.answers.set(status, (this.answers.get(status) ?? 0) + 1);
  }
}
