import { type Static, Type } from 'typebox';
import { closed, words } from './schema.ts';

export const EVENT_TYPES = [
  'job.queued',
  'job.started',
  'job.resumed',
  'job.metrics',
  'job.checkpoint',
  'job.message',
  'job.pausing',
  'job.paused',
  'job.cancelling',
  'job.cancelled',
  'job.succeeded',
  'job.failed',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

export const JobEvent = closed(
  {
    id: Type.Integer({ minimum: 1, description: 'sequence within the job, without gaps' }),
    type: words(EVENT_TYPES),
    at: Type.String({ format: 'date-time' }),
    data: Type.Record(Type.String(), Type.Unknown()),
  },
  { title: 'JobEvent' },
);
export type JobEvent = Static<typeof JobEvent>;
