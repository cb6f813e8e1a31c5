import { rm } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Readable } from 'node:stream';
import { ingestDataset } from '../../src/data/ingest-dataset.ts';
import { openDiskStorage } from '../../src/storage/disk.ts';

/**
 * Ingests a CSV of the given size in a process of its own, and prints how much that process grew.
 *
 *     node test/data/ingest-large.ts DIRECTORY BYTES [quoted]
 */
const [directory, bytes, kind] = process.argv.slice(2) as [string, string, string | undefined];
const lines = Array.from({ length: 5000 }, (_, i) => {
  const name = kind === 'quoted' ? `"name, ${i}"` : `name ${i}`;
  return `${(Math.sin(i) * 100).toFixed(4)},${Math.cos(i)},${(i * 7) % 1000},c${i % 10},${name}\n`;
});
const blocks = Array.from({ length: 16 }, (_, i) =>
  Buffer.from([...lines.slice(i * 300), ...lines.slice(0, i * 300)].join('')),
);

async function* generate() {
  yield Buffer.from('a,b,c,label,name\n');
  for (let sent = 0, i = 0; sent < Number(bytes); i++) {
    const block = blocks[i % blocks.length]!;
    for (let at = 0; at < block.length; at += 65_536) yield block.subarray(at, at + 65_536);
    sent += block.length;
  }
}

const delay = monitorEventLoopDelay({ resolution: 5 });
const before = process.memoryUsage.rss();
let peak = before;
const timer = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage.rss());
}, 10);
delay.enable();
const started = performance.now();
const { sizeBytes, profile } = await ingestDataset({
  folder: 'ds_large',
  hint: { format: 'csv' },
  files: [{ role: 'data', source: Readable.from(generate(), { objectMode: false }) }],
  storage: openDiskStorage(directory),
  maxBytes: 2 ** 40,
});
const seconds = (performance.now() - started) / 1000;
clearInterval(timer);
await rm(directory, { recursive: true });
console.log(
  JSON.stringify({
    sizeBytes,
    rows: profile.rows,
    seconds,
    grownBytes: peak - before,
    longestDelayMs: delay.max / 1e6,
  }),
);
