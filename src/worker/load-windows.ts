import { fitBytePairs, loadBytePairs, loadCorpus } from '../data/load-corpus.ts';
import { UnusableColumnError } from '../data/table.ts';
import type { Trainer } from '../engine/trainer.ts';
import type { Preparation, PreparedInput } from '../spec/preparation.ts';
import { findCorpus } from '../spec/resolve-text.ts';
import { countTokens, type FittedTokenizer, fitTokenizer, sizeOfVocabulary } from '../spec/tokenizer.ts';
import { countEvaluationWindows, countTrainWindows, splitTokens } from '../spec/windows.ts';
import type { Storage } from '../storage/storage.ts';
import { letGo } from './let-go.ts';
import { joinParts, type LoadedRows, MOST_TRAIN_SAMPLE, sampleRows } from './loaded-rows.ts';
import type { RowsRequest } from './messages.ts';

/** Tokens of the training windows that are judged. */
const MOST_SAMPLED_TOKENS = 50_000;

/**
 * A corpus as rows: row s is the window of tokens [s, s + context), and its labels are the tokens after each. All windows lie in one table of tokens,
 * each of which is kept twice: as a feature and as a label.
 */
export async function loadWindows(
  { spec, dataset, preparation: fitted, inherited }: RowsRequest,
  storage: Storage,
): Promise<LoadedRows> {
  const text = findCorpus(dataset.columns);
  const [input] = spec.inputs;
  if (text === null || input?.tokenizer === undefined)
    throw new Error('a job over a corpus has a tokenizer and a text');
  const { column, tokenizer, context = 1, stride = context } = input;
  const file = dataset.files[0]!;
  const earlier = fitted ?? inherited;
  const inTokens = tokenizer.type !== 'bpe';
  // how many byte pairs a text has is known when it has been read
  const shares = splitTokens(inTokens ? countTokens(tokenizer, text)! : text.characters, spec.split);
  const preparation = earlier ?? prepare(column, await fitTokens(), context);
  const { tokenizer: known } = preparation.inputs[0] as Extract<PreparedInput, { type: 'text' }>;
  const { tokens, parts } = inTokens
    ? { tokens: await loadCorpus(file, storage, known, countTokens(tokenizer, text)!), parts: shares }
    : await loadBytePairs(file, storage, known, shares, text.bytes);
  const count = tokens.length;

  const training = countTrainWindows(parts.train, context, stride);
  if (spec.kind !== 'evaluate' && training.count === 0)
    throw new UnusableColumnError(
      column,
      `has ${parts.train} tokens for training, and a window of ${context} needs ${context + 1}: a shorter context, or a longer text`,
    );
  const testStart = parts.train + parts.validation;
  const validation = placeWindows(parts.train, countEvaluationWindows(parts.validation, context), context);
  const test = placeWindows(testStart, countEvaluationWindows(parts.test, context), context);
  const train = placeWindows(0, training.count, stride);
  const trainSample = sampleRows(train, Math.min(MOST_TRAIN_SAMPLE, MOST_SAMPLED_TOKENS / context));
  const judged = joinParts({ validation, test, trainSample });
  const isSmall = preparation.outputWidth <= 256;
  const writeTokens = (trainer: Trainer) => {
    trainer.features.set(tokens.subarray(0, count - 1));
    trainer.labels.set(tokens.subarray(1));
    letGo([tokens]);
  };
  const trained: LoadedRows = {
    preparation,
    readBytes: tokens.byteLength,
    train,
    phases: training.phases,
    validation,
    test,
    trainSample,
    slices: [],
    classCounts: null,
    notes: [],
    tokensPerCharacter: {
      validation: tokensPerCharacter(tokens.subarray(parts.train, testStart), known, shares.validation),
      test: tokensPerCharacter(tokens.subarray(testStart), known, shares.test),
      train: tokensPerCharacter(tokens.subarray(0, parts.train), known, shares.train),
    },
    description: {
      count: count - context,
      stride: 1,
      features: { dims: [context], ...(isSmall ? { element: 'u8', scale: 1, shift: 0 } : { element: 'f32' }) },
      target: { kind: 'labels', positions: context },
      trainOrder: training.count,
      evaluationOrder: judged.length,
    },
    write(trainer) {
      writeTokens(trainer);
      trainer.evaluationOrder.set(judged);
    },
  };
  return spec.kind === 'evaluate' ? chooseJudged() : trained;

  async function fitTokens(): Promise<FittedTokenizer> {
    if (inTokens) return fitTokenizer(tokenizer, text!, shares.train);
    const vocabulary = spec.inputs[0]!.vocabulary!;
    return { type: 'bpe', json: await fitBytePairs(file, storage, shares.train, vocabulary), vocabulary };
  }

  /** Where a checkpoint is judged: the windows of one part, or of the whole text. */
  function chooseJudged(): LoadedRows {
    const judgedAs = spec.evaluate_on ?? 'all';
    const [start, length] = {
      all: [0, count],
      train: [0, parts.train],
      validation: [parts.train, parts.validation],
      test: [testStart, parts.test],
    }[judgedAs] as [number, number];
    const windows = placeWindows(start, countEvaluationWindows(length, context), context);
    const none = new Uint32Array(0);
    const characters = judgedAs === 'all' ? text!.characters : shares[judgedAs];
    const ofText = tokensPerCharacter(tokens.subarray(start, start + length), known, characters);
    return {
      ...trained,
      train: none,
      validation: none,
      test: windows,
      trainSample: none,
      judgedAs,
      tokensPerCharacter: { validation: ofText, test: ofText, train: ofText },
      description: { ...trained.description, trainOrder: 1, evaluationOrder: windows.length },
      write(trainer) {
        writeTokens(trainer);
        trainer.evaluationOrder.set(windows);
      },
    };
  }
}

function prepare(column: string, tokenizer: FittedTokenizer, context: number): Preparation {
  return {
    inputs: [{ column, type: 'text', tokenizer, context }],
    target: { type: 'next_token', column },
    inputWidth: context,
    outputWidth: sizeOfVocabulary(tokenizer),
  };
}

function placeWindows(first: number, count: number, stride: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, i) => first + i * stride);
}

/** 1 unless tokens are bytes, of which some characters have several, or byte pairs, which are `among` characters. */
function tokensPerCharacter(tokens: Uint16Array, { type }: FittedTokenizer, among: number): number {
  if (type === 'bpe') return among === 0 ? 1 : tokens.length / among;
  if (type !== 'byte') return 1;
  let characters = 0;
  for (const byte of tokens) if ((byte & 0xc0) !== 0x80) characters++;
  return characters === 0 ? 1 : tokens.length / characters;
}
