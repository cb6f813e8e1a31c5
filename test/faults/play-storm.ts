import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from '../../src/spec/job.ts';
import { call, hasEnded, postJob, uploadCsv, waitForJob } from '../support/client.ts';
import { spirals } from '../support/spirals.ts';
import { FAULTS } from './fault-list.ts';
import { checkJob, checkStores, readResult } from './invariants.ts';
import { describeJudging, describeLoad, Load } from './load.ts';
import { DISK_MB, Stage } from './stage.ts';

export interface StormOptions {
  rounds: number;
  seed: number;
  epochs?: number;
  /** names of faults; all that can be played here unless told */
  faults?: readonly string[];
  log?: (line: string) => void;
}

export interface StormResult {
  /** how often each was played */
  played: Map<string, number>;
  /** faults that cannot be played here, and why */
  skipped: Map<string, string>;
  jobs: Job[];
  answers: Map<number, number>;
  wrong: string[];
}

/** mulberry32 */
export function drawFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const MOST_OPEN = 6;
/** Some tenths of a second of judging. */
const JUDGED_ROWS = 6000;
/** What the jobs of a round leave behind. */
const ROUND_MB = 0.5;
const END_MS = 240_000;

/** Faults one after the other against a load of jobs; then everything is well again, and nothing may be lost or doubled. */
export async function playStorm({
  rounds,
  seed,
  epochs = 60,
  faults,
  log = () => {},
}: StormOptions): Promise<StormResult> {
  const draw = drawFrom(seed);
  const stage = await Stage.raise({ diskMb: DISK_MB + Math.ceil(rounds * ROUND_MB) });
  try {
    const { api } = stage.api;
    const specs: object[] = describeLoad(await uploadCsv(api, 'spirals', spirals(2000)), epochs);
    const expected: Record<string, unknown>[] = [];
    const playQuietly = async (spec: object) => {
      const job = await waitForJob(api, (await postJob(api, spec)).id, hasEnded);
      expected.push(await readResult(api, job));
      return job;
    };
    const [trained] = [await playQuietly(specs[0]!), await playQuietly(specs[1]!)];
    const best = await call('GET', `${api}/jobs/${trained.id}/checkpoints/best`);
    specs.push(describeJudging(await uploadCsv(api, 'more-spirals', spirals(JUDGED_ROWS)), best.body.id));
    await playQuietly(specs[2]!);
    const playable = FAULTS.filter((fault) => fault.missing(stage) === null && (faults?.includes(fault.name) ?? true));
    const skipped = new Map(
      FAULTS.flatMap((fault) => (fault.missing(stage) === null ? [] : [[fault.name, fault.missing(stage)!]])),
    );
    const played = new Map<string, number>();
    const load = new Load(api, specs, draw);
    const odd: string[] = [];
    // every fault is played before one is played again
    let deck: typeof playable = [];
    for (let round = 1; round <= rounds; round++) {
      if (deck.length === 0)
        deck = playable
          .map((fault) => ({ fault, at: draw() }))
          .sort((a, b) => a.at - b.at)
          .map(({ fault }) => fault);
      const fault = deck.pop()!;
      const client = keepBusy(load, draw);
      await sleep(draw() * 700);
      await fault.play(stage, draw);
      await client.stop();
      for (const [what, part] of stage.parts())
        if (part.child.exitCode !== null)
          throw new Error(`${what} ended by itself in "${fault.name}":\n${part.lastLines()}`);
      for (const answer of load.odd.splice(0)) odd.push(`${fault.name}: ${answer}\n${stage.api.lastLines()}`);
      played.set(fault.name, (played.get(fault.name) ?? 0) + 1);
      log(
        `${String(round).padStart(4)}/${rounds}  ${fault.name.padEnd(32)} ${load.acknowledged.length} jobs acknowledged`,
      );
    }
    const jobs = await load.waitForEnd(END_MS);
    const wrong = [...odd, ...(await checkStores(stage.databaseUrl, stage.storageFolder))];
    for (const [i, job] of jobs.entries()) wrong.push(...(await checkJob(api, job, load.acknowledged[i]!, expected)));
    return { played, skipped, jobs, answers: load.answers, wrong };
  } finally {
    await stage.strike();
  }
}

/** Posts and disturbs jobs until it is told to stop. */
function keepBusy(load: Load, draw: () => number): { stop(): Promise<void> } {
  let goesOn = true;
  const before = load.acknowledged.length;
  const busy = (async () => {
    while (goesOn) {
      if (load.acknowledged.length - before < MOST_OPEN / 3) await load.post();
      else await load.disturb();
      await sleep(50 + draw() * 400);
    }
  })();
  return {
    stop() {
      goesOn = false;
      return busy;
    },
  };
}
