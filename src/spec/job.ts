import { type Static, Type } from 'typebox';
import { Augmentation } from './augmentation.ts';
import { Choice } from './choice.ts';
import { Imputation, NORMALIZATION_TEXT, NORMALIZATIONS, Outliers, Smoothing, Transform } from './column-options.ts';
import { Diagnosis } from './diagnosis.ts';
import { Forecast } from './forecast.ts';
import { OutputLayer } from './layers/dense.ts';
import { NAME } from './layers/fields.ts';
import { Loss } from './loss.ts';
import { Model } from './model.ts';
import { Note } from './note.ts';
import { DATE_PARTS } from './preparation.ts';
import { closed, derived, nullable, words } from './schema.ts';
import { Tokenizer } from './tokenizer.ts';
import { Training } from './training.ts';
import { WATCHED } from './watched.ts';
import { Transfer } from './weights.ts';

/** A job: what a client asks for, and what it sees while the job lives. */

export const JOB_KINDS = ['train', 'fine_tune', 'evaluate'] as const;
export type JobKind = (typeof JOB_KINDS)[number];

export const JOB_STATUSES = [
  'validating',
  'queued',
  'running',
  'pausing',
  'paused',
  'cancelling',
  'succeeded',
  'failed',
  'cancelled',
] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];
export const FINAL_STATUSES: readonly JobStatus[] = ['succeeded', 'failed', 'cancelled'];
/** A worker holds the job, by a lease. */
export const HELD_STATUSES: readonly JobStatus[] = ['running', 'pausing', 'cancelling'];

/** Why a queued job does not run yet. */
export const QUEUE_REASONS = ['delayed_start', 'tenant_limit', 'other_jobs', 'no_worker', 'next'] as const;
export type QueueReason = (typeof QUEUE_REASONS)[number];

export const JOB_PHASES = ['loading', 'training', 'evaluating', 'saving'] as const;
export type JobPhase = (typeof JOB_PHASES)[number];

export const STOP_REASONS = ['completed', 'early_stopped', 'max_duration', 'cancelled', 'diverged', 'error'] as const;
export type StopReason = (typeof STOP_REASONS)[number];

const fraction = Type.Number({ minimum: 0, exclusiveMaximum: 1, default: 0.1 });
const name = { minLength: 1, maxLength: 256 };
const column = Type.String(name);

export const Split = closed(
  {
    validation: fraction,
    test: fraction,
    shuffle: Type.Boolean({
      default: true,
      description:
        'false: in the order of the dataset, the last rows are for test and those before them for validation; always so for a corpus',
    }),
    stratify: Type.Boolean(derived('true for a category target that is shuffled')),
    seed: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, default: 0 }),
    group_by: Type.Optional(
      Type.String({ ...name, description: 'a column, no input unless named: rows of one value are in one part' }),
    ),
    order_by: Type.Optional(
      Type.String({
        ...name,
        description:
          'a number or date column without missing values: the past is for training, what follows for validation, the end for test',
      }),
    ),
    given_by: Type.Optional(
      Type.String({
        ...name,
        description:
          'a column, no input unless named, that says `train`, `validation` or `test` for each row; a row where it says nothing is left out. `validation` and `test` are the shares that it gives.',
      }),
    ),
    folds: Type.Optional(
      Type.Integer({
        minimum: 2,
        maximum: 100,
        description:
          'cross-validation: rows that are not for test are cut into so many parts, one of which is for validation; with order_by every fold trains on what is before it. One job is one fold: `validation` follows.',
      }),
    ),
    fold: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 99,
        ...derived('0, with folds'),
        description: 'the part that is for validation, from 0',
      }),
    ),
    duplicates: Type.Optional(
      words(['keep', 'drop'], {
        description:
          'drop: of rows that are alike in every input and target, the first alone is used, before rows are split; left out: keep',
      }),
    ),
    balance: Type.Optional(
      words(['none', 'oversample', 'undersample'], {
        description:
          'how often training goes over rows of a category target: oversample: rows of small classes again, until each has as many as the largest; undersample: as many rows of each as the smallest has. Held-out rows stay as they are. Weights of classes (loss.class_weights "balanced") are another way. Left out: none',
      }),
    ),
  },
  { title: 'Split', description: 'Which rows are held out, and which training goes over.' },
);
export type Split = Static<typeof Split>;

export const ENCODINGS = [
  'values',
  'one_hot',
  'index',
  'ordinal',
  'hash',
  'hash_index',
  'target',
  'cycles',
  'tfidf',
  'bag_of_words',
] as const;

