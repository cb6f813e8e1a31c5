import { type Static, Type } from 'typebox';
import { closed, nullable, words } from './schema.ts';

export const VERDICTS = ['underfitting', 'overfitting', 'diverged', 'plateau', 'good_fit', 'undecided'] as const;

export const Diagnosis = closed(
  {
    verdict: words(VERDICTS, {
      description:
        'underfitting: little is learnt yet, or could be; overfitting: what is learnt does not hold for the validation split; plateau: the loss stands still far from the goal; undecided: too little is known, such as fewer than five epochs or no validation split',
    }),
    reason: Type.String({ description: 'the figures that it follows from' }),
    advice: nullable(Type.String(), { description: 'what may help; null where nothing need be done' }),
  },
  { title: 'Diagnosis', description: 'What the learning curve says.' },
);
export type Diagnosis = Static<typeof Diagnosis>;
