import type { DatasetFormat, DateOrder, Dialect } from '../spec/dataset.ts';
import { fail } from './dataset-error.ts';
import { decodeText, findEncoding, SAMPLE_BYTES } from './decode-text.ts';
import { detectDialect } from './detect-dialect.ts';
import { explainZipErrors, isPassedOver, openZip } from './open-zip.ts';
import type { ByteSource } from './row-handler.ts';

/** What the client says of a file; a format it does not say, or says wrongly of a binary one, is told from the file's beginning. */
export interface FileHint {
  /** null: not said, or in words that leave it open */
  format: DatasetFormat | null;
  charset: string | null;
  /** the delimiter that goes with a type or ending */
  delimiter: string | null;
  /** whether the first line of CSV has names; null: not said */
  hasHeader: boolean | null;
  /** of day, month and year in dates such as 1/2/2012; null: not said */
  dateOrder: DateOrder | null;
}

export const NO_HINT: FileHint = { format: null, charset: null, delimiter: null, hasHeader: null, dateOrder: null };

const TYPES: Record<string, DatasetFormat> = {
  'text/csv': 'csv',
  'text/tab-separated-values': 'csv',
  'application/x-ndjson': 'jsonl',
  'application/jsonl': 'jsonl',
  'application/json': 'json',
  'application/vnd.apache.parquet': 'parquet',
  'application/x-parquet': 'parquet',
  'application/vnd.apache.arrow.file': 'arrow',
  'application/vnd.apache.arrow.stream': 'arrow',
  'application/x-npy': 'npy',
  'text/plain': 'text',
};
/** What these hold is told by their beginning. */
const OPEN_TYPES = [
  'application/octet-stream',
  'application/zip',
  'application/x-npz',
  'application/x-tar',
  'application/gzip',
  'application/zstd',
];
export const FILE_TYPES = [...Object.keys(TYPES), ...OPEN_TYPES];

const ENDINGS: Record<string, DatasetFormat> = {
  csv: 'csv',
  tsv: 'csv',
  tab: 'csv',
  jsonl: 'jsonl',
  ndjson: 'jsonl',
  json: 'json',
  parquet: 'parquet',
  arrow: 'arrow',
  arrows: 'arrow',
  feather: 'arrow',
  npy: 'npy',
  txt: 'text',
};

/** From a media type and a file's name, either of which may be missing. Browsers call many files text/plain: there the ending says more. */
export function readHint(mediaType: string | undefined, fileName: string | undefined): FileHint {
  const [type = '', ...parameters] = (mediaType ?? '')
    .toLowerCase()
    .split(';')
    .map((part) => part.trim());
  const charset = parameters
    .map((part) => /^charset="?([\w.:-]+)"?$/.exec(part)?.[1])
    .find((found) => found !== undefined);
  // RFC 4180, 3
  const header = parameters
    .map((part) => /^header="?(present|absent)"?$/.exec(part)?.[1])
    .find((found) => found !== undefined);
  const ending = /\.([a-z]+)(?:\.(?:gz|zst))?$/i.exec(fileName ?? '')?.[1]?.toLowerCase() ?? '';
  const byType = type === 'text/plain' && ENDINGS[ending] !== undefined ? undefined : TYPES[type];
  const isTabbed = type === 'text/tab-separated-values' || ending === 'tsv' || ending === 'tab';
  return {
    format: byType ?? ENDINGS[ending] ?? null,
    charset: charset ?? null,
    delimiter: isTabbed ? '\t' : null,
    hasHeader: header === undefined ? null : header === 'present',
    dateOrder: null,
  };
}

export interface Identified {
  format: DatasetFormat;
  archive: 'zip' | 'tar' | null;
  dialect: Dialect | undefined;
}

