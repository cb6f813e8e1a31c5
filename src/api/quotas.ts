import type { Config } from '../config.ts';
import { ApiError } from '../spec/errors.ts';
import type { Keys } from './auth.ts';

export interface Quota {
  /** null: any number */
  datasetBytes: number | null;
  openJobs: number | null;
}

/** What tenants may have: what was set for one alone, else what the configuration says. */
export class Quotas {
  readonly #keys: Keys;
  readonly #presets: Config['quotas'];

  constructor(keys: Keys, presets: Config['quotas']) {
    this.#keys = keys;
    this.#presets = presets;
  }

  async of(tenant: string): Promise<Quota> {
    const { datasetBytes, openJobs } = await this.#keys.limitsOf(tenant);
    return {
      datasetBytes: datasetBytes ?? this.#presets.datasetBytes ?? null,
      openJobs: openJobs ?? this.#presets.openJobs ?? null,
    };
  }
}

export function refuseDatasetBytes(most: number): ApiError {
  return new ApiError(
    'quota_exceeded',
    `All datasets together may have ${most} bytes, and there would be more. Delete a dataset first, or ask whoever runs the service for more.`,
  );
}
