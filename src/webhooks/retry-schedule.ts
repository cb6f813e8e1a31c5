/**
 * Seconds before the second try and those after it: the schedule of the Standard Webhooks specification. The last comes some three days after the
 * event.
 */
const MINUTE = 60;
const HOUR = 60 * MINUTE;
export const RETRY_DELAYS_S = [
  5,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
] as const;

/** What failed together, as when the target is restarted, must not come back together. */
const JITTER = 0.2;
const LONGEST_RETRY_AFTER_S = 24 * HOUR;

/**
 * Seconds until the next try after `failures` in a row; null: there is none. A target that says when it wants to be asked again (Retry-After, in
 * seconds) is not asked sooner.
 */
export function chooseDelay(
  delays: readonly number[],
  failures: number,
  retryAfterS: number | null,
  random: () => number = Math.random,
): number | null {
  const delay = delays[failures - 1];
  if (delay === undefined) return null;
  const jittered = delay * (1 + JITTER * random());
  return Math.max(jittered, Math.min(retryAfterS ?? 0, LONGEST_RETRY_AFTER_S));
}
