import { type Static, Type } from 'typebox';
import { closed } from './schema.ts';

export const Note = closed(
  {
    code: Type.String({
      description:
        'dropped_…: rows left out; empty_…: a part that was asked for and has no rows; unknown_classes: classes that no training row had; leakage_…: held-out rows or the target may be known in training',
    }),
    message: Type.String(),
    data: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  },
  { title: 'Note', description: 'What was noticed when the rows were loaded.' },
);
export type Note = Static<typeof Note>;