export const Input = closed(
  {
    column,
    type: words(
      ['number', 'category', 'boolean', 'date', 'image', 'text'],
      derived('the column’s type in the dataset'),
    ),
    normalize: words(NORMALIZATIONS, {
      ...derived('standard for numbers, minmax for images, none otherwise'),
      description: `${NORMALIZATION_TEXT}. An image takes standard, minmax (0 to 1) or none.`,
    }),
    impute: Type.Optional(
      Type.Unsafe<Imputation>({
        ...Imputation,
        ...derived('mean for a number'),
        description:
          'what stands for a missing number; of a category most_frequent or constant, and left out: nothing does',
      }),
    ),
    missing_indicator: Type.Optional(
      Type.Boolean({
        description: 'one more input, 1 where the value is missing and 0 where it is there; not of images and texts',
      }),
    ),
    outliers: Type.Optional(Outliers),
    smooth: Type.Optional(
      Type.Unsafe<Smoothing>({
        ...Smoothing,
        description:
          'of a number in a forecast: each row becomes what the last `span` rows of its series say, and none behind it, so nothing is told ahead. Prediction takes span − 1 rows more. A missing value is the one before it; before anything else is done.',
      }),
    ),
    transform: Type.Optional(Transform),
    tokenizer: Type.Optional(
      Type.Unsafe<Tokenizer>({ ...Tokenizer, ...derived('character for a corpus, word for a column of texts') }),
    ),
    context: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 32_512,
        ...derived('64 for a text, less where it is very short'),
        description: 'of a text: tokens in a window, which is as far back as a network sees',
      }),
    ),
    stride: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1e9,
        ...derived('context: an epoch tells every token once'),
        description:
          'of a text: tokens from one training window to the next; where the first begins is drawn anew each epoch',
      }),
    ),
    encoding: words(ENCODINGS, {
      ...derived(
        'one_hot for a category, tfidf for a column of texts, index for a corpus, cycles for a date, values otherwise',
      ),
      description:
        'Of a category: one_hot: a number for each class; index: one whole number, for an embedding, 0 is what is missing or unseen; ordinal: its place in `order`, from 0 to 1; hash, hash_index: one-hot or a whole number of `buckets`, whatever the classes, also of texts; target: the mean of the target over the training rows of the class (for classes, of each). Of a date: cycles: its `parts`. Of texts: bag_of_words: how often each of the most frequent terms stands in it; tfidf: that times ln((1 + n)/(1 + d)) + 1 for a term in d of n texts, divided by the root of the sum of squares; hash: how often terms of each of `buckets` stand in it; index: `length` whole numbers, for an embedding with padding: 0 behind the end, 1 for what is unknown, tokens from 2 on.',
    }),
    order: Type.Optional(
      Type.Array(Type.String({ maxLength: 1024 }), {
        minItems: 2,
        maxItems: 1000,
        uniqueItems: true,
        ...derived('the order of its classes in the dataset'),
        description: 'of an ordinal: all classes, from the first to the last',
      }),
    ),
    buckets: Type.Optional(
      Type.Integer({
        minimum: 2,
        maximum: 65_536,
        ...derived('64 for a category by hash, else 1024'),
        description: 'of a hash: how many numbers it may give; what meets in one is not told apart',
      }),
    ),
    smoothing: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 1e6,
        ...derived('10, for target'),
        description:
          'of a target encoding: rows of the mean of all that are counted in with those of a class. Training rows are given means over other training rows, so that they are not told their answers.',
      }),
    ),
    min_count: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1e9,
        description:
          'of a category by one_hot or index: classes of fewer training rows are one class, and unseen ones with them; of texts: terms in fewer training rows are left out',
      }),
    ),
    max_classes: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1000,
        description: 'of a category by one_hot or index: so many most frequent classes are told apart, others are one',
      }),
    ),
    vocabulary: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 100_000,
        ...derived(
          '2000 for tfidf, bag_of_words and bpe, 10000 for words and 500 for characters by index; 1000 for a corpus by bpe',
        ),
        description:
          'of texts: so many terms that stand in most training rows, or tokens, are told apart at most; of a corpus by bpe, 257 to 65,536',
      }),
    ),
    ngrams: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 5,
        description: 'of texts by tfidf, bag_of_words or hash: terms are up to so many tokens in a row; left out: 1',
      }),
    ),
    length: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 32_512,
        ...derived('128'),
        description: 'of texts by index: tokens of a row; longer texts are cut at their end',
      }),
    ),
    per_channel: Type.Optional(
      Type.Boolean({
        description:
          'of an image by standard: each channel by its own mean and standard deviation; it takes four times the memory then. Left out: false',
      }),
    ),
    augment: Type.Optional(Augmentation),
    parts: Type.Optional(
      Type.Array(words(DATE_PARTS), {
        minItems: 1,
        maxItems: 7,
        uniqueItems: true,
        ...derived('hour, weekday, day_of_year and elapsed'),
        description:
          'of a date, in UTC: cycles become sine and cosine of how much of them is over; year and elapsed (since 1970) are scaled numbers',
      }),
    ),
    into: Type.String({
      pattern: NAME,
      maxLength: 64,
      default: 'input',
      description:
        'the model input that the column is part of, by the name under which layers take it; columns of one input stand side by side',
    }),
  },
  {
    title: 'Input',
    shorthand: 'column',
    description:
      'Numbers are scaled, categories become one-hot, a text becomes tokens; fitted on the training split alone.',
  },
);
export type Input = Static<typeof Input>;

