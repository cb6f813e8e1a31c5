import { openAsBlob } from 'node:fs';
import { join } from 'node:path';
import type { GeneratedText } from '../src/spec/generation.ts';
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

/** Figures of the test split, and some lines that the network goes on with, drawn from what it holds likely. */
export async function showShakespeare(api: string, { id, metrics }: Job): Promise<void> {
  const figure = (name: string, digits: number) => Number(metrics[`test.${name}`]).toFixed(digits);
  say(
    `\nThe end of the text, which the network never saw: loss ${figure('loss', 4)}, perplexity ${figure('perplexity', 2)}, ` +
      `${figure('bits_per_character', 3)} bits per character, ${(100 * Number(metrics['test.accuracy'])).toFixed(1)} % of characters right.`,
  );
  const prompt = 'ROMEO:\n';
  const drawn = { prompt, max_tokens: CHARACTERS, seed: 1 };
  const { text } = await send<GeneratedText>('POST', `${api}/jobs/${id}/generate`, drawn);
  say('\nOut of its own head:\n');
  say(`${prompt}${text}`.replaceAll(/^/gm, '  '));
}
