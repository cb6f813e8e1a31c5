import type { Column, DateOrder } from '../spec/dataset.ts';

/**
 * Dates as tables write them: ISO 8601 (2012-01-31, 2012-01-31T12:30:00.5+02:00, also with a space, slashes, or 12:30 PM), and with an English month
 * (Jan 31 2012, January 31, 2012, 31 Jan 2012, 31-Jan-12), or day first with points (31.1.2012, 31.01.12, 31.01.2012 12:30). Forms whose parts could be
 * mistaken for each other (1/2/2012, 1-2-2012, 01/02/12) are dates only in an order that their column decides. Years of two digits are taken as strptime of
 * POSIX takes them: 69 to 99 as 1969 to 1999, 00 to 68 as 2000 to 2068. With points they need days and months of two digits: 1.2.10 is a version.
 */

const TIME =
  /(?:[Tt ](\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(?:\s?([AaPp])[Mm])?\s?([Zz]|[+-]\d{2}(?::?\d{2})?)?)?$/;
const ISO = new RegExp(`^(\\d{4})([-/])(\\d{1,2})\\2(\\d{1,2})${TIME.source}`);
const ORDERED = new RegExp(`^(\\d{1,2})([-/])(\\d{1,2})\\2(\\d{4}|\\d{2}|\\d)${TIME.source}`);
const POINTS = new RegExp(`^(\\d{1,2})\\.\\s?(\\d{1,2})\\.\\s?(\\d{4})${TIME.source}`);
const SHORT_POINTS = new RegExp(`^(\\d{2})\\.(\\d{2})\\.(\\d{2})${TIME.source}`);
const MONTH_FIRST = new RegExp(`^([A-Za-z]{3,9})\\.?[ -](\\d{1,2}),?[ -](\\d{4}|\\d{2})${TIME.source}`);
const DAY_FIRST = new RegExp(`^(\\d{1,2})\\.?[ -]([A-Za-z]{3,9})\\.?[ -](\\d{4}|\\d{2})${TIME.source}`);
/** Two digits of a year from here on are of the last century. */
const PIVOT = 69;
const MONTHS = [
  'january',
  'february',
  'march',
  'april',
  'may',
  'june',
  'july',
  'august',
  'september',
  'october',
  'november',
  'december',
];
/** Longest and shortest text that the forms above can have. */
const SHORTEST = 6;
const LONGEST = 40;

/** Milliseconds since 1970, NaN for what is no date. A time without an offset is UTC. `order`: of day and month where the form leaves it open. */
export function parseDate(text: string, order?: DateOrder): number {
  if (text.length < SHORTEST || text.length > LONGEST) return Number.NaN;
  const iso = ISO.exec(text);
  if (iso !== null) {
    const [, year, , month, day, ...time] = iso;
    return countDays(year!, Number(month), day!) + readTime(time);
  }
  const points = POINTS.exec(text) ?? SHORT_POINTS.exec(text);
  if (points !== null) {
    const [, day, month, year, ...time] = points;
    return countDays(year!, Number(month), day!) + readTime(time);
  }
  const named = MONTH_FIRST.exec(text);
  if (named !== null) {
    const [, month, day, year, ...time] = named;
    return countDays(year!, readMonth(month!), day!) + readTime(time);
  }
  const turned = DAY_FIRST.exec(text);
  if (turned !== null) {
    const [, day, month, year, ...time] = turned;
    return countDays(year!, readMonth(month!), day!) + readTime(time);
  }
  const ordered = order === undefined ? null : ORDERED.exec(text);
  if (ordered === null) return Number.NaN;
  const [, first, , second, last, ...time] = ordered as unknown as [string, string, string, string, string];
  const [year, month, day] =
    order === 'year_first'
      ? [first, second, last]
      : order === 'day_first'
        ? [last, second, first]
        : [last, first, second];
  return countDays(year, Number(month), day) + readTime(time);
}

/** Whether a text that is a date tells its year by two digits. */
export function hasShortYear(text: string): boolean {
  return !/\d{4}/.test(text);
}

/** In which a column's dates are read; undefined where their form tells it, or nothing does. */
export function orderOf({ date_order: order }: Pick<Column, 'date_order'>): DateOrder | undefined {
  return order === 'unknown' ? undefined : order;
}

/** Whether a text is a date but for the order of day, month and year. */
export function isOrdered(text: string): boolean {
  return text.length >= SHORTEST && text.length <= LONGEST && ORDERED.test(text);
}

/** Milliseconds since midnight in UTC. */
function readTime([hour = '0', minute = '0', second = '0', fraction = '', half = '', offset = 'Z']: (
  | string
  | undefined
)[]): number {
  const isTwelve = half !== '';
  if (Number(hour) > (isTwelve ? 12 : 23) || (isTwelve && Number(hour) === 0)) return Number.NaN;
  if (Number(minute) > 59 || Number(second) > 59) return Number.NaN;
  const milliseconds = fraction === '' ? 0 : Math.floor(Number(`0.${fraction}`) * 1000 + 1e-6);
  const hours = isTwelve ? (Number(hour) % 12) + (half.toLowerCase() === 'p' ? 12 : 0) : Number(hour);
  const time = (hours * 60 + Number(minute)) * 60_000 + Number(second) * 1000;
  return time + milliseconds - readOffset(offset);
}

/** Midnight in UTC of a day, in milliseconds; NaN where the month has no such day. Years have two or four digits, days one or two. */
function countDays(year: string, month: number, day: string): number {
  const isShort = year.length === 2;
  if (!(isShort || year.length === 4) || day.length > 2) return Number.NaN;
  if (!(month >= 1 && month <= 12 && Number(day) >= 1 && Number(day) <= 31)) return Number.NaN;
  const short = Number(year) + (Number(year) < PIVOT ? 2000 : 1900);
  // Date.UTC takes the years 0 to 99 for 1900 to 1999
  const date = new Date(0);
  date.setUTCFullYear(isShort ? short : Number(year), month - 1, Number(day));
  return date.getUTCDate() === Number(day) ? date.getTime() : Number.NaN;
}

function readMonth(name: string): number {
  const word = name.toLowerCase();
  if (word === 'sept') return 9;
  return MONTHS.findIndex((month) => month === word || month.slice(0, 3) === word) + 1;
}

function readOffset(text: string): number {
  if (text === 'Z' || text === 'z') return 0;
  const hours = Number(text.slice(1, 3));
  const minutes = Number(text.slice(3).replace(':', '') || 0);
  if (hours > 18 || minutes > 59) return Number.NaN;
  return (text.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}