export const Target = closed(
  {
    columns: Type.Array(column, { minItems: 1, maxItems: 1000, uniqueItems: true }),
    type: words(
      ['number', 'category', 'next_token'],
      derived(
        'category for category, boolean and text columns of few values; number for numbers; next_token for a corpus',
      ),
    ),
    normalize: words(NORMALIZATIONS, {
      ...derived('standard for numbers, none for a category, and for losses that take numbers as they are'),
      description: `${NORMALIZATION_TEXT}. Predictions come back in the column’s own units.`,
    }),
    outliers: Type.Optional(Outliers),
    transform: Type.Optional(Transform),
  },
  {
    title: 'Target',
    description: 'What is predicted: a column name, a list of number columns, or an object with `column` or `columns`.',
  },
);
export type Target = Static<typeof Target>;

export const MoreTarget = closed(
  {
    name: Type.String({
      pattern: NAME,
      maxLength: 64,
      ...derived('the column where that is a name, else target_2, target_3, …'),
      description: 'its output layer is output_<name>; its metrics are <name>.loss, <name>.accuracy, …',
    }),
    ...Target.properties,
    loss: Type.Unsafe<Loss>({ ...Loss, ...derived('cross_entropy for a category, mse for numbers') }),
    weight: Type.Number({
      exclusiveMinimum: 0,
      maximum: 1e6,
      default: 1,
      description: 'factor of its loss in the sum; that of `target` has 1',
    }),
    output: Type.Unsafe<OutputLayer>({
      anyOf: [OutputLayer],
      ...derived('a dense layer after what `target` is told from'),
    }),
  },
  {
    title: 'MoreTarget',
    description: 'Another target of the same network, with an output layer and a loss of its own.',
  },
);
export type MoreTarget = Static<typeof MoreTarget>;

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
      ...derived('every column but the target, and those that tell nothing and has more than one value'),
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
    metadata: Type.Record(Type.String({ pattern: '^[A-Za-z0-9_.-]{1,64}$' }), Type.String({ maxLength: 512 }), {
      default: {},
      maxProperties: 32,
      additionalProperties: false,
    }),
  },
  { title: 'JobSpec', description: 'A job specification.' },
);
export type JobSpec = Static<typeof JobSpec>;

/** Numbers that JSON cannot say are strings. */
export const JsonNumber = Type.Unsafe<number | 'NaN' | 'Infinity' | '-Infinity'>({
  anyOf: [{ type: 'number' }, { enum: ['NaN', 'Infinity', '-Infinity'] }],
});

export const Progress = closed(
  {
    percentage: Type.Number({ minimum: 0, maximum: 100 }),
    step: Type.Integer({ minimum: 0 }),
    total_steps: Type.Integer({ minimum: 0 }),
    epoch: Type.Integer({ minimum: 0 }),
    epochs: Type.Integer({ minimum: 0 }),
    eta_s: nullable(Type.Number({ minimum: 0 })),
    samples_per_s: nullable(Type.Number({ minimum: 0 })),
    evaluation_percentage: Type.Optional(
      Type.Number({ minimum: 0, maximum: 100, description: 'in the phase evaluating: how much of it is done' }),
    ),
    metrics: Type.Record(Type.String(), JsonNumber, {
      description: 'the latest value of each: train.loss, validation.loss, validation.accuracy, …',
    }),
    updated_at: Type.String({ format: 'date-time' }),
  },
  { title: 'Progress' },
);
export type Progress = Static<typeof Progress>;

export const JobError = closed(
  {
    code: Type.String(),
    category: words(['user', 'server']),
    message: Type.String(),
    hint: nullable(Type.String()),
    attempt: Type.Integer(),
    last_checkpoint: nullable(Type.String()),
  },
  { title: 'JobError' },
);
export type JobError = Static<typeof JobError>;

