import type { Job } from '../src/spec/job.ts';
import { say, send, train } from './client.ts';
import { heldOut, parseCsv, predict, type Row, readVega } from './rows.ts';

/** Seattle's weather, day by day from 2012 to 2015: what are the next days' highest temperatures, and is it going to rain? */

const DAYS = 7;
const AHEAD = 3;
const TEST_SHARE = 0.2;

const read = () => readVega('seattle-weather.csv');

/** The table as it is: the job cuts its windows. */
export async function uploadWeather(api: string): Promise<string> {
  say(`Uploading Seattle's weather to ${api}/datasets …`);
  const { id } = await send<{ id: string }>(
    ...(['POST', `${api}/datasets?name=weather`, new Blob([read()]), 'text/csv'] as const),
  );
  return id;
}

export async function showWeather(api: string, { id, spec }: Job): Promise<void> {
  const days = heldOut(parseCsv(read()), TEST_SHARE);
  const highest = days.map((day) => Number(day.temp_max));
  const rows = days.map(({ date, weather, ...figures }): Row => {
    const numbers = Object.entries(figures).map(([name, value]) => [name, Number(value)]);
    return { date: date!, weather: weather!, ...Object.fromEntries(numbers) };
  });
  // a forecast after each day that has a week before it; the last ones are not known to be right
  const answers = await predict<{ after_row: number; temp_max: number[] }>(api, id, rows);
  say(`\nThe last ${days.length} days, which the network never saw, told from the ${DAYS} days before:`);
  for (let ahead = 1; ahead <= AHEAD; ahead++) {
    const known = answers.filter(({ after_row: row }) => row + ahead < days.length);
    const error = (told: (answer: (typeof answers)[number]) => number) =>
      known.reduce((sum, answer) => sum + Math.abs(told(answer) - highest[answer.after_row + ahead]!), 0) /
      known.length;
    const network = error(({ temp_max: next }) => next[ahead - 1]!);
    const same = error(({ after_row: row }) => highest[row]!);
    say(
      `  ${ahead} day${ahead === 1 ? '' : 's'} ahead: wrong by ${network.toFixed(2)} °C in the mean; "as today" is wrong by ${same.toFixed(2)} °C.`,
    );
  }
  const [last] = answers.slice(-1);
  say(
    `  After the last day, of ${highest.at(-1)} °C: ${last!.temp_max.map((value) => value.toFixed(1)).join(', ')} °C.`,
  );
  await showSky(api, spec, days);
}

/** The same windows tell the next day's class. */
async function showSky(
  api: string,
  { dataset, inputs, split, forecast }: Job['spec'],
  days: readonly Row[],
): Promise<void> {
  const { order_by, window } = forecast!;
  const job = await train(api, {
    ...{ name: "tomorrow's weather", dataset, inputs, target: 'weather' },
    split: { validation: split.validation, test: split.test },
    forecast: { order_by, window },
    training: { seed: 1 },
  });
  const same = days.filter(({ weather }, day) => day >= DAYS && weather === days[day - 1]!.weather).length;
  say(
    `  Tomorrow's weather of drizzle, fog, rain, snow and sun: right for ${percent(Number(job.metrics['test.accuracy']))} of the days; "as today" for ${percent(same / (days.length - DAYS))}.`,
  );
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
