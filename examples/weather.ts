import type { Job } from '../src/spec/job.ts';
import { say, send } from './client.ts';
import { heldOut, parseCsv, predict, type Row, readVega } from './rows.ts';

/** Seattle's weather, day by day from 2012 to 2015: what are the next days' highest temperatures? */

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

export async function showWeather(api: string, { id }: Job): Promise<void> {
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
}