/** What the engine that ran the job was: bits are promised for one build. */
export const Runtime = closed(
  {
    worker: Type.String(),
    kernels: Type.String({ description: 'kernel build: revectorized, relaxed, plain or naive' }),
    threads: Type.Integer({ minimum: 1 }),
    parameters: Type.Integer({ minimum: 0 }),
    trained_parameters: Type.Optional(
      Type.Integer({ minimum: 0, description: 'those that training changes: what is not frozen, and adapters' }),
    ),
    memory_bytes: Type.Integer({
      minimum: 0,
      description:
        'what the job takes beyond an idle worker: rows, weights, optimizer state, buffers, the best weights, threads',
    }),
    event_loop_delay_max_ms: nullable(Type.Number(), {
      description: 'longest delay seen on the thread that renews the lease',
    }),
    notes: Type.Optional(
      Type.Array(Note, {
        description: 'what was noticed when the rows were loaded; each is a job.message event as well',
      }),
    ),
    learning_rate: Type.Optional(Type.Number({ description: 'where the spec says auto: what the range test found' })),
    first_step_ms: Type.Optional(
      nullable(Type.Number({ minimum: 0 }), { description: 'from the worker taking the job to its first step' }),
    ),
  },
  { title: 'Runtime' },
);
export type Runtime = Static<typeof Runtime>;

export const Job = closed(
  {
    id: Type.String(),
    kind: words(JOB_KINDS),
    name: Type.String(),
    status: words(JOB_STATUSES),
    phase: nullable(words(JOB_PHASES)),
    stop_reason: nullable(words(STOP_REASONS)),
    attempt: Type.Integer({ minimum: 0, description: 'how many times a worker has taken the job up' }),
    queue_position: nullable(Type.Integer({ minimum: 1 }), {
      description: 'while queued: 1 is next, with tenants taking turns; 1000 is that place or one further back',
    }),
    queue_reason: nullable(closed({ code: words(QUEUE_REASONS), detail: Type.String() }), {
      description: 'while queued: what the job waits for',
    }),
    origin: nullable(closed({ job_id: Type.String(), by: words(['retry', 'clone']) }), {
      description: 'the job that this one was made from',
    }),
    transitions: Type.Array(
      closed({
        status: words(JOB_STATUSES),
        at: Type.String({ format: 'date-time' }),
        reason: nullable(Type.String()),
      }),
    ),
    conditions: Type.Array(
      closed({ type: Type.String(), since: Type.String({ format: 'date-time' }), detail: Type.String() }),
    ),
    progress: nullable(Progress),
    metrics: Type.Record(Type.String(), JsonNumber, {
      description: 'final figures, by split: test.accuracy, best.validation.loss, …',
    }),
    transfer: nullable(Transfer, {
      description: 'what comes of uploaded weights; null where the job begins from none',
    }),
    diagnosis: nullable(Diagnosis, { description: 'what the learning curve says so far, and in the end' }),
    error: nullable(JobError),
    runtime: nullable(Runtime),
    spec: JobSpec,
    choices: Type.Array(Choice, {
      description:
        'what the request left out and was chosen from the dataset, with the reason; other defaults are not listed',
    }),
    created_at: Type.String({ format: 'date-time' }),
    started_at: nullable(Type.String({ format: 'date-time' })),
    finished_at: nullable(Type.String({ format: 'date-time' })),
  },
  { title: 'Job' },
);
export type Job = Static<typeof Job>;

export const EVENT_TYPES = [
  'job.queued',
  'job.started',
  'job.resumed',
  'job.metrics',
  'job.checkpoint',
  'job.message',
  'job.pausing',
  'job.paused',
  'job.cancelling',
  'job.cancelled',
  'job.succeeded',
  'job.failed',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

export const JobEvent = closed(
  {
    id: Type.Integer({ minimum: 1, description: 'sequence within the job, without gaps' }),
    type: words(EVENT_TYPES),
    at: Type.String({ format: 'date-time' }),
    data: Type.Record(Type.String(), Type.Unknown()),
  },
  { title: 'JobEvent' },
);
export type JobEvent = Static<typeof JobEvent>;

export const SPLITS = ['train', 'validation', 'test'] as const;
export type SplitName = (typeof SPLITS)[number];

/** One point of a series. Epoch figures carry the step at which the epoch ended. */
export interface MetricPoint {
  name: string;
  split: SplitName;
  step: number;
  epoch: number;
  value: number;
}

export const Checkpoint = closed(
  {
    id: Type.String(),
    job_id: Type.String(),
    step: Type.Integer({ minimum: 0 }),
    epoch: Type.Integer({ minimum: 0 }),
    metrics: Type.Record(Type.String(), JsonNumber),
    size_bytes: Type.Integer({ minimum: 0 }),
    sha256: Type.String(),
    is_best: Type.Boolean(),
    is_latest: Type.Boolean(),
    created_at: Type.String({ format: 'date-time' }),
  },
  { title: 'Checkpoint' },
);
export type Checkpoint = Static<typeof Checkpoint>;
