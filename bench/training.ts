import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findPeers, type Peer, runPeer } from './peers.ts';
import { showProgress } from './progress.ts';
import type { BenchOptions } from './questions.ts';
import { medianOf, record, show, table } from './results.ts';
import { type TrainFigures, workloadNamed } from './train.ts';

/**
 * How fast does a workload train, and how does that compare? Every engine has the same weights and batches and must come to the same losses;
 * they run in turns (A B C A B C …), each run in a process of its own, and medians are compared.
 */
interface Measured {
  samplesPerSecond: number[];
  peakRssMb: number;
  /** losses of step 0 and the check step, where they are not ours */
  differs: string | null;
}

interface TrainingResult {
  workload: string;
  threads: number;
  seconds: number;
  engines: Record<string, Measured>;
  missing: string[];
}

const OURS = 'trainyard';
/** Allowed relative difference of losses: f32 sums in another order. */
const SAME_LOSS = 1e-4;
/** A peer this many times slower is asked once: further rounds could not change what is said of it. */
const FAR_SLOWER = 4;

const script = fileURLToPath(new URL('./train.ts', import.meta.url));

/** One run of ours; `kernels` left out: the best build. */
export async function runOurs(options: {
  workload: string;
  threads: number;
  seconds: number;
  kernels?: string;
}): Promise<TrainFigures> {
  const parameters = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const { stdout } = await promisify(execFile)(process.execPath, [script, ...parameters]);
  return JSON.parse(stdout) as TrainFigures;
}

function compareLosses(figures: TrainFigures, ours: TrainFigures): string | null {
  const far = (['loss_step0', 'loss_check'] as const).find((name) => {
    const [theirs, own] = [figures[name], ours[name]];
    // a peer too slow to come to the check step in its warm-up tells none
    return theirs !== null && own !== null && !(Math.abs(theirs - own) <= SAME_LOSS * Math.abs(own));
  });
  return far === undefined ? null : `${far} ${figures[far]}, ours ${ours[far]}`;
}

export async function ask({ workloads, threads, seconds, rounds, peers }: BenchOptions): Promise<void> {
  const found = peers === null ? [] : await findPeers(peers.folder, peers.names);
  const missing = found.flatMap((peer) => peer.missing ?? []);
  for (const line of missing) console.error(line);
  const pairs = workloads.flatMap((workload) => threads.map((n) => ({ workload: workloadNamed(workload).name, n })));
  const takesPart = (peer: Peer, workload: string, n: number) => peer.missing === null && peer.does(workload, n);
  const runs = pairs.map(({ workload, n }) => rounds * (1 + found.filter((p) => takesPart(p, workload, n)).length));
  const progress = showProgress(runs.reduce((sum, count) => sum + count, 0));
  for (const { workload, n } of pairs) {
    const options = { workload, threads: n, seconds };
    const engines: Record<string, Measured> = {};
    const names = [OURS, ...found.filter((peer) => takesPart(peer, workload, n)).map((peer) => peer.name)];
    let ours: TrainFigures | undefined;
    for (let round = 0; round < rounds; round++) {
      for (const name of names) {
        progress.begin(`${workload}, ${n} thread${n > 1 ? 's' : ''}: ${name}`);
        const sofar = engines[name];
        if (sofar === undefined || sofar.samplesPerSecond[0]! * FAR_SLOWER > ours!.samples_per_s) {
          const figures = name === OURS ? await runOurs(options) : await runPeer(peers!.folder, name, options);
          ours ??= figures;
          engines[name] = {
            samplesPerSecond: [...(sofar?.samplesPerSecond ?? []), figures.samples_per_s],
            peakRssMb: Math.max(sofar?.peakRssMb ?? 0, figures.peak_rss_mb),
            differs: sofar?.differs ?? compareLosses(figures, ours),
          };
        }
        progress.done();
      }
    }
    record('training', `${workload}/${n}`, {
      workload,
      threads: n,
      seconds,
      engines,
      missing,
    } satisfies TrainingResult);
    for (const [name, { differs }] of Object.entries(engines)) {
      if (differs === null) continue;
      console.error(`\n${workload}: ${name} does not come to the same loss: ${differs}`);
      process.exitCode = 1;
    }
  }
  progress.end();
}

export function render(recorded: Record<string, unknown>): string {
  const results = Object.values(recorded as Record<string, TrainingResult>).sort(
    (a, b) => a.workload.localeCompare(b.workload) || a.threads - b.threads,
  );
  const peers = [...new Set(results.flatMap((r) => Object.keys(r.engines)))].filter((name) => name !== OURS);
  const rows = results.map(({ workload, threads, engines }) => {
    const ours = medianOf(engines[OURS]!.samplesPerSecond);
    const compared = peers.flatMap((name) => {
      const found = engines[name];
      if (found === undefined) return ['', '', ''];
      const theirs = medianOf(found.samplesPerSecond);
      const ratio = found.differs === null ? `**${(ours / theirs).toFixed(2)}**` : 'losses differ';
      return [show(theirs), ratio, found.peakRssMb];
    });
    return [workload, threads, show(ours), engines[OURS]!.peakRssMb, ...compared];
  });
  const heads = peers.flatMap((name) => [name, `ours / ${name}`, 'MB']);
  const missing = [...new Set(results.flatMap((r) => r.missing))];
  const seconds = [...new Set(results.map((r) => r.seconds))].join(' or ');
  const most = Math.max(...results.map((r) => r.engines[OURS]!.samplesPerSecond.length));
  return [
    '## How fast does a workload train?',
    `Training samples a second, medians of up to ${most} runs of ${seconds} s in turns, and peak memory of the process (MB). Every engine came to the
same losses from the same weights unless it says otherwise. \`npm run bench -- training --peers folder\``,
    table(['', 'threads', 'Trainyard', 'MB', ...heads], rows),
    ...missing.map((line) => `Not compared: ${line}.`),
  ].join('\n\n');
}
