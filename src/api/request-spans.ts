import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type RequestSpan, startRequestSpan } from '../observability/tracing.ts';

/** A span for each request, if anything is traced; what the request does is done within it. */
export function addRequestSpans(app: FastifyInstance): void {
  const spans = new WeakMap<FastifyRequest, RequestSpan>();
  app.addHook('onRequest', (request, _reply, done) => {
    const span = startRequestSpan(request.method, request.headers, request.id);
    if (span === null) return done();
    spans.set(request, span);
    span.run(done);
  });
  app.addHook('onResponse', (request, reply, done) => {
    spans.get(request)?.end({ route: request.routeOptions.url ?? 'none', status: reply.statusCode });
    done();
  });
}
