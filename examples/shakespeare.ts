import { openAsBlob } from 'node:fs';
import { join } from 'node:path';
import type { Job } from '../src/spec/job.ts';
import { say, send } from './client.ts';

const CHARACTERS = 300;

/** A million characters of Shakespeare's plays. */
export async function uploadShakespeare(api: string): Promise<string> {
  const text = await openAsBlob(join(import.meta.dirname, 'shakespeare.txt'));
  say(`Uploading ${text.size.toLocaleString('en-US')} bytes of Shakespeare to ${api}/datasets …`);
  const { id, columns } = await send<{
    id: string;
    columns: { text: { distinct_characters: number; lines: number } }[];
  }>('POST', `${api}/datasets?name=shakespeare`, text, 'text/plain');
  const { lines, distinct_characters: distinct } = columns[0]!.text;
  say(`  ${id}: ${lines.toLocaleString('en-US')} lines of ${distinct} different characters\n`);
  return id;
}

/** Figures of the test split, and some lines drawn character by character from what the network holds likely. */
export async function showShakespeare(api: string, { id, metrics }: Job): Promise<void> {
  const figure = (name: string, digits: number) => Number(metrics[`test.${name}`]).toFixed(digits);
  say(
    `\nThe end of the text, which the network never saw: loss ${figure('loss', 4)}, perplexity ${figure('perplexity', 2)}, ` +
      `${figure('bits_per_character', 3)} bits per character, ${(100 * Number(metrics['test.accuracy'])).toFixed(1)} % of characters right.`,
  );
  say('\nOut of its own head:\n');
  let text = 'ROMEO:\n';
  let seed = 1;
  for (let i = 0; i < CHARACTERS; i++) {
    const { predictions } = await send<{ predictions: { probabilities: Record<string, number> }[] }>(
      'POST',
      `${api}/jobs/${id}/predict`,
      { rows: [{ text }] },
    );
    // Park & Miller: the same lines each time
    seed = (seed * 48_271) % 2_147_483_647;
    text += draw(predictions[0]!.probabilities, seed / 2_147_483_647);
  }
  say(text.replaceAll(/^/gm, '  '));
}

function draw(probabilities: Record<string, number>, share: number): string {
  const likely = Object.entries(probabilities);
  let left = share * likely.reduce((sum, [, probability]) => sum + probability, 0);
  for (const [character, probability] of likely) {
    left -= probability;
    if (left < 0) return character;
  }
  return likely[0]![0];
}
