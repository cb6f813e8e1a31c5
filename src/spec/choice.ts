import { type Static, Type } from 'typebox';
import { closed } from './schema.ts';

/** What was left to the service to choose, and why it chose so. */

export const Choice = closed(
  {
    field: Type.String({ description: 'JSON pointer into the spec' }),
    value: Type.Unknown({ description: 'what was chosen' }),
    reason: Type.String(),
  },
  { title: 'Choice' },
);
export type Choice = Static<typeof Choice>;

export type Choose = (field: string, value: unknown, reason: string) => void;

/** Chosen by a job itself, at its start. */
export const LEARNING_RATE = '/training/optimizer/learning_rate';
