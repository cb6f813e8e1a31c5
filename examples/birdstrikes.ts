import type { Job } from '../src/spec/job.ts';
import { say } from './client.ts';
import { areaUnderRoc, heldOut, openDraw, parseCsv, predict, type Row, readVega, shuffle, uploadRows } from './rows.ts';

/** 10,000 collisions of aircraft with wildlife, as reported to the FAA: which of them did damage? About one in ten. */

const TEST_SHARE = 0.2;

const COLUMNS: Record<string, string> = {
  aircraft: 'Aircraft Make Model',
  operator: 'Aircraft Airline Operator',
  state: 'Origin State',
  phase: 'Phase of flight',
  size: 'Wildlife Size',
  species: 'Wildlife Species',
  time: 'Time of day',
  speed: 'Speed IAS in knots',
};

/** What it cost is known only afterwards, and is left out. Reports are in the order of their dates: shuffled, the last fifth is for test. */
function readStrikes(): Row[] {
  const rows = parseCsv(readVega('birdstrikes.csv')).map((strike) => ({
    ...Object.fromEntries(Object.entries(COLUMNS).map(([name, column]) => [name, strike[column]!])),
    damage: strike['Effect Amount of damage'] === 'None' ? 'no' : 'yes',
  }));
  return shuffle<Row>(rows, openDraw(1));
}

export function uploadStrikes(api: string): Promise<string> {
  const rows = readStrikes();
  say(`Uploading ${rows.length.toLocaleString('en-US')} bird strikes to ${api}/datasets …`);
  return uploadRows(api, 'birdstrikes', rows);
}

export async function showStrikes(api: string, { id, metrics }: Job): Promise<void> {
  const test = heldOut(readStrikes(), TEST_SHARE);
  const answers = await predict<{ probabilities: Record<string, number> }>(
    ...([api, id] as const),
    test.map(({ damage: _, ...row }) => row),
  );
  const risks = answers.map(({ probabilities }) => probabilities.yes!);
  const isDamage = test.map(({ damage }) => damage === 'yes');
  const share = isDamage.filter(Boolean).length / test.length;
  const riskiest = [...risks.keys()].sort((a, b) => risks[b]! - risks[a]!).slice(0, test.length / 10);
  const caught = riskiest.filter((i) => isDamage[i]).length / riskiest.length;
  say(
    `\n${test.length} strikes that the network never saw: area under the ROC curve ${areaUnderRoc(risks, isDamage).toFixed(3)}, ` +
      `accuracy ${(100 * Number(metrics['test.accuracy'])).toFixed(1)} % (always "no": ${(100 * (1 - share)).toFixed(1)} %).`,
  );
  say(
    `Of the tenth it holds riskiest ${(100 * caught).toFixed(0)} % did damage; of all ${(100 * share).toFixed(0)} %.`,
  );
}
