import type { Trainer } from '../engine/trainer.ts';
import { judgeTarget } from '../judging/judge-target.ts';
import type { SplitOutcomes } from '../judging/outcomes.ts';
import type { JudgedSplit, SplitEvaluation } from '../spec/evaluation.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import { AnswerCollector } from './collect-answers.ts';
import { evaluateSplit } from './evaluate-split.ts';
import { JUDGED_PARTS, type JudgedPart, type LoadedRows, placeOfPart } from './loaded-rows.ts';

/** What came out: figures for people, and those that become the job's metrics. */
export interface Judgement {
  splits: Partial<Record<JudgedSplit, SplitEvaluation>>;
  /** `loss`, `accuracy`, … of each part */
  scores: Partial<Record<JudgedPart, Record<string, number>>>;
  /** of the held-out parts, those of the test first */
  outcomes: SplitOutcomes[];
}

/** Targets whose figures are told for parts of the rows, too. */
const MOST_SLICED = 5;

/** Judges every part that has rows, with the weights as they are. `progress`: which share is done; called often, may throw. */
export function judgeSplits(
  trainer: Trainer,
  rows: LoadedRows,
  spec: JobSpec,
  progress: (share: number) => void,
): Judgement {
  const parts = JUDGED_PARTS.filter((part) => placeOfPart(rows, part).rows.length > 0);
  const total = parts.reduce((sum, part) => sum + placeOfPart(rows, part).rows.length, 0);
  const judgement: Judgement = { splits: {}, scores: {}, outcomes: [] };
  let done = 0;
  for (const part of parts) {
    const own = placeOfPart(rows, part);
    const answers = new AnswerCollector(trainer, rows, spec, part);
    // half of the share for the network's answers, half for the intervals
    const scores = evaluateSplit(trainer, rows, spec, part, (...shown) => {
      progress((done + (shown[1] - own.first) / 2) / total);
      answers.visit(...shown);
    });
    const targets = answers.read();
    const slices = rows.slices.map(({ codes, ...slice }) => ({ ...slice, codes: pick(codes, answers.places) }));
    const judged = targets.map((target, i) =>
      judgeTarget(
        target,
        i < MOST_SLICED ? slices : [],
        (row) => answers.rows[row]! + 1,
        { seed: spec.training.seed % 2 ** 31, targets: targets.length },
        () => progress((done + own.rows.length / 2) / total),
      ),
    );
    judgement.scores[part] = scores;
    if (part !== 'train') {
      const targets = judged.map(({ outcomes }) => outcomes);
      judgement.outcomes.unshift({ split: rows.judgedAs ?? part, rows: Int32Array.from(answers.rows), targets });
    }
    judgement.splits[rows.judgedAs ?? part] = {
      rows: part === 'train' ? rows.train.length : own.rows.length,
      judged_rows: answers.rows.length,
      resamples: Math.max(0, ...judged.map(({ resamples }) => resamples)),
      loss: scores.loss!,
      targets: judged.map(({ evaluation }) => evaluation),
    };
    done += own.rows.length;
  }
  return judgement;
}

function pick(codes: Uint8Array, places: Uint32Array): Uint8Array {
  return Uint8Array.from(places, (place) => codes[place]!);
}
