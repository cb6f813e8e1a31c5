import { createHash } from 'node:crypto';
import type { ExportedFile } from '../spec/export.ts';
import type { Storage } from '../storage/storage.ts';

/**
 * Exports that were made lie at `exports/<day>/<id>/<variant>.<sha256>`: by the day so that old ones are found by their names alone, and
 * with their digest so that it need not be computed again.
 */
const PREFIX = 'exports/';
const DAY_MS = 24 * 3_600_000;
/** Of all of them together; the oldest make room. */
const MOST_BYTES = 16 * 2 ** 30;

const dayOf = (timeMs: number) => new Date(timeMs).toISOString().slice(0, 10);

/** What every file of a request's is called, less its day and its digest. */
export function nameExport(id: string, variant: string): string {
  return `${id}/${variant}`;
}

/** One made today or yesterday; null: none. */
export async function findExport(storage: Storage, name: string, nowMs = Date.now()): Promise<ExportedFile | null> {
  for (const day of [dayOf(nowMs), dayOf(nowMs - DAY_MS)]) {
    for await (const key of storage.list(`${PREFIX}${day}/${name}.`)) {
      const sizeBytes = await storage.size(key);
      if (sizeBytes !== null) return { key, sizeBytes, sha256: key.slice(key.lastIndexOf('.') + 1) };
    }
  }
  return null;
}

/** Errors: StorageFullError. */
export async function storeExport(
  storage: Storage,
  name: string,
  bytes: Uint8Array,
  nowMs = Date.now(),
): Promise<ExportedFile> {
  await makeRoom(storage, bytes.length);
  const digest = createHash('sha256').update(bytes).digest('hex');
  return storage.put(`${PREFIX}${dayOf(nowMs)}/${name}.${digest}`, bytes);
}

/** Removes the oldest until `sizeBytes` more fit. Who is reading one of them reads on. */
async function makeRoom(storage: Storage, sizeBytes: number): Promise<void> {
  const kept: { key: string; sizeBytes: number }[] = [];
  for await (const key of storage.list(PREFIX)) kept.push({ key, sizeBytes: (await storage.size(key)) ?? 0 });
  let total = kept.reduce((sum, file) => sum + file.sizeBytes, sizeBytes);
  for (const file of kept) {
    if (total <= MOST_BYTES) return;
    await storage.remove(file.key);
    total -= file.sizeBytes;
  }
}
