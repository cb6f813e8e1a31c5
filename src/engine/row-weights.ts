/**
 * What each row counts for in the mean of a loss, which is Σ weight·loss / Σ weight: its sample weight times the mean, over its positions,
 * of the weight of the label's class, 0 where the label is ignored. It is what PyTorch divides by, too.
 */
export interface RowWeightsDescription {
  /** one a row; null: all 1 */
  samples: Float32Array | null;
  /** (rows, positions); null for a target of values */
  labels: Int32Array | null;
  positions: number;
  /** labels from one row’s first to the next’s */
  stride: number;
  classWeights: readonly number[] | null;
  ignored: number;
}

/** Σ of the weights of rows order[first … first + rows), in that order */
export function sumRowWeights(
  { samples, labels, positions, stride, classWeights, ignored }: RowWeightsDescription,
  order: Uint32Array,
  first: number,
  rows: number,
): number {
  let sum = 0;
  for (let i = first; i < first + rows; i++) {
    const row = order[i]!;
    let weight = 1;
    if (labels !== null) {
      weight = 0;
      for (let p = row * stride; p < row * stride + positions; p++) {
        const label = labels[p]!;
        if (label !== ignored) weight += classWeights === null ? 1 : classWeights[label]!;
      }
      weight /= positions;
    }
    sum += samples === null ? weight : samples[row]! * weight;
  }
  return sum;
}
