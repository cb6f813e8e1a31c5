import type { Choose } from './choice.ts';
import { TEXT_COLUMN } from './corpus.ts';
import type { Column, TextProfile } from './dataset.ts';
import type { Add, Draft } from './draft.ts';
import { expandPreset } from './expand-preset.ts';
import { fillDefaults } from './expand-request.ts';
import type { KnownCheckpoint } from './fine-tune.ts';
import { Input } from './input.ts';
import { Layer } from './model.ts';
import { PRESETS } from './presets.ts';
import { showCount } from './show-count.ts';
import { countTokens, fitTokenizer, sizeOfVocabulary } from './tokenizer.ts';
import { countEvaluationWindows, countTrainWindows, splitTokens, type TextParts } from './windows.ts';

/** Jobs over a corpus: a language model, which tells at every position of a window what comes next. */

/** What a corpus is learnt with where no layers are given: fast on a processor, and hard to beat on texts of a few megabytes. */
const DEFAULT_LAYERS = PRESETS['lstm-small'].layers;
const DEFAULT_CONTEXT = 64;
const DEFAULT_EPOCHS = 10;
const DEFAULT_PAIRS = 1000;
const BYTES = 256;
/** Tokens are kept in two bytes each. */
const MOST_PAIRS = 65_536;

/** The corpus that a dataset is; null where it has rows of columns. */
export function findCorpus(columns: readonly Column[]): TextProfile | null {
  const [only] = columns;
  return columns.length === 1 ? (only!.text ?? null) : null;
}

export interface ResolvedText {
  context: number;
  vocabulary: number;
  /** windows of each part */
  windows: { train: number; validation: number; test: number };
}

/**
 * Input, target, split and what else has other defaults over a corpus. `given`: the spec before defaults were filled in. null where too little is
 * known to look at the rest.
 */
export function resolveText(
  spec: Draft,
  given: Draft,
  text: TextProfile,
  from: KnownCheckpoint | null,
  add: Add,
  choose: Choose,
): ResolvedText | null {
  resolveTarget(spec, add);
  for (const field of ['replace_head', 'refit_inputs'])
    if (spec.model[field])
      add(`/model/${field}`, 'the tokens of a corpus are those that the checkpoint knows', 'false');
  if (spec.training.distillation !== null)
    add('/training/distillation', 'a network of texts follows no teacher here', 'null');
  resolveSplit(spec, given, add);
  const input = resolveInput(spec, text, add);
  if (input === null) return null;
  const { training } = spec;
  checkLoss(training.loss, add);
  // recurrent networks over long windows meet gradients that are far too large now and then
  if (given.training?.clip_norm === undefined) training.clip_norm = 1;
  if (given.training?.epochs === undefined && training.max_steps === null) training.epochs = DEFAULT_EPOCHS;

  const tokens = countTokens(input.tokenizer, text)!;
  const parts = splitTokens(tokens, spec.split);
  const { context, stride } = input;
  const windows = {
    train: countTrainWindows(parts.train, context, stride).count,
    validation: countEvaluationWindows(parts.validation, context),
    test: countEvaluationWindows(parts.test, context),
  };
  // of byte pairs there are at most as many as bytes
  const most = input.tokenizer.type === 'bpe' ? splitTokens(text.bytes, spec.split).train : parts.train;
  if (most > context) windows.train = Math.max(1, windows.train);
  if (windows.train === 0) {
    add(
      '/inputs/0/context',
      `the training split has ${most} tokens, and a window of ${context} needs ${context + 1}`,
      most < 2 ? 'a longer text' : `at most ${most - 1}, or a longer text`,
    );
    return null;
  }
  const known = from?.preparation.inputs[0];
  const vocabulary =
    known?.type === 'text'
      ? sizeOfVocabulary(known.tokenizer)
      : input.tokenizer.type === 'bpe'
        ? input.vocabulary
        : sizeOfVocabulary(fitTokenizer(input.tokenizer, text, parts.train));
  expandPreset(spec, 'corpus', add, choose);
  spec.model.layers ??= DEFAULT_LAYERS.map((layer) => fillDefaults(Layer, layer));
  for (const layer of spec.model.layers) if (layer.type === 'embedding') layer.vocabulary ??= vocabulary;
  return { context, vocabulary, windows };
}

function checkLoss(loss: Draft, add: Add): void {
  if (loss === undefined) return;
  if (loss.type !== 'cross_entropy')
    add('/training/loss', `${loss.type} is not for a text: the next token is one of many`, 'cross_entropy');
  for (const field of ['class_weights', 'ignore_class'])
    if (loss[field] != null) add(`/training/loss/${field}`, 'tokens have no names to be weighed by', 'null');
}

