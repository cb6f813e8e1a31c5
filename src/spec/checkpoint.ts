import { type Static, Type } from 'typebox';
import { closed, JsonNumber } from './schema.ts';

export const Checkpoint = closed(
  {
    id: Type.String(),
    job_id: Type.String(),
    step: Type.Integer({ minimum: 0 }),
    epoch: Type.Integer({ minimum: 0 }),
    metrics: Type.Record(Type.String(), JsonNumber),
    size_bytes: Type.Integer({ minimum: 0 }),
    sha256: Type.String(),
    is_best: Type.Boolean(),
    is_latest: Type.Boolean(),
    created_at: Type.String({ format: 'date-time' }),
  },
  { title: 'Checkpoint' },
);
export type Checkpoint = Static<typeof Checkpoint>;
