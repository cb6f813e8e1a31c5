import type { Finding } from '../engine/replay.ts';
import type { JobError } from '../spec/job.ts';

/** Numbers are finite, and beyond hope. */
export interface Explosion {
  what: 'explosion';
  /** the loss before the first update, and now */
  first: number;
  loss: number;
}

/** Numbers are finite, and nothing but the last layer can learn any more. */
export interface Death {
  what: 'death';
  /** nearest the output of those that no gradient reaches */
  layer: string;
}

export type Divergence = Finding | Explosion | Death;

/** Says where numbers stopped being finite, and what to do about it. `finding` is null where nobody could look. */
export function describeDivergence(
  finding: Divergence | null,
  { step, epoch, isKept }: { step: number; epoch: number; isKept: boolean },
): Pick<JobError, 'code' | 'category' | 'message' | 'hint'> {
  // an update that was made, and none that was stopped; a death is found when an epoch is over
  const isDone = finding?.what === 'explosion' || finding?.what === 'death';
  const at =
    finding?.what === 'death'
      ? `at step ${step}, after epoch ${epoch}`
      : `at step ${isDone ? step : step + 1}, in epoch ${epoch + 1}`;
  const rows = (finding !== null && 'rows' in finding ? finding.rows : []).map((row) => row + 1);
  const where = rows.length === 0 ? '' : ` (row${rows.length === 1 ? '' : 's'} ${rows.join(', ')} of the dataset)`;
  const kept = isDone
    ? 'The weights are kept as they are.'
    : isKept
      ? 'The weights before that step are kept.'
      : 'The last checkpoint is kept.';
  const message = `Training diverged ${at}: ${sentence(finding)}${where}. ${kept}`;
  return { code: 'diverged', category: 'user', message, hint: adviceFor(finding, step) };
}

function sentence(finding: Divergence | null): string {
  switch (finding?.what) {
    case undefined:
      return 'the loss was no longer a finite number';
    case 'explosion':
      return `the loss was ${finding.first.toPrecision(3)} at first and is ${finding.loss.toPrecision(3)}, and has not fallen for 100 updates`;
    case 'death':
      return `the loss stands still, and no gradient reaches the layer "${finding.layer}" nor what lies before it`;
    case 'inputs':
      return 'the inputs were not finite numbers';
    case 'weights':
      return `${finding.name} was no longer finite, since the gradients of the update before had overflowed`;
    case 'outputs':
      return `the outputs of the layer "${finding.name}" were the first values that were not finite`;
    case 'loss':
      return 'every layer’s outputs were finite, but not the loss of them';
    case 'flow':
      return `the loss was finite, but not the gradient that flows back to the outputs of the layer "${finding.name}"`;
    case 'gradient':
      return `the loss was finite, but not the gradient of ${finding.name}`;
  }
}

/** What becomes of units that are always off, and what helps. */
const OFF_ADVICE =
  'Units that are always off (relu of negative numbers, a saturated sigmoid) learn no more: lower the learning rate, normalize the inputs, or take leaky_relu or another initialization.';

function adviceFor(finding: Divergence | null, step: number): string {
  if (finding?.what === 'death') return OFF_ADVICE;
  if (finding?.what === 'inputs') return 'Mend these rows, or normalize the inputs.';
  if (step === 0 && finding?.what === 'outputs')
    return 'It happened before any update: normalize the inputs, and check that indices lie within an embedding’s vocabulary and that initial weights are small.';
  if (finding?.what === 'loss')
    return 'Lower the learning rate, scale the target, or take a loss that grows less fast (huber, mae).';
  return 'Lower the learning rate, set clip_norm (1.0 is usual), or normalize the inputs.';
}

/** Names of parameters that no gradient reaches. */
export function describeDead(parameters: readonly string[]): string {
  const more = parameters.length - MOST_NAMED;
  const list = `${parameters.slice(0, MOST_NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
  return `The loss stands still, and no gradient reaches ${list}. ${OFF_ADVICE}`;
}

const MOST_NAMED = 8;
