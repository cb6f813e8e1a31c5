import { type Static, Type } from 'typebox';
import { closed, nullable, words } from './schema.ts';

/** Webhooks by Standard Webhooks (standardwebhooks.com): what a client asks for, and what it sees of deliveries. */

/** Events of a job that are delivered. Metrics and messages are left to the event stream: they come too often for a request each. */
export const WEBHOOK_EVENTS = [
  'job.started',
  'job.paused',
  'job.resumed',
  'job.succeeded',
  'job.failed',
  'job.cancelled',
  'job.checkpoint',
] as const;
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number];

/** Checkpoints may come every few seconds, so they must be asked for. */
export const DEFAULT_WEBHOOK_EVENTS = WEBHOOK_EVENTS.filter((event) => event !== 'job.checkpoint');

/** What the test button sends. */
export const TEST_EVENT = 'webhook.test';
export type DeliveredEvent = WebhookEvent | typeof TEST_EVENT;

export const DELIVERY_STATUSES = ['pending', 'succeeded', 'failed'] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

export const DISABLED_REASONS = ['by_client', 'gone', 'failing'] as const;
export type DisabledReason = (typeof DISABLED_REASONS)[number];

const url = Type.String({
  minLength: 1,
  maxLength: 2048,
  description: 'https, without credentials, on a public address; redirects are not followed',
});
const events = Type.Array(words(WEBHOOK_EVENTS), {
  minItems: 1,
  maxItems: WEBHOOK_EVENTS.length,
  uniqueItems: true,
  description: 'which events are delivered; job.checkpoint only where it is asked for',
});
const description = Type.String({ maxLength: 500 });

export const WebhookRequest = closed(
  {
    url,
    events: Type.Optional(Type.Unsafe<WebhookEvent[]>({ ...events, default: DEFAULT_WEBHOOK_EVENTS })),
    description: Type.Optional(Type.Unsafe<string>({ ...description, default: '' })),
  },
  { title: 'WebhookRequest', examples: [{ url: 'https://example.com/trainyard' }] },
);
export type WebhookRequest = Static<typeof WebhookRequest>;

export const WebhookChange = closed(
  {
    url: Type.Optional(url),
    events: Type.Optional(events),
    description: Type.Optional(description),
    enabled: Type.Optional(Type.Boolean({ description: 'true: what waited meanwhile is delivered, too' })),
  },
  { title: 'WebhookChange' },
);
export type WebhookChange = Static<typeof WebhookChange>;

const MAX_OVERLAP_S = 7 * 86_400;

export const SecretRotation = closed(
  {
    overlap_s: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: MAX_OVERLAP_S,
        default: 86_400,
        description: 'how long requests are signed with the old secret as well',
      }),
    ),
  },
  { title: 'SecretRotation' },
);
export type SecretRotation = Static<typeof SecretRotation>;

const at = Type.String({ format: 'date-time' });

const webhookFields = {
  id: Type.String(),
  url: Type.String(),
  description: Type.String(),
  events: Type.Array(words(WEBHOOK_EVENTS)),
  enabled: Type.Boolean(),
  disabled_reason: nullable(words(DISABLED_REASONS), {
    description: 'gone: it answered 410; failing: nothing has been taken for days',
  }),
  failing_since: nullable(at, { description: 'the first failure since the last success' }),
  old_secret_until: nullable(at, { description: 'until when the secret before is used, too' }),
  created_at: at,
  updated_at: at,
};

export const Webhook = closed(webhookFields, { title: 'Webhook' });
export type Webhook = Static<typeof Webhook>;

export const WebhookWithSecret = closed(
  {
    ...webhookFields,
    secret: Type.String({ description: '`whsec_…`, shown here and never again; verify signatures with it' }),
  },
  { title: 'WebhookWithSecret' },
);
export type WebhookWithSecret = Static<typeof WebhookWithSecret>;

export const DeliveryTry = closed({
  at,
  duration_ms: Type.Integer({ minimum: 0 }),
  response_status: nullable(Type.Integer()),
  error: nullable(Type.String({ description: 'why there was no answer, or none that counts' })),
});
export type DeliveryTry = Static<typeof DeliveryTry>;

export const WebhookDelivery = closed(
  {
    id: Type.String({ description: 'also in the header webhook-id; the same for every try' }),
    webhook_id: Type.String(),
    event: words([...WEBHOOK_EVENTS, TEST_EVENT]),
    job_id: nullable(Type.String()),
    status: words(DELIVERY_STATUSES),
    attempts: Type.Integer({ minimum: 0 }),
    next_attempt_at: nullable(at),
    tries: Type.Array(DeliveryTry, { description: 'the last ones, oldest first' }),
    response_status: nullable(Type.Integer(), { description: 'of the last try' }),
    response_body: nullable(Type.String(), { description: 'the beginning of the last answer, 4 KiB at most' }),
    payload: Type.Record(Type.String(), Type.Unknown()),
    created_at: at,
    finished_at: nullable(at),
  },
  { title: 'WebhookDelivery' },
);
export type WebhookDelivery = Static<typeof WebhookDelivery>;
