/** Two spirals as CSV: enough to learn that training takes some thousand steps. */
export function spirals(rows: number): string {
  const lines = Array.from({ length: rows }, (_, i) => {
    const arm = i % 2;
    const t = 0.3 + (4 * i) / rows;
    return `${(t * Math.cos(3 * t + arm * Math.PI)).toFixed(5)},${(t * Math.sin(3 * t + arm * Math.PI)).toFixed(5)},${arm === 0 ? 'inner' : 'outer'}`;
  });
  return `x,y,arm\n${lines.join('\n')}\n`;
}

/** A job on them that draws random numbers, schedules its rate and evaluates: whatever is lost on the way shows in its bits. */
export function describeSpirals(dataset: string, { epochs, every = 100 }: { epochs: number; every?: number }) {
  return {
    dataset,
    target: 'arm',
    model: {
      layers: [
        { type: 'dense', units: 64, activation: 'tanh' },
        { type: 'dropout', rate: 0.1 },
        { type: 'dense', units: 64, activation: 'tanh' },
      ],
    },
    training: {
      epochs,
      batch_size: 32,
      seed: 11,
      early_stopping: null,
      schedule: { type: 'cosine', warmup_steps: 20 },
    },
    checkpoints: { every, min_interval_s: 0 },
  };
}
