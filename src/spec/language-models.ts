/** What a corpus is learnt with where no layers are given: fast on a processor, and hard to beat on texts of a few megabytes. */
export const LSTM_MODEL = [
  { type: 'embedding', units: 64 },
  { type: 'lstm', units: 256, returns: 'sequence' },
];
