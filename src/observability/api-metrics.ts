import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Figures of an API process, and of the service as it sees it, for Prometheus. */
export interface ApiMetrics {
  registry: Registry;
  requestSeconds: Histogram<'method' | 'route' | 'status'>;
  openStreams: Gauge;
  webhookTries: Counter<'outcome'>;
  webhookTrySeconds: Histogram;
}

/**
 * In a registry of its own, so that several may live in one process. Node's own figures (memory, garbage collection, event-loop delay as
 * `nodejs_eventloop_lag_*`) come with it.
 */
export function createApiMetrics(): ApiMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  return {
    registry,
    requestSeconds: new Histogram({
      name: 'trainyard_http_request_duration_seconds',
      help: 'From a request to the end of its answer, by route; streams of events are not counted',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
    openStreams: new Gauge({ name: 'trainyard_event_streams', help: 'Streams of events that are open', registers }),
    webhookTries: new Counter({
      name: 'trainyard_webhook_tries_total',
      help: 'Tries of webhook deliveries by this process: taken, refused (another status), unreachable',
      labelNames: ['outcome'],
      registers,
    }),
    webhookTrySeconds: new Histogram({
      name: 'trainyard_webhook_try_duration_seconds',
      help: 'How long tries of webhook deliveries took',
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15],
      registers,
    }),
  };
}
