import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from '../../src/spec/job.ts';
import { call, hasEnded, postJob, uploadCsv, waitForJob } from '../support/client.ts';
import { describeSpirals, spirals } from '../support/spirals.ts';
import { checkJob, checkStores, readResult } from './invariants.ts';
import { callPatiently } from './load.ts';
import { drawFrom } from './play-storm.ts';
import { Stage } from './stage.ts';

const MOST_KILLS_WITHOUT_PROGRESS = 2;
/** Long: how fast the machine trains is not in question here. */
const END_MS = 3_600_000;

export interface OneJobOptions {
  kills: number;
  flushes: number;
  seed: number;
  /** long enough for all of it */
  epochs: number;
  log?: (line: string) => void;
}

/**
 * One job, whose worker is killed again and again at random moments while Redis forgets everything now and then; and it comes to the bits, metrics and
 * events of a job that nothing happened to. Returns what is wrong.
 */
export async function playOneJob({
  kills,
  flushes,
  seed,
  epochs,
  log = () => {},
}: OneJobOptions): Promise<{ job: Job; wrong: string[] }> {
  const draw = drawFrom(seed);
  const stage = await Stage.raise({ workers: 1 });
  try {
    const { api } = stage.api;
    const spec = describeSpirals(await uploadCsv(api, 'spirals', spirals(2000)), { epochs, every: 60 });
    const begin = performance.now();
    const quiet = await waitForJob(api, (await postJob(api, spec)).id, hasEnded, END_MS);
    log(
      `undisturbed: ${quiet.status}, ${quiet.progress!.total_steps} steps in ${((performance.now() - begin) / 1000).toFixed(1)} s`,
    );
    const expected = await readResult(api, quiet);
    const { id } = await postJob(api, spec);
    const deeds = [...Array<string>(kills).fill('kill'), ...Array<string>(flushes).fill('flush')]
      .map((deed) => ({ deed, at: draw() }))
      .sort((a, b) => a.at - b.at);
    const done = { kill: 0, flush: 0 };
    let killsWithoutProgress = 0;
    let lastStep = 0;
    for (const { deed } of deeds) {
      const job = await waitForJob(
        api,
        id,
        ({ status }) => status === 'running' || hasEnded({ status } as Job),
        120_000,
      );
      if (hasEnded(job)) break;
      const step = await readCheckpointStep(api, id);
      killsWithoutProgress = step > lastStep ? 0 : killsWithoutProgress + 1;
      lastStep = step;
      // five in a row without a newer checkpoint would end the job, as they should
      if (killsWithoutProgress >= MOST_KILLS_WITHOUT_PROGRESS)
        while ((await readCheckpointStep(api, id)) <= lastStep && !hasEnded(await waitForJob(api, id, () => true)))
          await sleep(100);
      await sleep(draw() * 900);
      if (deed === 'kill') {
        await stage.workers[0]!.kill();
        stage.workers[0] = await stage.startWorker();
        done.kill += 1;
      } else {
        await stage.redis?.command('flushall');
        done.flush += 1;
      }
      if ((done.kill + done.flush) % 10 === 0)
        log(
          `${done.kill} kills, ${done.flush} flushes: step ${job.progress?.step} of ${job.progress?.total_steps}, attempt ${job.attempt}`,
        );
    }
    const job = await waitForJob(api, id, hasEnded, END_MS);
    const wrong = await checkStores(stage.databaseUrl, stage.storageFolder);
    wrong.push(...(await checkJob(api, job, { id, spec: 0, wish: 'success' }, [expected])));
    if (done.kill < kills || done.flush < flushes)
      wrong.push(`the job ended after ${done.kill} kills and ${done.flush} flushes: give it more epochs`);
    if (stage.redis !== null) await checkDispatchAfterFlush(stage, api, spec, log, wrong);
    log(`${done.kill} kills, ${done.flush} flushes, ${job.attempt} attempts: ${job.status}`);
    return { job, wrong };
  } finally {
    await stage.strike();
  }
}

async function readCheckpointStep(api: string, id: string): Promise<number> {
  const { status, body } = await callPatiently('GET', `${api}/jobs/${id}/checkpoints/latest`);
  return status === 200 ? (body as { step: number }).step : 0;
}

/** A job whose message was in a queue that forgot it starts within half a minute. */
async function checkDispatchAfterFlush(
  stage: Stage,
  api: string,
  spec: object,
  log: (line: string) => void,
  wrong: string[],
): Promise<void> {
  await stage.workers[0]!.stop();
  const { id } = await postJob(api, spec);
  await sleep(1500);
  await stage.redis!.command('flushall');
  stage.workers[0] = await stage.startWorker();
  const begin = performance.now();
  await waitForJob(api, id, ({ status }) => status === 'running', 60_000);
  const seconds = (performance.now() - begin) / 1000;
  log(`a waiting job whose message was lost was taken up after ${seconds.toFixed(1)} s`);
  if (seconds > 30) wrong.push(`a waiting job whose message was lost was taken up after ${seconds.toFixed(1)} s`);
  await callPatiently('POST', `${api}/jobs/${id}/cancel`);
  await waitForJob(api, id, hasEnded);
  await call('DELETE', `${api}/jobs/${id}`);
}
