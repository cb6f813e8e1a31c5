/** Metrics that training can watch. Of loss and mae smaller is better, of accuracy larger. */
export const WATCHED = ['validation.loss', 'validation.accuracy', 'validation.mae', 'train.loss'] as const;
export type Watched = (typeof WATCHED)[number];
