import { JUDGED_SPLITS, type JudgedSplit, type TASKS } from '../spec/evaluation.ts';

/**
 * What was answered to each judged row, kept beside a job's checkpoints so that jobs can be compared row by row. A file is the length of a header, the header
 * as JSON, and the columns, each at a multiple of 8 bytes; little-endian, as all machines that run this are.
 */
export interface Outcomes {
  /** digests of the dataset's files: rows are the same where these are */
  dataset: string;
  splits: readonly SplitOutcomes[];
}

export interface SplitOutcomes {
  split: JudgedSplit;
  /** of the dataset, from 0 */
  rows: Int32Array;
  targets: readonly TargetOutcomes[];
}

export interface TargetOutcomes {
  name: string;
  task: (typeof TASKS)[number];
  classes: readonly string[] | null;
  tokensPerCharacter: number | null;
  /** a value for each row: `truth`, `predicted`, `log_loss`, … */
  columns: Record<string, Float64Array | Int32Array>;
}

const VERSION = 1;
const MOST_BYTES = 32 * 2 ** 20;
/** Words of the header's length. */
const PREFIX_BYTES = 8;

interface Place {
  type: 'f64' | 'i32';
  at: number;
  count: number;
}
interface Header {
  version: number;
  dataset: string;
  splits: {
    split: JudgedSplit;
    rows: Place;
    targets: (Omit<TargetOutcomes, 'columns'> & { columns: Record<string, Place> })[];
  }[];
}

/** What does not fit into a file of bounded size is left out: later targets, then later splits. */
export function encodeOutcomes({ dataset, splits }: Outcomes): Uint8Array {
  const columns: (Float64Array | Int32Array)[] = [];
  let at = 0;
  const place = (column: Float64Array | Int32Array): Place => {
    const placed = { type: column instanceof Float64Array ? 'f64' : 'i32', at, count: column.length } as const;
    columns.push(column);
    at += align(column.byteLength);
    return placed;
  };
  const header: Header = { version: VERSION, dataset, splits: [] };
  for (const { split, rows, targets } of splits) {
    if (at + rows.byteLength > MOST_BYTES) break;
    const kept = { split, rows: place(rows), targets: [] as Header['splits'][number]['targets'] };
    header.splits.push(kept);
    for (const { columns: own, ...target } of targets) {
      const bytes = Object.values(own).reduce((sum, column) => sum + align(column.byteLength), 0);
      if (at + bytes > MOST_BYTES) break;
      kept.targets.push({
        ...target,
        columns: Object.fromEntries(Object.entries(own).map(([name, column]) => [name, place(column)])),
      });
    }
  }
  const head = Buffer.from(JSON.stringify(header));
  const start = align(PREFIX_BYTES + head.length);
  const bytes = new Uint8Array(start + at);
  new DataView(bytes.buffer).setUint32(0, head.length, true);
  bytes.set(head, PREFIX_BYTES);
  let to = start;
  for (const column of columns) {
    bytes.set(new Uint8Array(column.buffer, column.byteOffset, column.byteLength), to);
    to += align(column.byteLength);
  }
  return bytes;
}

/** Throws where the bytes are none of this version's; their digest is the caller's to compare. */
export function decodeOutcomes(bytes: Uint8Array): Outcomes {
  const copy = new Uint8Array(bytes);
  const length = new DataView(copy.buffer).getUint32(0, true);
  const header = JSON.parse(Buffer.from(copy.subarray(PREFIX_BYTES, PREFIX_BYTES + length)).toString()) as Header;
  if (header.version !== VERSION) throw new Error(`outcomes of version ${header.version} cannot be read`);
  const start = align(PREFIX_BYTES + length);
  const read = ({ type, at, count }: Place) =>
    type === 'f64' ? new Float64Array(copy.buffer, start + at, count) : new Int32Array(copy.buffer, start + at, count);
  return {
    dataset: header.dataset,
    splits: header.splits
      .filter(({ split }) => JUDGED_SPLITS.includes(split))
      .map(({ split, rows, targets }) => ({
        split,
        rows: read(rows) as Int32Array,
        targets: targets.map(({ columns, ...target }) => ({
          ...target,
          columns: Object.fromEntries(Object.entries(columns).map(([name, place]) => [name, read(place)])),
        })),
      })),
  };
}

function align(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}
