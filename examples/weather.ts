import type { Job } from '../src/spec/job.ts';
import { say } from './client.ts';
import { heldOut, parseCsv, predict, type Row, readVega, uploadRows } from './rows.ts';

/** Seattle's weather, day by day from 2012 to 2015: what is the next day's highest temperature? */

const DAYS = 7;
const TEST_SHARE = 0.2;

/** A row for each day: the week up to it, the time of the year, and the next day's highest temperature as the target. */
function readDays(): Row[] {
  const days = parseCsv(readVega('seattle-weather.csv'));
  return days.slice(DAYS - 1, -1).map((today, i) => {
    const row: Row = {};
    for (let back = 0; back < DAYS; back++) {
      const day = days[i + DAYS - 1 - back]!;
      for (const name of ['temp_max', 'temp_min', 'precipitation', 'wind'] as const)
        row[`${name}_${back}`] = Number(day[name]);
    }
    const date = new Date(today.date!);
    const year = (2 * Math.PI * (date.getTime() - Date.UTC(date.getUTCFullYear(), 0))) / (365.25 * 86_400_000);
    return { ...row, sine: Math.sin(year), cosine: Math.cos(year), tomorrow: Number(days[i + DAYS]!.temp_max) };
  });
}

export function uploadWeather(api: string): Promise<string> {
  const rows = readDays();
  say(`Uploading ${rows.length} weeks of Seattle's weather to ${api}/datasets …`);
  return uploadRows(api, 'weather', rows);
}

export async function showWeather(api: string, { id, metrics }: Job): Promise<void> {
  const test = heldOut(readDays(), TEST_SHARE);
  const error = (told: (row: Row) => number) =>
    test.reduce((sum, row) => sum + Math.abs(told(row) - Number(row.tomorrow)), 0) / test.length;
  const same = error((row) => Number(row.temp_max_0));
  say(
    `\nThe last ${test.length} days, which the network never saw: wrong by ${Number(metrics['test.mae']).toFixed(2)} °C in the mean ` +
      `(rmse ${Number(metrics['test.rmse']).toFixed(2)}); "as today" is wrong by ${same.toFixed(2)} °C.`,
  );
  const shown = test.slice(-5);
  const answers = await predict<{ tomorrow: number }>(
    api,
    id,
    shown.map(({ tomorrow: _, ...row }) => row),
  );
  answers.forEach(({ tomorrow }, i) => {
    say(`  today ${shown[i]!.temp_max_0} °C, tomorrow ${tomorrow.toFixed(1)} °C; it was ${shown[i]!.tomorrow} °C`);
  });
}
