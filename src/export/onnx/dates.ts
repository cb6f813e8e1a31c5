import type { PreparedDate } from '../../spec/preparation.ts';
import type { OnnxGraph } from './graph.ts';
import { arithmetic } from './numbers.ts';

/** Dates as a network sees them, in double: as src/data/prepare-date.ts computes them. */

const DAY_MS = 86_400_000;
const YEAR_MS = 365.2425 * DAY_MS;
const DAYS_OF_MONTHS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const DAYS_BEFORE = DAYS_OF_MONTHS.map((_, month) => DAYS_OF_MONTHS.slice(0, month).reduce((sum, n) => sum + n, 0));

/** time double (N, 1), milliseconds since 1970, to its parts, each double (N, 1), one behind the other */
export function prepareDate(graph: OnnxGraph, time: string, { parts }: PreparedDate): string[] {
  const math = arithmetic(graph);
  const day = graph.add('Floor', [math.over(time, DAY_MS)]);
  const ofCalendar = parts.some(({ of }) => !['hour', 'weekday', 'elapsed'].includes(of));
  const calendar = ofCalendar ? readCalendar(graph, day) : null;
  return parts.flatMap((part) => {
    if (part.of === 'elapsed' || part.of === 'year')
      return [math.add(math.times(part.of === 'year' ? calendar!.year : time, part.scale), part.shift)];
    const angle = graph.cast(math.times(phaseOf(graph, part.of, time, day, calendar), 2 * Math.PI), 'float');
    return [graph.add('Sin', [angle]), graph.add('Cos', [angle])].map((value) => graph.cast(value, 'double'));
  });
}

/** Share of a cycle that is over. */
function phaseOf(
  graph: OnnxGraph,
  cycle: 'hour' | 'weekday' | 'month' | 'day_of_month' | 'day_of_year',
  time: string,
  day: string,
  calendar: Calendar | null,
): string {
  const math = arithmetic(graph);
  switch (cycle) {
    case 'hour':
      return math.minus(math.over(time, DAY_MS), day);
    case 'weekday': {
      // 1970 began on a Thursday
      const weeks = math.over(math.add(day, 3), 7);
      return math.minus(weeks, graph.add('Floor', [weeks]));
    }
    case 'month':
      return math.over(calendar!.month, 12);
    case 'day_of_month':
      return math.over(calendar!.dayOfMonth, calendar!.daysOfMonth);
    case 'day_of_year': {
      const begun = math.times(math.minus(day, calendar!.dayOfYear), DAY_MS);
      return math.over(math.minus(time, begun), YEAR_MS);
    }
  }
}

/** All but the year counted from 0. */
interface Calendar {
  year: string;
  month: string;
  dayOfMonth: string;
  daysOfMonth: string;
  dayOfYear: string;
}

/** The Gregorian date of days since 1970, by years that begin in March and eras of 400 of them (Hinnant, “chrono-Compatible Low-Level Date Algorithms”, 2013). */
function readCalendar(graph: OnnxGraph, day: string): Calendar {
  const math = arithmetic(graph);
  const floor = (x: string) => graph.add('Floor', [x]);
  const whole = (x: string, by: number) => floor(math.over(x, by));
  const shifted = math.add(day, 719_468);
  const era = whole(shifted, 146_097);
  const dayOfEra = math.minus(shifted, math.times(era, 146_097));
  const withoutLeapDays = math.minus(
    math.add(math.minus(dayOfEra, whole(dayOfEra, 1460)), whole(dayOfEra, 36_524)),
    whole(dayOfEra, 146_096),
  );
  const yearOfEra = whole(withoutLeapDays, 365);
  const daysOfYears = math.minus(math.add(math.times(yearOfEra, 365), whole(yearOfEra, 4)), whole(yearOfEra, 100));
  const sinceMarch = math.minus(dayOfEra, daysOfYears);
  // 31, 30, 31, 30, 31 days, and again
  const monthSinceMarch = whole(math.add(math.times(sinceMarch, 5), 2), 153);
  const dayOfMonth = math.minus(sinceMarch, whole(math.add(math.times(monthSinceMarch, 153), 2), 5));
  const isNextYear = math.isAtLeast(monthSinceMarch, 10);
  const month = math.where(isNextYear, math.minus(monthSinceMarch, 10), math.add(monthSinceMarch, 2));
  const year = math.add(math.add(yearOfEra, math.times(era, 400)), math.where(isNextYear, 1, 0));

  const divides = (by: number) => graph.cast(graph.add('Equal', [math.times(whole(year, by), by), year]), 'double');
  const leapDay = math.add(math.minus(divides(4), divides(100)), divides(400));
  const place = graph.cast(month, 'int64');
  const lookUp = (table: readonly number[]) => graph.add('Gather', [graph.doubles(table), place]);
  const inLeapYear = (isThere: string) => math.times(graph.cast(isThere, 'double'), leapDay);
  return {
    year,
    month,
    dayOfMonth,
    daysOfMonth: math.add(lookUp(DAYS_OF_MONTHS), inLeapYear(graph.add('Equal', [place, graph.ints([1], [])]))),
    dayOfYear: math.add(math.add(lookUp(DAYS_BEFORE), inLeapYear(math.isAtLeast(month, 2))), dayOfMonth),
  };
}
