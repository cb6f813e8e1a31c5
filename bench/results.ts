import { readFileSync, writeFileSync } from 'node:fs';
import { chooseKernels } from '../src/engine/kernels/load.ts';
import { describeMachine } from './machine.ts';
import type { Question } from './questions.ts';

/**
 * What was measured, by question and key (a workload and a number of threads, say). It is kept between runs, so that a long run can be made in
 * pieces, and in the repository, so that a fresh clone adds to what the pages say; another machine, Node or kernel build begins anew.
 */
interface Recorded {
  machine: string;
  questions: Record<string, { date: string; results: Record<string, unknown> }>;
}

const STORE = new URL('./measured.json', import.meta.url);

let ground: string | undefined;

/** What figures depend on. */
function describeGround(): string {
  const node = `Node ${process.versions.node} on ${process.platform}-${process.arch}`;
  ground ??= `${describeMachine()}, ${node}, ${chooseKernels().compiled.build} kernels`;
  return ground;
}

/** null: nothing was recorded yet. */
function readStore(): Recorded | null {
  try {
    return JSON.parse(readFileSync(STORE, 'utf8')) as Recorded;
  } catch {
    return null;
  }
}

function readRecorded(): Recorded {
  const found = readStore();
  return found?.machine === describeGround() ? found : { machine: describeGround(), questions: {} };
}

/** What a question found last, on whatever machine: how long its pieces take beside each other. */
export function lastFound(question: string): Record<string, unknown> {
  return readStore()?.questions[question]?.results ?? {};
}

export function record(question: string, key: string, result: unknown): void {
  const recorded = readRecorded();
  const entry = recorded.questions[question] ?? { date: '', results: {} };
  entry.date = new Date().toISOString().slice(0, 10);
  entry.results[key] = result;
  recorded.questions[question] = entry;
  writeFileSync(STORE, `${JSON.stringify(recorded, null, 1)}\n`);
}

/** Writes bench/RESULTS.md, and the pages of questions that have one of their own, from all that is recorded. */
export function renderResults(all: Record<string, Question>): void {
  const { questions } = readRecorded();
  const head = `# What was measured\n\n${describeGround()}. Written by \`npm run bench\`; absolute figures hold for this machine on that day.`;
  for (const [page, entries] of Map.groupBy(Object.entries(all), ([, question]) => question.page ?? 'RESULTS')) {
    const sections = entries.flatMap(([name, question]) => {
      const found = questions[name];
      return found === undefined ? [] : [`${question.render(found.results)}\n\nMeasured ${found.date}.`];
    });
    if (sections.length > 0)
      writeFileSync(new URL(`./${page}.md`, import.meta.url), `${[head, ...sections].join('\n\n')}\n`);
  }
}

/** A Markdown table; the first column is text, the others figures. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '--:'))), ...rows.map(line)].join('\n');
}

export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Three significant digits, in thousands where there are many. */
export function show(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en-US', { maximumFractionDigits: 3 });
}
