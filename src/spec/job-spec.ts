import { type Static, Type } from 'typebox';
import { Forecast } from './forecast.ts';
import { Input } from './input.ts';
import { Model } from './model.ts';
import { closed, derived, Metadata, nullable, words } from './schema.ts';
import { Split } from './split.ts';
import { MoreTarget, Target } from './target.ts';
import { Training } from './training.ts';
import { WATCHED } from './watched.ts';

/** What a client asks for. */

export const JOB_KINDS = ['train', 'fine_tune', 'evaluate'] as const;
export type JobKind = (typeof JOB_KINDS)[number];

export const CheckpointPolicy = closed(
  {
    every: Type.Unsafe<'epoch' | number>({
      anyOf: [{ const: 'epoch' }, { type: 'integer', minimum: 1, maximum: 1e9 }],
      default: 'epoch',
      description: '`epoch`, or a number of steps. Never more often than min_interval_s.',
    }),
    min_interval_s: Type.Number({ minimum: 0, maximum: 86_400, default: 2 }),
    keep_last: Type.Integer({ minimum: 2, maximum: 100, default: 2 }),
    best: words(
      WATCHED,
      derived('early_stopping.metric; else validation.loss, or train.loss without a validation split'),
    ),
  },
  { title: 'CheckpointPolicy' },
);
export type CheckpointPolicy = Static<typeof CheckpointPolicy>;

export const Resources = closed(
  {
    threads: Type.Unsafe<'auto' | number>({
      anyOf: [{ const: 'auto' }, { type: 'integer', minimum: 1, maximum: 64 }],
      default: 'auto',
      description: 'Threads of the engine; the result is the same for any number.',
    }),
    max_duration_s: nullable(Type.Integer({ minimum: 1, maximum: 30 * 86_400 }), {
      default: null,
      description:
        'Seconds of training, over all attempts. After them the job ends well, with what is best so far, and stop_reason max_duration.',
    }),
    priority: Type.Integer({
      minimum: -100,
      maximum: 100,
      default: 0,
      description: 'larger runs earlier, among the jobs of one tenant',
    }),
  },
  { title: 'Resources' },
);

export const JobSpec = closed(
  {
    kind: words(JOB_KINDS, {
      default: 'train',
      description:
        'fine_tune goes on from the checkpoint `model.from`; evaluate judges that checkpoint on `dataset`, and takes everything else from it',
    }),
    name: Type.String({ minLength: 1, maxLength: 200, ...derived('the dataset’s name and the target') }),
    dataset: Type.String({
      pattern: '^ds_[0-9a-hjkmnp-tv-z]{26}$',
      examples: ['ds_01h455vb4pex5vsknk084sn02q'],
      description: 'the id that came back when it was made',
    }),
    split: Type.Unsafe<Split>({ ...Split, default: {} }),
    inputs: Type.Array(Input, {
      minItems: 1,
      maxItems: 10_000,
      ...derived('the columns other than the target that may tell something of other rows'),
    }),
    target: Type.Unsafe<Target>({
      ...Target,
      ...derived('for fine_tune, the checkpoint’s; for a corpus, its next token; any other train job must say it'),
    }),
    forecast: nullable(Forecast, {
      default: null,
      description: 'the target’s next values are told from the last rows; null: each row tells its own target',
    }),
    more_targets: Type.Array(MoreTarget, {
      maxItems: 64,
      default: [],
      description:
        'What is predicted besides `target`: the loss is the weighted sum. Rows that lack any target are left out.',
    }),
    model: Type.Unsafe<Model>({ ...Model, default: {} }),
    training: Type.Unsafe<Training>({ ...Training, default: {} }),
    checkpoints: Type.Unsafe<CheckpointPolicy>({ ...CheckpointPolicy, default: {} }),
    evaluate_on: Type.Optional(
      words(['all', 'train', 'validation', 'test'], {
        ...derived(
          'for evaluate on the checkpoint’s own dataset, its test split, else its validation split; on another one, all rows',
        ),
        description: 'kind `evaluate`: the rows that are judged',
      }),
    ),
    resources: Type.Unsafe<Static<typeof Resources>>({ ...Resources, default: {} }),
    start_at: nullable(Type.String({ format: 'date-time', maxLength: 40 }), {
      default: null,
      description: 'The job waits until then (RFC 3339, at most a year ahead); null: it may start at once.',
    }),
    metadata: Type.Unsafe<Static<typeof Metadata>>({ ...Metadata, default: {} }),
  },
  { title: 'JobSpec', description: 'A job specification.' },
);
export type JobSpec = Static<typeof JobSpec>;
