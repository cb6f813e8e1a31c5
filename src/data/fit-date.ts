import type { DateOrder } from '../spec/dataset.ts';
import type { Input } from '../spec/input.ts';
import type { PreparedDate } from '../spec/preparation.ts';
import { scaleStatistics } from './fit-number.ts';
import { yearOf } from './prepare-date.ts';
import { summarize } from './statistics.ts';

/** Cycles need no fitting; years and time that has passed are scaled by mean and standard deviation of the training rows. */
export function fitDate(
  input: Input,
  { times, order }: { times: Float64Array; order: DateOrder | undefined },
  rows: Uint32Array,
): PreparedDate {
  const { column, parts = [], missing_indicator: indicator } = input;
  return {
    column,
    type: 'date',
    ...(order !== undefined && { order }),
    parts: parts.map((of) => {
      if (of !== 'year' && of !== 'elapsed') return { of };
      const numbers = of === 'year' ? times.map((time) => (Number.isNaN(time) ? time : yearOf(time))) : times;
      return { of, ...scaleStatistics(summarize(numbers, rows), 'standard') };
    }),
    ...(indicator === true && { indicator }),
  };
}
