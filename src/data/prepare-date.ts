import type { PreparedDate } from '../spec/preparation.ts';

/** A date as a network sees it: tables and rows are prepared by this same function. All in UTC. */

const DAY_MS = 86_400_000;
const YEAR_MS = 365.2425 * DAY_MS;

/** Numbers it takes, without the indicator. */
export function widthOfDate({ parts }: PreparedDate): number {
  return parts.reduce((sum, { of }) => sum + (of === 'year' || of === 'elapsed' ? 1 : 2), 0);
}

/** `time`: milliseconds since 1970; NaN is missing, and all zeros. */
export function openDateWriter(input: PreparedDate): (y: { [at: number]: number }, at: number, time: number) => void {
  const { parts, indicator } = input;
  const width = widthOfDate(input);
  return (y, at, time) => {
    let to = at;
    for (const part of parts) {
      if (part.of === 'year' || part.of === 'elapsed') {
        y[to++] = Number.isNaN(time) ? 0 : (part.of === 'year' ? yearOf(time) : time) * part.scale + part.shift;
        continue;
      }
      const angle = 2 * Math.PI * phaseOf(part.of, time);
      y[to++] = Number.isNaN(time) ? 0 : Math.sin(angle);
      y[to++] = Number.isNaN(time) ? 0 : Math.cos(angle);
    }
    if (indicator === true) y[at + width] = Number.isNaN(time) ? 1 : 0;
  };
}

/** Share of a cycle that is over. */
function phaseOf(cycle: 'hour' | 'weekday' | 'month' | 'day_of_month' | 'day_of_year', time: number): number {
  const day = Math.floor(time / DAY_MS);
  const date = new Date(time);
  switch (cycle) {
    case 'hour':
      return (time - day * DAY_MS) / DAY_MS;
    case 'weekday':
      // 1970 began on a Thursday
      return ((((day + 3) % 7) + 7) % 7) / 7;
    case 'month':
      return date.getUTCMonth() / 12;
    case 'day_of_month': {
      const days = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
      return (date.getUTCDate() - 1) / days;
    }
    case 'day_of_year':
      return (time - Date.UTC(date.getUTCFullYear(), 0, 1)) / YEAR_MS;
  }
}

export function yearOf(time: number): number {
  return new Date(time).getUTCFullYear();
}
