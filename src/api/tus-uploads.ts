import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { FileStore } from '@tus/file-store';
import { Server } from '@tus/server';
import { LRUCache } from 'lru-cache';
import { typeid } from 'typeid-js';
import { ApiError, type ErrorCode } from '../spec/errors.ts';
import type { Storage } from '../storage/storage.ts';

/** Uploads by the tus protocol (tus.io): begun, cut off, gone on with. Each tenant's lie in a folder of their own, so that no id leads to another's. */

const PATH = '/v1/uploads';
const KEPT_MS = 24 * 3_600_000;
const SWEEP_EVERY_MS = 3_600_000;
const MOST_TENANTS = 1000;
const MOST_OPEN_UPLOADS = 100;

export interface OpenUpload {
  id: string;
  offset: number;
  /** null: not told yet */
  size: number | null;
  expiresAt: Date;
}

interface Tenant {
  store: FileStore;
  server: Server;
  /** what a new upload may have, by the tenant's quota */
  left: number;
}

export class TusUploads {
  readonly #storage: Storage;
  readonly #maxBytes: number;
  // locks of uploads are held by their server, so a tenant keeps its own while it is used
  readonly #tenants = new LRUCache<string, Tenant>({ max: MOST_TENANTS });
  readonly #sweep: NodeJS.Timeout;

  constructor(storage: Storage, maxBytes: number) {
    this.#storage = storage;
    this.#maxBytes = maxBytes;
    this.#sweep = setInterval(() => void this.removeExpired().catch(() => {}), SWEEP_EVERY_MS).unref();
  }

  get #folder(): string {
    return join(this.#storage.describe().directory, 'uploads');
  }

  close(): void {
    clearInterval(this.#sweep);
  }

  /** Begins an upload; `left`: bytes that the tenant may still store, without those of uploads that are open. */
  async create(tenant: string, left: number, headers: Record<string, string>): Promise<Response> {
    await this.#storage.check();
    const own = this.#open(tenant);
    // there is no folder before the first
    const open = (await own.store.configstore.list?.().catch(() => [])) ?? [];
    if (open.length >= MOST_OPEN_UPLOADS)
      throw new ApiError('quota_exceeded', `There are ${open.length} open uploads. Use or delete some first.`);
    const sizes = await Promise.all(open.map(async (id) => (await own.store.configstore.get(id))?.size ?? 0));
    own.left = Math.max(0, left - sizes.reduce((sum, size) => sum + size, 0));
    return explain(await own.server.handleWeb(new Request(`http://tus${PATH}`, { method: 'POST', headers })));
  }

  /** HEAD, PATCH or DELETE of an upload that there is. */
  async answer(
    tenant: string,
    id: string,
    request: { method: string; headers: Record<string, string>; body?: Readable },
  ): Promise<Response> {
    const { method, headers, body } = request;
    await this.find(tenant, id);
    const { server } = this.#open(tenant);
    const init = { method, headers, ...(body !== undefined && { body: body as unknown as BodyInit, duplex: 'half' }) };
    return explain(await server.handleWeb(new Request(`http://tus${PATH}/${id}`, init as RequestInit)));
  }

  /** Errors: upload_not_found. */
  async find(tenant: string, id: string): Promise<OpenUpload> {
    const found = /^upl_[0-9a-z]{26}$/.test(id)
      ? await this.#open(tenant)
          .store.getUpload(id)
          .catch(() => null)
      : null;
    if (found === null) await this.#storage.check();
    const expiresAt = new Date(new Date(found?.creation_date ?? 0).getTime() + KEPT_MS);
    if (found === null || expiresAt.getTime() < Date.now())
      throw new ApiError('upload_not_found', `There is no upload ${JSON.stringify(id.slice(0, 100))}.`);
    return { id, offset: found.offset, size: found.size ?? null, expiresAt };
  }

  /** The bytes of one that is complete. Errors: upload_not_found, upload_not_complete. */
  async read(
    tenant: string,
    id: string,
  ): Promise<{ bytes: Readable; fileName: string | undefined; type: string | undefined }> {
    const { offset, size } = await this.find(tenant, id);
    if (offset !== size)
      throw new ApiError(
        'upload_not_complete',
        `The upload ${id} has ${offset} of ${size ?? 'an unknown number of'} bytes.`,
      );
    const { store } = this.#open(tenant);
    const { metadata } = await store.getUpload(id);
    const fileName = metadata?.filename ?? metadata?.name ?? undefined;
    return { bytes: store.read(id), fileName, type: metadata?.filetype ?? metadata?.type ?? undefined };
  }

  async remove(tenant: string, id: string): Promise<void> {
    await this.#open(tenant)
      .store.remove(id)
      .catch(() => {});
  }

  /** Of every tenant, whatever process began them. */
  async removeExpired(): Promise<void> {
    for (const name of await readdir(this.#folder).catch(() => []))
      await new FileStore({
        directory: join(this.#folder, name),
        expirationPeriodInMilliseconds: KEPT_MS,
      }).deleteExpired();
  }

  #open(tenant: string): Tenant {
    const known = this.#tenants.get(tenant);
    if (known !== undefined) return known;
    const directory = join(this.#folder, createHash('sha256').update(tenant).digest('hex').slice(0, 32));
    const store = new FileStore({ directory, expirationPeriodInMilliseconds: KEPT_MS });
    const server = new Server({
      path: PATH,
      datastore: store,
      relativeLocation: true,
      namingFunction: () => typeid('upl').toString(),
      maxSize: () => Math.min(this.#maxBytes, made.left),
    });
    const made: Tenant = { store, server, left: this.#maxBytes };
    this.#tenants.set(tenant, made);
    return made;
  }
}

const CODES: Record<number, ErrorCode> = {
  403: 'upload_not_found',
  404: 'upload_not_found',
  409: 'upload_conflict',
  410: 'upload_not_found',
  412: 'bad_request',
  413: 'too_large',
  415: 'unsupported_media_type',
  423: 'upload_conflict',
};

/** What the protocol's server refuses, as a problem document. */
async function explain(answer: Response): Promise<Response> {
  if (answer.status < 400) return answer;
  const detail = (await answer.text()).trim() || 'The upload was refused.';
  throw new ApiError(
    CODES[answer.status] ?? (answer.status < 500 ? 'bad_request' : 'unavailable'),
    `${detail.replace(/\.?$/, '.')}`,
  );
}