function resolveTarget(spec: Draft, add: Add): void {
  const { columns, type, normalize } = spec.target ?? {};
  if (columns !== undefined && (columns.length !== 1 || columns[0] !== TEXT_COLUMN))
    add(
      '/target/columns',
      'the only column of a corpus is "text"',
      'text, or no target: what is told is the next token',
    );
  if (type !== undefined && type !== 'next_token')
    add('/target/type', `a corpus has no ${type} to predict`, 'next_token');
  if (normalize !== undefined && normalize !== 'none') add('/target/normalize', 'tokens are not normalized', 'none');
  if (spec.more_targets.length > 0) {
    add('/more_targets', 'a corpus tells its next token alone', 'none');
    spec.more_targets = [];
  }
  spec.target = { columns: [TEXT_COLUMN], type: 'next_token', normalize: 'none' };
}

function resolveSplit({ split }: Draft, given: Draft, add: Add): void {
  if (given.split?.shuffle === true)
    add(
      '/split/shuffle',
      'a corpus is split into contiguous parts, or windows would tell what is held out',
      'false: the end is for test, what is before it for validation',
    );
  if (split.stratify === true && split.shuffle) add('/split/stratify', 'a corpus has no classes to share out', 'false');
  split.shuffle = false;
  split.stratify = false;
}

/** Of the input: all other ways to take a column are for tables. */
const FIELDS = ['column', 'type', 'normalize', 'encoding', 'tokenizer', 'vocabulary', 'context', 'stride', 'into'];

/** null where there is none that makes sense. */
function resolveInput(spec: Draft, text: TextProfile, add: Add): Required<Input> | null {
  const [input, ...others] = (spec.inputs ?? [{ column: TEXT_COLUMN }]) as Partial<Input>[];
  if (others.length > 0) add('/inputs', 'a corpus is one input', '["text"]');
  if (input!.column !== TEXT_COLUMN) {
    add('/inputs/0/column', `the dataset has no column "${input!.column}"`, 'text');
    return null;
  }
  if (input!.type !== undefined && input!.type !== 'text')
    add('/inputs/0/type', `a corpus cannot be taken as ${input!.type}`, 'text');
  if (input!.normalize !== undefined && input!.normalize !== 'none')
    add('/inputs/0/normalize', 'tokens are not normalized', 'none');
  if (input!.encoding !== undefined && input!.encoding !== 'index')
    add('/inputs/0/encoding', `a text is not taken as ${input!.encoding}`, 'index');
  for (const field of Object.keys(input!))
    if (!FIELDS.includes(field)) add(`/inputs/0/${field}`, 'is not for the text of a corpus', 'leave it out');
  const tokenizer = input!.tokenizer ?? { type: 'character' };
  const isPairs = tokenizer.type === 'bpe';
  if (tokenizer.type !== 'character' && tokenizer.type !== 'byte' && !isPairs) {
    add(
      '/inputs/0/tokenizer',
      `${tokenizer.type} is for a column of texts, not for a corpus`,
      'character, byte or bpe',
    );
    return null;
  }
  if (!isPairs && input!.vocabulary !== undefined)
    add('/inputs/0/vocabulary', `${tokenizer.type} has as many tokens as there are`, 'leave it out, or tokenizer bpe');
  const vocabulary = input!.vocabulary ?? DEFAULT_PAIRS;
  if (isPairs && (vocabulary <= BYTES || vocabulary > MOST_PAIRS))
    add('/inputs/0/vocabulary', `each of the ${BYTES} bytes is a token`, `${BYTES + 1} to ${MOST_PAIRS}`);
  const tokens = countTokens(tokenizer, text);
  if (tokens === null) {
    add(
      '/inputs/0/tokenizer',
      `the text has ${showCount(text.distinct_characters)} different characters, too many for a token each`,
      'byte',
    );
    return null;
  }
  const context = input!.context ?? fittingContext(splitTokens(tokens, spec.split));
  const resolved = {
    ...(fillDefaults(Input, input) as Input),
    type: 'text' as const,
    normalize: 'none' as const,
    encoding: 'index' as const,
    tokenizer,
    ...(isPairs && { vocabulary }),
    context,
    stride: input!.stride ?? context,
  };
  spec.inputs = [resolved];
  return resolved as Required<Input>;
}

/** 64, or as many as leave every part a window. */
function fittingContext(parts: TextParts): number {
  const lengths = Object.values(parts).filter((length) => length > 1);
  return Math.max(1, Math.min(DEFAULT_CONTEXT, ...lengths.map((length) => length - 1)));
}
