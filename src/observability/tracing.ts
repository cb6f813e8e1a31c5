import { type Context, context, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';

/**
 * Traces by OpenTelemetry, from a request through the queue to the worker. Until `startTracing` is called the API package's own tracer does nothing, and
 * nothing else is loaded.
 */
const tracer = trace.getTracer('trainyard');

export interface Tracing {
  /** Sends what has gathered. */
  close(): Promise<void>;
}

/** Sends spans to an OTLP collector, in batches, from this process on. `endpoint`: http://collector:4318 */
export async function startTracing(endpoint: string, process: string, version: string): Promise<Tracing> {
  const [{ BatchSpanProcessor, NodeTracerProvider }, { OTLPTraceExporter }, { resourceFromAttributes }] =
    await Promise.all([
      import('@opentelemetry/sdk-trace-node'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/resources'),
    ]);
  const exporter = new OTLPTraceExporter({ url: new URL('v1/traces', `${endpoint.replace(/\/$/, '')}/`).href });
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': `trainyard-${process}`, 'service.version': version }),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  });
  provider.register();
  return { close: () => provider.shutdown() };
}

export interface RequestSpan {
  /** Runs the request within the span. */
  run(work: () => void): void;
  end(outcome: { route: string; status: number }): void;
}

/** A span of a request, within the trace of its `traceparent` if it has one; null where nothing is traced. */
export function startRequestSpan(
  method: string,
  headers: Record<string, unknown>,
  requestId: string,
): RequestSpan | null {
  const parent = propagation.extract(ROOT_CONTEXT, headers);
  const span = tracer.startSpan(
    method,
    { kind: SpanKind.SERVER, attributes: { 'http.request.method': method, 'trainyard.request_id': requestId } },
    parent,
  );
  if (!span.isRecording()) return null;
  return {
    run: (work) => context.with(trace.setSpan(parent, span), work),
    end({ route, status }) {
      span.updateName(`${method} ${route}`);
      span.setAttributes({ 'http.route': route, 'http.response.status_code': status });
      if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    },
  };
}

/** Of the span that is under way, for whoever goes on later and elsewhere (W3C Trace Context); null where nothing is traced. */
export function readTraceparent(): string | null {
  const carrier: { traceparent?: string } = {};
  propagation.inject(context.active(), carrier);
  return carrier.traceparent ?? null;
}

/** Runs an attempt at a job as a span of the trace in which the job was posted. */
export async function traceAttempt<T>(
  job: { id: string; traceparent: string | null },
  attempt: number,
  work: () => Promise<T>,
): Promise<T> {
  const parent: Context =
    job.traceparent === null ? ROOT_CONTEXT : propagation.extract(ROOT_CONTEXT, { traceparent: job.traceparent });
  const attributes = { 'trainyard.job_id': job.id, 'trainyard.attempt': attempt };
  const span = tracer.startSpan('run job', { kind: SpanKind.CONSUMER, attributes }, parent);
  try {
    return await context.with(trace.setSpan(parent, span), work);
  } catch (error) {
    span.recordException(error as Error);
    span.setStatus({ code: SpanStatusCode.ERROR });
    throw error;
  } finally {
    span.end();
  }
}
