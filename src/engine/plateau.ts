/**
 * Lowers the learning rate when a metric stops improving, as PyTorch's ReduceLROnPlateau does (threshold_mode "rel"): judged once an epoch, and part
 * of what a checkpoint remembers.
 */
export interface PlateauDescription {
  /** whether a larger metric is a better one */
  largerIsBetter: boolean;
  /** what the rate is multiplied with */
  factor: number;
  /** epochs without improvement that are let pass */
  patience: number;
  /** epochs after a reduction in which nothing is counted */
  cooldown: number;
  /** an improvement is one by more than this share of the best */
  threshold: number;
  /** the share of the base rate that is never gone below; at most 1 */
  lowestShare: number;
}

export interface PlateauState {
  best: number;
  epochsWithout: number;
  cooldownLeft: number;
  /** the share of the base rate that is left */
  share: number;
}

/** The state after an epoch whose metric is `value`; null before the first. */
export function judgePlateau(plateau: PlateauDescription, state: PlateauState | null, value: number): PlateauState {
  const { largerIsBetter, factor, patience, cooldown, threshold, lowestShare } = plateau;
  if (state === null) return { best: value, epochsWithout: 0, cooldownLeft: 0, share: 1 };
  const bound = state.best * (largerIsBetter ? 1 + threshold : 1 - threshold);
  const isBetter = largerIsBetter ? value > bound : value < bound;
  const best = isBetter ? value : state.best;
  const isCooling = state.cooldownLeft > 0;
  const epochsWithout = isBetter || isCooling ? 0 : state.epochsWithout + 1;
  if (epochsWithout > patience) {
    return { best, epochsWithout: 0, cooldownLeft: cooldown, share: Math.max(state.share * factor, lowestShare) };
  }
  return { best, epochsWithout, cooldownLeft: Math.max(0, state.cooldownLeft - 1), share: state.share };
}
