import type { FastifyInstance } from 'fastify';
import type { ApiMetrics } from '../observability/api-metrics.ts';

/** Measures requests by route: `/v1/jobs/:id`, not each job's address, which would be a series of its own for each. */
export function addRequestMetrics(app: FastifyInstance, { requestSeconds }: ApiMetrics): void {
  app.addHook('onResponse', (request, reply, done) => {
    const type = reply.raw.getHeader('content-type');
    // a stream lasts as long as its job
    if (typeof type !== 'string' || !type.startsWith('text/event-stream')) {
      const route = request.routeOptions.url ?? 'none';
      requestSeconds.observe({ method: request.method, route, status: reply.statusCode }, reply.elapsedTime / 1000);
    }
    done();
  });
}
