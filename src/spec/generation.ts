import { type Static, Type } from 'typebox';
import { closed, nullable, words } from './schema.ts';

/** Texts from language models. */

const LONGEST_PROMPT = 100_000;
export const MOST_TOKENS = 10_000;

const FIELDS = {
  prompt: Type.String({
    minLength: 1,
    maxLength: LONGEST_PROMPT,
    description: 'what the text goes on from; of a long one the end that the model can see',
  }),
  max_tokens: Type.Optional(Type.Integer({ minimum: 1, maximum: MOST_TOKENS, default: 200 })),
  temperature: Type.Optional(
    Type.Number({ minimum: 0, maximum: 100, default: 1, description: '0: always the most likely token' }),
  ),
  top_k: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 1_000_000, default: 0, description: 'of so many most likely; 0: of all' }),
  ),
  top_p: Type.Optional(
    Type.Number({
      exclusiveMinimum: 0,
      maximum: 1,
      default: 1,
      description: 'of the fewest most likely that make up this share',
    }),
  ),
  seed: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'the same text for the same seed, weights and request; another one each time where it is left out',
    }),
  ),
  stop: Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: 100 }), {
      maxItems: 8,
      default: [],
      description: 'texts that end it; they are left out',
    }),
  ),
  stream: Type.Optional(
    Type.Boolean({ default: false, description: 'as server-sent events, unless Accept asks for JSON lines' }),
  ),
};

const examples = [{ prompt: 'To be', max_tokens: 100 }];
export const GenerationRequest = closed(FIELDS, { title: 'GenerationRequest', examples });
export type GenerationRequest = Static<typeof GenerationRequest>;

/** Of a job it may say which checkpoint. */
export const JobGenerationRequest = closed(
  {
    ...FIELDS,
    checkpoint: Type.Optional(
      Type.String({ maxLength: 100, description: '`best`, `latest` or an id; without a best one, the latest' }),
    ),
  },
  { title: 'JobGenerationRequest', examples },
);

export const FINISH_REASONS = ['stop', 'length'] as const;

export const GeneratedText = closed(
  {
    text: Type.String({ description: 'what follows the prompt' }),
    finish_reason: words(FINISH_REASONS, { description: 'stop: one of `stop` came; length: max_tokens' }),
    tokens: Type.Integer(),
    seed: Type.Integer(),
    model: Type.Optional(Type.String()),
    version: Type.Optional(Type.Integer()),
    checkpoint: Type.String(),
    warnings: Type.Optional(
      Type.Array(
        closed({
          pointer: Type.String(),
          code: Type.String({
            description: '`unknown_characters`: some of the prompt that the network has not learnt',
          }),
          detail: Type.String(),
          expected: nullable(Type.String()),
        }),
        { maxItems: 1, description: 'absent where there is nothing to say; of a stream with the first piece' },
      ),
    ),
  },
  { title: 'GeneratedText' },
);
export type GeneratedText = Static<typeof GeneratedText>;