/** Looks at the beginning of a file. Throws DatasetError unsupported_media_type, invalid_encoding. */
export async function identifyFile(source: ByteSource, hint: FileHint): Promise<Identified> {
  const sample = Buffer.from(await source.slice(0, Math.min(SAMPLE_BYTES, source.sizeBytes)));
  const binary = await readMagic(sample, source);
  if (binary !== null) return { ...binary, dialect: undefined };
  if (hint.format !== null && !isText(hint.format)) return { format: hint.format, archive: null, dialect: undefined };
  const encoding = findEncoding(sample, hint.charset);
  const isWhole = sample.length === source.sizeBytes;
  const text = await decodeSample(sample, encoding);
  const format = hint.format ?? guessFormat(text, isWhole);
  if (format !== 'csv') return { format, archive: null, dialect: describe({ encoding, delimiter: ',', decimal: '.' }) };
  const hasHeader = hint.hasHeader ?? true;
  const found = detectDialect(text, isWhole, hasHeader);
  return {
    format,
    archive: null,
    dialect: describe({
      ...found,
      ...{ encoding, delimiter: hint.delimiter ?? found.delimiter },
      ...(!hasHeader && { hasHeader }),
    }),
  };
}

/** Only what is not by default is kept. */
function describe(dialect: Dialect): Dialect | undefined {
  const { encoding, delimiter, decimal, hasHeader = true } = dialect;
  return encoding === null && delimiter === ',' && decimal === '.' && hasHeader ? undefined : dialect;
}

function isText(format: DatasetFormat): boolean {
  return format === 'csv' || format === 'jsonl' || format === 'json' || format === 'text';
}

async function readMagic(sample: Buffer, source: ByteSource): Promise<Omit<Identified, 'dialect'> | null> {
  const start = sample.toString('latin1', 0, 8);
  if (start.startsWith('PAR1')) return { format: 'parquet', archive: null };
  if (start.startsWith('ARROW1')) return { format: 'arrow', archive: null };
  if (start.startsWith('\xff\xff\xff\xff')) return { format: 'arrow', archive: null };
  if (start.startsWith('\x93NUMPY')) return { format: 'npy', archive: null };
  if (start.startsWith('PK\x03\x04') || start.startsWith('PK\x05\x06'))
    return { format: (await holdsArrays(source)) ? 'npz' : 'images', archive: 'zip' };
  // POSIX.1-1988, IEEE Std 1003.1
  if (sample.toString('latin1', 257, 262) === 'ustar') return { format: 'images', archive: 'tar' };
  // one dimension is labels, three and four are images
  if (['00000801', '00000803', '00000804'].includes(sample.toString('hex', 0, 4)))
    fail(
      'invalid_idx',
      { line: null },
      'an IDX file by itself has images without labels, or labels without images',
      'a form (multipart/form-data) with the files images and labels',
    );
  return null;
}

function holdsArrays(source: ByteSource): Promise<boolean> {
  return explainZipErrors(async () => {
    const zip = await openZip(source);
    for await (const entry of zip.eachEntry())
      if (!isPassedOver(entry.fileName)) return entry.fileName.endsWith('.npy');
    return false;
  });
}

async function decodeSample(sample: Buffer, encoding: string | null): Promise<string> {
  async function* whole() {
    // an odd byte at the end is half of a character of UTF-16
    yield encoding?.startsWith('utf-16') ? sample.subarray(0, sample.length & ~1) : sample;
  }
  let text = '';
  if (encoding === null) text = sample.toString();
  else for await (const piece of decodeText(whole(), encoding)) text += Buffer.from(piece).toString();
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

/** A table or JSON; text that is neither has to be called so. */
function guessFormat(text: string, isWhole: boolean): DatasetFormat {
  const start = text.trimStart()[0];
  if (start === '[') return 'json';
  if (start === '{') return 'jsonl';
  const { delimiter } = detectDialect(text, isWhole);
  if (!text.includes('\0') && text.split('\n', 1)[0]!.includes(delimiter)) return 'csv';
  return fail(
    'unsupported_media_type',
    { line: null },
    'the file’s beginning does not tell what it is',
    'its format in Content-Type or in the ending of its name: CSV, JSON, Parquet, Arrow, NPY, text, or an archive of images',
  );
}
