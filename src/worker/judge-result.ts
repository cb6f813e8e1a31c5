import { typeid } from 'typeid-js';
import type { Trainer } from '../engine/trainer.ts';
import { encodeOutcomes } from '../judging/outcomes.ts';
import type { Importance } from '../spec/evaluation.ts';
import type { Progress } from '../spec/job.ts';
import type { Note } from '../spec/note.ts';
import { type Storage, StorageFullError } from '../storage/storage.ts';
import { type Judgement, judgeSplits } from './judge-splits.ts';
import { type LoadedRows, MOST_NOTES } from './loaded-rows.ts';
import type { TrainerData } from './messages.ts';
import type { Reporter } from './reporter.ts';
import { shuffleColumns } from './shuffle-columns.ts';
import { whenStorageIsWell } from './when-storage-is-well.ts';

export interface JudgedResult extends Pick<Judgement, 'splits' | 'scores'> {
  importance: Importance | null;
  notes: Note[];
  outcomes: { key: string; sha256: string } | null;
}

/** Shares of the time it takes. */
const SPLITS_SHARE = 0.7;

/**
 * Judges the network with the weights as they are: figures of each split, importance of the columns, and a file of what was answered to each row, which is left out
 * where there is no room for it. Throws StopAskedError as soon as the job or its worker is to stop: nothing of the result is lost by that, it is made anew.
 */
export async function judgeResult(
  { trainer, rows, data, storage }: { trainer: Trainer; rows: LoadedRows; data: TrainerData; storage: Storage },
  trainedSteps: number,
  reporter: Reporter,
  progressSoFar: (percentage: number) => Omit<Progress, 'updated_at'>,
): Promise<JudgedResult> {
  let percentage = 0;
  const begunMs = performance.now();
  const secondsLeft = () => ((performance.now() - begunMs) / 1000) * (100 / percentage - 1);
  const progress = () => ({
    ...progressSoFar(percentage),
    eta_s: percentage === 0 ? null : Math.round(secondsLeft() * 10) / 10,
    evaluation_percentage: percentage,
  });
  const goOn = (from: number, to: number) => (share: number) => {
    percentage = Math.floor((from + (to - from) * share) * 1000) / 10;
    reporter.goOn(progress);
  };
  reporter.phase = 'evaluating';
  reporter.send(progress());
  const { splits, scores, outcomes } = judgeSplits(trainer, rows, data.spec, goOn(0, SPLITS_SHARE));
  const importance = shuffleColumns(trainer, rows, data.spec, trainedSteps, goOn(SPLITS_SHARE, 1));
  const dataset = data.dataset.files.map(({ sha256 }) => sha256).join(' ');
  const key = `evaluations/${data.jobId}/${typeid('evl').toString()}.bin`;
  const write = () => storage.put(key, encodeOutcomes({ dataset, splits: outcomes }));
  const file = await whenStorageIsWell(reporter, write).catch((error: unknown) => {
    if (error instanceof StorageFullError) return null;
    throw error;
  });
  const notes = rows.notes.slice(0, MOST_NOTES);
  return { splits, scores, importance, notes, outcomes: file === null ? null : { key: file.key, sha256: file.sha256 } };
}
