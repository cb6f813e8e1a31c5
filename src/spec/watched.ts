/** Metrics that training can watch. Loss and mae, mse, rmse: smaller is better; accuracy: larger. */
export const WATCHED = ['validation.loss', 'validation.accuracy', 'validation.mae', 'train.loss'] as const;
export type Watched = (typeof WATCHED)[number];
