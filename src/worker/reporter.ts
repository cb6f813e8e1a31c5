import type { MessagePort } from 'node:worker_threads';
import type { CheckpointToRecord } from '../jobs/record-checkpoint.ts';
import type { Diagnosis } from '../spec/diagnosis.ts';
import type { JobPhase, Progress } from '../spec/job.ts';
import type { MetricPoint } from '../spec/metric-point.ts';
import { ControlWord, type EventDraft, StopRequest, type TrainerMessage } from './messages.ts';

const REPORT_EVERY_MS = 250;
/** Reports the main thread may be behind before training waits for it: what is not yet recorded stays bounded. */
const MAX_UNACKNOWLEDGED = 32;
const MAX_POINTS = 2000;

/** What was being done is left unfinished, because the job or its worker is to stop. */
export class StopAskedError extends Error {}

/** Gathers what happens while steps run, and tells the main thread a few times a second. */
export class Reporter {
  phase: JobPhase = 'loading';
  trainedSeconds = 0;
  /** asked with every report */
  diagnose: () => Diagnosis | null = () => null;
  readonly #port: MessagePort;
  readonly #control: Int32Array;
  #points: MetricPoint[] = [];
  #events: EventDraft[] = [];
  #checkpoints: CheckpointToRecord[] = [];
  #sent = 0;
  #lastMs = 0;

  constructor(port: MessagePort, control: Int32Array) {
    this.#port = port;
    this.#control = control;
    this.#sent = Atomics.load(control, ControlWord.acknowledged);
  }

  addPoint(point: MetricPoint): void {
    this.#points.push(point);
  }

  addEvent(event: EventDraft): void {
    this.#events.push(event);
  }

  addCheckpoint(checkpoint: CheckpointToRecord): void {
    this.#checkpoints.push(checkpoint);
  }

  isDue(nowMs: number): boolean {
    return nowMs - this.#lastMs >= REPORT_EVERY_MS || this.#points.length >= MAX_POINTS;
  }

  /** Sends what has gathered; null: as far as before. Waits while the main thread is far behind, unless it has asked to stop. */
  send(progress: Omit<Progress, 'updated_at'> | null): void {
    this.#lastMs = performance.now();
    this.#post({
      type: 'report',
      report: {
        phase: this.phase,
        progress,
        points: this.#points,
        events: this.#events,
        checkpoints: this.#checkpoints,
        trainedSeconds: this.trainedSeconds,
        diagnosis: this.diagnose(),
      },
    });
    this.#points = [];
    this.#events = [];
    this.#checkpoints = [];
    this.#sent += 1;
    for (;;) {
      const acknowledged = Atomics.load(this.#control, ControlWord.acknowledged);
      if (this.#sent - acknowledged <= MAX_UNACKNOWLEDGED || this.stopRequest !== StopRequest.none) return;
      Atomics.wait(this.#control, ControlWord.acknowledged, acknowledged, 100);
      this.beat();
    }
  }

  post(message: Exclude<TrainerMessage, { type: 'report' }>): void {
    this.#post(message);
  }

  /** Says that something goes on. */
  beat(): void {
    Atomics.add(this.#control, ControlWord.beat, 1);
  }

  /** Says that something goes on in which there are no steps. Throws StopAskedError when the main thread has asked to stop. */
  goOn(progress: () => Omit<Progress, 'updated_at'>): void {
    this.beat();
    if (this.stopRequest !== StopRequest.none) throw new StopAskedError();
    if (this.isDue(performance.now())) this.send(progress());
  }

  get stopRequest(): number {
    return Atomics.load(this.#control, ControlWord.stop);
  }

  #post(message: TrainerMessage): void {
    this.#port.postMessage(message);
  }
}
