/**
 * A line search for the strong Wolfe conditions: enough descent, and a slope that has become flat enough (Nocedal & Wright 2006, section 3.5),
 * with cubic interpolation. As in PyTorch, which has it from minFunc (Schmidt).
 */
export interface LinePoint {
  /** how far along the direction */
  at: number;
  /** Infinity where it is not finite */
  loss: number;
  slope: number;
}

const ENOUGH_DESCENT = 1e-4;
const FLAT_ENOUGH = 0.9;
const MOST_POINTS = 25;
/** Weights that change by less are the same. */
export const CHANGE_TOLERANCE = 1e-9;

/** Where the cubic through both points, with their slopes, is lowest; within the bounds. */
function interpolate(a: LinePoint, b: LinePoint, lowest: number, highest: number): number {
  const [left, right] = a.at <= b.at ? [a, b] : [b, a];
  const d1 = left.slope + right.slope - (3 * (left.loss - right.loss)) / (left.at - right.at);
  const square = d1 * d1 - left.slope * right.slope;
  const d2 = Math.sqrt(square);
  const share = (right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2);
  const minimum = right.at - (right.at - left.at) * share;
  // no minimum, or a loss that is not finite
  if (!(square >= 0) || Number.isNaN(minimum)) return (lowest + highest) / 2;
  return Math.min(Math.max(minimum, lowest), highest);
}

/**
 * Searches from `start` (at 0), looking at `first` to begin with. `largest`: the largest magnitude in the direction. Returns the best point found,
 * and how many were looked at.
 */
export function searchLine(
  evaluate: (at: number) => LinePoint,
  start: LinePoint,
  first: number,
  largest: number,
): { point: LinePoint; evaluations: number } {
  const descends = ({ at, loss }: LinePoint) => loss <= start.loss + ENOUGH_DESCENT * at * start.slope;
  const isFlat = ({ slope }: LinePoint) => Math.abs(slope) <= -FLAT_ENOUGH * start.slope;
  let looked = 0;

  // further and further, until the minimum lies between two points
  let previous = start;
  let point = evaluate(first);
  let bracket: [LinePoint, LinePoint] | null = null;
  for (; looked < MOST_POINTS; looked++) {
    if (!descends(point) || (looked > 1 && point.loss >= previous.loss)) bracket = [previous, point];
    else if (isFlat(point)) return { point, evaluations: looked + 1 };
    else if (point.slope >= 0) bracket = [previous, point];
    if (bracket !== null) break;
    const next = interpolate(previous, point, point.at + 0.01 * (point.at - previous.at), point.at * 10);
    previous = point;
    point = evaluate(next);
  }

  bracket ??= [start, point];
  let [low, high] = bracket[0].loss <= bracket[1].loss ? bracket : [bracket[1], bracket[0]];
  let wasNearEnd: boolean = false;
  while (looked < MOST_POINTS && Math.abs(high.at - low.at) * largest >= CHANGE_TOLERANCE) {
    const left = Math.min(low.at, high.at);
    const right = Math.max(low.at, high.at);
    const margin = 0.1 * (right - left);
    let at = interpolate(low, high, left, right);
    const isNearEnd = Math.min(right - at, at - left) < margin;
    const keepsAway: boolean = isNearEnd && (wasNearEnd || at >= right || at <= left);
    if (keepsAway) at = Math.abs(at - right) < Math.abs(at - left) ? right - margin : left + margin;
    wasNearEnd = isNearEnd && !keepsAway;

    const between = evaluate(at);
    looked += 1;
    if (!descends(between) || between.loss >= low.loss) {
      high = between;
      if (high.loss < low.loss) [low, high] = [high, low];
      continue;
    }
    if (isFlat(between)) return { point: between, evaluations: looked + 1 };
    if (between.slope * (high.at - low.at) >= 0) high = low;
    low = between;
  }
  return { point: low, evaluations: looked + 1 };
}
