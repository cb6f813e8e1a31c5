import { FINAL_STATUSES } from '../../src/spec/job.ts';
import { advance, LEASE_MS, type ModelJob, RULES, type Rules, Violation, World } from './world.ts';

/** Plays one history: clients, relay, reconciler and workers act in an order drawn from the seed, and everything that can break breaks. */

interface Attempt {
  job: ModelJob;
  epoch: number;
  step: number;
  state: number;
  /** not yet recorded */
  points: { step: number; state: number }[];
  renewedAt: number;
  stop: 'cancel' | 'pause' | 'drain' | null;
}

interface Worker {
  id: number;
  /** SIGSTOP */
  frozenUntil: number;
  /** the database cannot be reached */
  cutUntil: number;
  attempt: Attempt | null;
  wakes: boolean;
}

export interface HistoryFigures {
  events: number;
  jobs: number;
  crashes: number;
}

const WORKERS = 3;
const MAX_QUIET_EVENTS = 4_000;

/** mulberry32 */
function drawFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Errors: Violation, with what went before it. */
export function playHistory(seed: number, rules: Rules = RULES): HistoryFigures {
  const draw = drawFrom(seed);
  const world = new World(rules, 1 + Math.floor(draw() * 3));
  const workers: Worker[] = Array.from({ length: WORKERS }, (_, id) => ({
    id,
    frozenUntil: 0,
    cutUntil: 0,
    attempt: null,
    wakes: true,
  }));
  const faults = draw() < 0.1 ? 0 : draw() * 0.4;
  let nextWorkerId = WORKERS;
  let events = 0;
  let crashes = 0;
  let reconciledAt = 0;
  let queueIsDown = false;

  /** A write that is under way when its worker stops or dies may arrive, or not, and when it likes. */
  const late: { at: number; write: () => void }[] = [];
  const leaveUnderWay = ({ id, attempt }: Worker, dies: boolean) => {
    if (attempt === null || draw() < 0.3) return;
    const { job, epoch, step, state } = attempt;
    const points = [...attempt.points];
    const checkpoint = draw() < 0.5 ? { step, state } : null;
    const kind = draw();
    const write = () => {
      if (kind < 0.2) world.renew(job, id, epoch);
      else if (dies && kind < 0.3) world.release(job, id, epoch);
      else if (!dies || step < job.totalSteps || kind < 0.7) world.record(job, id, epoch, points, checkpoint);
      else if (world.record(job, id, epoch, points, { step, state })) world.finish(job, id, epoch, 'succeeded');
    };
    late.push({ at: world.now + draw() * 60_000, write });
  };

  const crash = (worker: Worker) => {
    leaveUnderWay(worker, true);
    worker.attempt = null;
    worker.id = nextWorkerId++;
    worker.wakes = true;
    worker.frozenUntil = 0;
    crashes += 1;
  };

  const act = (worker: Worker) => {
    if (worker.frozenUntil > world.now) return;
    const { attempt } = worker;
    const isCut = worker.cutUntil > world.now;
    if (attempt === null) {
      // a message is taken; or the worker looks again because it has just ended a job
      if (!worker.wakes && world.queue.length > 0 && !queueIsDown) {
        const [heard] = world.queue.splice(Math.floor(draw() * world.queue.length), 1);
        worker.wakes = true;
        // the job of the message itself: one whose worker is gone may be taken up at once
        const named = world.jobs[heard!]!;
        if (!isCut && draw() < 0.3 && world.claim(named, worker.id)) return begin(worker, named);
      }
      if (!worker.wakes) return;
      worker.wakes = false;
      if (isCut) return;
      const job = world.claimNext(worker.id);
      if (job !== null) begin(worker, job);
      return;
    }
    if (world.now - attempt.renewedAt > LEASE_MS * rules.shareOfLease) {
      worker.attempt = null;
      return;
    }
    const { job, epoch } = attempt;
    if (job.owner?.worker !== worker.id || job.owner.epoch !== epoch) {
      // nobody else may have it while this one's lease is believed to hold; that it was given up by a late write is told with the next
      if (job.owner !== null) throw new Violation(`two workers compute job ${job.id}`);
    }
    if (job.poisonous && attempt.step >= 2) return crash(worker);
    work(worker, attempt, isCut);
  };

  const begin = (worker: Worker, job: ModelJob) => {
    const from = job.checkpoints.at(-1) ?? { step: 0, state: 0 };
    worker.attempt = { job, epoch: job.runEpoch, ...from, points: [], renewedAt: world.now, stop: null };
    worker.wakes = true;
  };

  const work = (worker: Worker, attempt: Attempt, isCut: boolean) => {
    const { job, epoch } = attempt;
    const { id } = worker;
    const isLast = attempt.step >= job.totalSteps;
    const isStale = (wasLet: boolean) => {
      if (!wasLet) worker.attempt = null;
      return !wasLet;
    };
    const save = () => {
      const wasLet = world.record(job, id, epoch, attempt.points, { step: attempt.step, state: attempt.state });
      attempt.points = [];
      return wasLet;
    };
    if (!isCut) {
      const renewed = world.renew(job, id, epoch);
      if (isStale(renewed !== null)) return;
      attempt.renewedAt = world.now;
      attempt.stop ??= renewed!.asked;
      if (attempt.step === job.divergesAt) {
        world.finish(job, id, epoch, 'failed');
        worker.attempt = null;
        return;
      }
      if (attempt.stop !== null && !isLast) {
        if (isStale(save())) return;
        if (attempt.stop === 'cancel') world.finish(job, id, epoch, 'cancelled');
        else world.release(job, id, epoch);
        worker.attempt = null;
        return;
      }
      if (isLast) {
        if (isStale(save())) return;
        // the process may die between the two
        if (draw() < faults * 0.2) return crash(worker);
        world.finish(job, id, epoch, 'succeeded');
        worker.attempt = null;
        return;
      }
    }
    if (isLast || attempt.step === job.divergesAt) return;
    attempt.step += 1;
    attempt.state = advance(attempt.state, attempt.step);
    attempt.points.push({ step: attempt.step, state: attempt.state });
    if (isCut) return;
    if (draw() < 0.4) isStale(save());
    else if (draw() < 0.5) {
      isStale(world.record(job, id, epoch, attempt.points, null));
      attempt.points = [];
    }
  };

  const disturb = (worker: Worker) => {
    const kind = draw();
    if (kind < 0.3) crash(worker);
    else if (kind < 0.5) {
      leaveUnderWay(worker, false);
      worker.frozenUntil = world.now + draw() * 90_000;
    } else if (kind < 0.65) worker.cutUntil = world.now + draw() * 60_000;
    else if (kind < 0.75) world.queue = [];
    else if (kind < 0.82) queueIsDown = !queueIsDown;
    else if (kind < 0.88) world.queue.push(...world.queue.slice(0, 2));
    else if (kind < 0.94) {
      if (worker.attempt !== null) worker.attempt.stop ??= 'drain';
    } else {
      // the newest checkpoint is found damaged when it is to be gone on from
      const { attempt } = worker;
      if (
        attempt !== null &&
        attempt.points.length === 0 &&
        attempt.step === attempt.job.claimedAtStep &&
        worker.frozenUntil <= world.now
      ) {
        if (world.discard(attempt.job, worker.id, attempt.epoch))
          Object.assign(attempt, attempt.job.checkpoints.at(-1) ?? { step: 0, state: 0 });
        else worker.attempt = null;
      }
    }
  };

  const tick = (faultRate: number, clients: boolean) => {
    events += 1;
    world.now += draw() * 2_000;
    const worker = workers[Math.floor(draw() * workers.length)]!;
    if (draw() < faultRate) disturb(worker);
    const kind = draw();
    if (clients && kind < 0.1) askFor(world, draw);
    else if (kind < 0.25) {
      if (!queueIsDown) world.relay(draw() < faultRate * 0.3);
    } else act(worker);
    if (world.now - reconciledAt > 10_000) {
      world.reconcile();
      reconciledAt = world.now;
    }
    for (let i = late.length - 1; i >= 0; i--) if (late[i]!.at <= world.now) late.splice(i, 1)[0]!.write();
    world.check();
  };

  for (let i = 0; i < 120; i++) tick(faults, true);
  // everything is well again, and clients have gone: whatever was acknowledged must come to its end
  queueIsDown = false;
  for (const worker of workers)
    Object.assign(worker, { frozenUntil: Math.min(worker.frozenUntil, world.now + 60_000), cutUntil: 0 });
  for (const job of world.jobs) world.request(job, 'resume');
  for (let i = 0; world.jobs.some((job) => !FINAL_STATUSES.includes(job.status)); i++) {
    if (i > MAX_QUIET_EVENTS) {
      const stuck = world.jobs.find((job) => !FINAL_STATUSES.includes(job.status))!;
      throw new Violation(`job ${stuck.id} never ends: it is ${stuck.status} at ${Math.round(world.now / 1000)} s`);
    }
    tick(0, false);
  }
  for (const job of world.jobs)
    if (job.poisonous && job.status === 'succeeded' && job.totalSteps > 2)
      throw new Violation(`job ${job.id} kills every worker, and succeeded`);
  return { events, jobs: world.jobs.length, crashes };
}

function askFor(world: World, draw: () => number): void {
  if (world.jobs.length < 6 && draw() < 0.6) {
    const startAt = draw() < 0.2 ? world.now + draw() * 60_000 : null;
    world.post({
      tenant: Math.floor(draw() * 2),
      totalSteps: 1 + Math.floor(draw() * 8),
      poisonous: draw() < 0.05,
      divergesAt: draw() < 0.1 ? 3 : null,
      priority: Math.floor(draw() * 3),
      startAt,
    });
    return;
  }
  const job = world.jobs[Math.floor(draw() * world.jobs.length)];
  if (job === undefined) return;
  const kind = draw();
  world.request(job, kind < 0.2 ? 'cancel' : kind < 0.6 ? 'pause' : 'resume');
}
