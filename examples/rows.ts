import { readFileSync } from 'node:fs';
import { send } from './client.ts';

/** Tables of examples: read from a package, put in order, uploaded, asked about. */

/** null: missing */
export type Row = Record<string, string | number | null>;

/** A file of the package `vega-datasets`, which exports nothing but its index. */
export function readVega(file: string): string {
  return readFileSync(new URL(`../data/${file}`, import.meta.resolve('vega-datasets')), 'utf8');
}

/** Fields without quotes or commas in them. */
export function parseCsv(text: string): Record<string, string>[] {
  const [head, ...lines] = text.trimEnd().split(/\r?\n/);
  const names = head!.split(',');
  return lines.map((line) => {
    const fields = line.split(',');
    return Object.fromEntries(names.map((name, i) => [name, fields[i] ?? '']));
  });
}

/** Numbers from 0 to 1, the same each time (Park & Miller 1988). */
export function openDraw(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

/** Fisher & Yates, in place. */
export function shuffle<T>(items: T[], draw: () => number): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(draw() * (i + 1));
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
  return items;
}

/** The last rows of a table that is split in its order are for test: what a job of `share` holds out. */
export function heldOut<T>(rows: readonly T[], share: number): T[] {
  return rows.slice(rows.length - Math.round(rows.length * share));
}

export async function uploadRows(api: string, name: string, rows: readonly Row[]): Promise<string> {
  const names = Object.keys(rows[0]!);
  const csv = [names, ...rows.map((row) => names.map((column) => row[column] ?? ''))].map(
    (line) => `${line.join(',')}\n`,
  );
  const { id } = await send<{ id: string }>(
    ...(['POST', `${api}/datasets?name=${name}`, new Blob(csv), 'text/csv'] as const),
  );
  return id;
}

/** Answers to as many rows as there are, so many a request: a JSON body may have 1 MiB. */
export async function predict<P>(api: string, jobId: string, rows: readonly Row[], atOnce = 1000): Promise<P[]> {
  const answers: P[] = [];
  for (let first = 0; first < rows.length; first += atOnce) {
    const body = { rows: rows.slice(first, first + atOnce) };
    answers.push(...(await send<{ predictions: P[] }>('POST', `${api}/jobs/${jobId}/predict`, body)).predictions);
  }
  return answers;
}

/** How often a positive has a larger score than a negative, ties counting half: the area under the ROC curve (Hanley & McNeil 1982). */
export function areaUnderRoc(scores: readonly number[], isPositive: readonly boolean[]): number {
  const order = [...scores.keys()].sort((a, b) => scores[a]! - scores[b]!);
  let rankSum = 0;
  for (let at = 0; at < order.length; ) {
    let end = at;
    while (end < order.length && scores[order[end]!] === scores[order[at]!]) end++;
    const rank = (at + 1 + end) / 2;
    for (; at < end; at++) if (isPositive[order[at]!]) rankSum += rank;
  }
  const positives = isPositive.filter(Boolean).length;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * (scores.length - positives));
}
