import { randomUUID } from 'node:crypto';
import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import helmet from '@fastify/helmet';
import { fastifySSE as sse } from '@fastify/sse';
import underPressure from '@fastify/under-pressure';
import { Ajv } from 'ajv';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyRequest, LogController } from 'fastify';
import { encodeNonFinite } from '../db/json-number.ts';
import { getOrCreateSecret } from '../db/secrets.ts';
import { ApiError } from '../spec/errors.ts';
import { addAuth } from './auth.ts';
import { addBodyGate } from './body-gate.ts';
import { answerClientError } from './connection-errors.ts';
import { Cursors } from './cursor.ts';
import { type ApiDeps, CLIENT_PATIENCE } from './deps.ts';
import { addEntityTags } from './entity-tags.ts';
import { closeHalfOpen } from './half-open.ts';
import { addIdempotency } from './idempotency.ts';
import { addJsonParser, JSON_BODY_BYTES } from './json-body.ts';
import { addOpenApi } from './openapi.ts';
import { sendError, setProblemHandlers } from './problem.ts';
import { Quotas } from './quotas.ts';
import { addRateLimits } from './rate-limits.ts';
import { addRequestChecks } from './request-checks.ts';
import { RequestLog } from './request-log.ts';
import { addRequestMetrics } from './request-metrics.ts';
import { addRequestSpans } from './request-spans.ts';
import { addApiKeyRoutes } from './routes/api-keys.ts';
import { addCheckpointRoutes } from './routes/checkpoints.ts';
import { addCrossValidationRoutes } from './routes/cross-validations.ts';
import { addDatasetRoutes } from './routes/datasets.ts';
import { addEstimateRoute } from './routes/estimates.ts';
import { addEvaluationRoutes } from './routes/evaluations.ts';
import { addEventRoutes } from './routes/events.ts';
import { addGenerationRoutes } from './routes/generation.ts';
import { addInferenceRoutes } from './routes/inference.ts';
import { addJobActions } from './routes/job-actions.ts';
import { addJobPages } from './routes/job-pages.ts';
import { addJobRoutes } from './routes/jobs.ts';
import { addMetricRoutes } from './routes/metrics.ts';
import { addModelAliasRoutes } from './routes/model-aliases.ts';
import { addModelVersionRoutes } from './routes/model-versions.ts';
import { addModelRoutes } from './routes/models.ts';
import { addPredictionRoutes } from './routes/predictions.ts';
import { addPrometheusRoute } from './routes/prometheus.ts';
import { addSystemRoutes } from './routes/system.ts';
import { addUploadRoutes } from './routes/uploads.ts';
import { addWebhookDeliveryRoutes } from './routes/webhook-deliveries.ts';
import { addWebhookRoutes } from './routes/webhooks.ts';
import { addWeightRoutes } from './routes/weights.ts';
import { TusUploads } from './tus-uploads.ts';

const HEARTBEAT_MS = 15_000;
const MAX_EVENT_LOOP_DELAY_MS = 2000;
/** Beyond this share of what there is, no more work is taken: of the heap, and of the machine's or the container's memory. */
const MOST_MEMORY = 0.85;
const MOST_CONNECTIONS = 10_000;
const FIRST_PROBE_MS = 15_000;

/** Builds the API; the caller listens. */
export async function buildApp(deps: ApiDeps): Promise<FastifyInstance> {
  const app = Fastify({
    loggerInstance: deps.logger as FastifyBaseLogger,
    logController: new LogController({
      disableRequestLogging: !['debug', 'trace'].includes(deps.logger.level),
      requestIdLogLabel: 'request_id',
    }),
    childLoggerFactory: (logger, bindings, options) => new RequestLog(() => logger.child(bindings, options)),
    bodyLimit: JSON_BODY_BYTES,
    genReqId: ({ headers }) => readRequestId(headers['x-request-id']),
    requestTimeout: 3_600_000,
    connectionTimeout: 120_000,
    // a request without Host is answered here, with a problem document
    http: {
      connectionsCheckingInterval: 5000,
      headersTimeout: 15_000,
      maxHeaderSize: 16_384,
      requireHostHeader: false,
      keepAlive: true,
      keepAliveInitialDelay: FIRST_PROBE_MS,
    },
    ...(deps.config.trustProxy.length > 0 && { trustProxy: [...deps.config.trustProxy] }),
    clientErrorHandler: answerClientError,
    // said with a problem document, see request-checks
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 200 },
    // what is wrong before there is a route: an address that cannot be read, or a part of it that is too long
    frameworkErrors: (error, request, reply) => sendError(error, request, reply),
  });

  // Bodies and headers are checked by hand, so that every mistake is told; addresses by ajv, which makes numbers of text there.
  const ajv = new Ajv({
    coerceTypes: true,
    useDefaults: true,
    allErrors: true,
    strict: false,
    // what was sent, and the schema it does not fit, stand with each error
    verbose: true,
    formats: { 'date-time': isDateTime },
  });
  app.setValidatorCompiler(({ schema, httpPart }) =>
    httpPart === 'body' || httpPart === 'headers' ? (value: unknown) => ({ value }) : ajv.compile(schema as object),
  );
  app.setSerializerCompiler(() => (body) => JSON.stringify(encodeNonFinite(body)));
  app.server.maxConnections = MOST_CONNECTIONS;
  const halfOpen = closeHalfOpen(app.server);
  app.addHook('onClose', async () => halfOpen.close());
  // an Expect other than 100-continue is passed over, as RFC 9110 allows
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response));

  setProblemHandlers(app);
  addJsonParser(app);
  await app.register(helmet, { contentSecurityPolicy: false });
  addRequestChecks(app);
  const keys = addAuth(app, deps, await addRateLimits(app, deps));
  addRequestMetrics(app, deps.metrics);
  addRequestSpans(app);
  await app.register(underPressure, {
    maxEventLoopDelay: deps.maxEventLoopDelayMs ?? MAX_EVENT_LOOP_DELAY_MS,
    maxHeapUsedBytes: deps.maxHeapUsedBytes ?? getHeapStatistics().heap_size_limit * MOST_MEMORY,
    maxRssBytes: Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY) * MOST_MEMORY,
    pressureHandler: refuseUnderPressure,
  });
  addBodyGate(app, { ...deps.config, ...CLIENT_PATIENCE, ...deps.patience });
  await app.register(sse, { heartbeatInterval: HEARTBEAT_MS });
  addIdempotency(app, deps);
  addEntityTags(app);
  await addOpenApi(app, deps.version);

  const cursors = new Cursors(await getOrCreateSecret(deps.db, 'cursors'));
  const quotas = new Quotas(keys, deps.config.quotas);
  await app.register(async (routes) => {
    const uploads = new TusUploads(deps.storage, deps.config.maxUploadBytes);
    await addDatasetRoutes(routes, deps, cursors, quotas, uploads);
    await addUploadRoutes(routes, deps, quotas, uploads);
    await addWeightRoutes(routes, deps, cursors);
    addJobRoutes(routes, deps, cursors, quotas);
    addEstimateRoute(routes, deps);
    addJobActions(routes, deps, quotas);
    addMetricRoutes(routes, deps);
    addEvaluationRoutes(routes, deps);
    addCrossValidationRoutes(routes, deps, quotas);
    addEventRoutes(routes, deps);
    addCheckpointRoutes(routes, deps);
    addPredictionRoutes(routes, deps);
    addGenerationRoutes(routes, deps);
    addInferenceRoutes(routes, deps);
    addModelRoutes(routes, deps, cursors);
    addModelVersionRoutes(routes, deps, cursors);
    addModelAliasRoutes(routes, deps);
    addApiKeyRoutes(routes, deps, cursors, keys);
    addWebhookRoutes(routes, deps, cursors);
    addWebhookDeliveryRoutes(routes, deps, cursors);
    addSystemRoutes(routes, deps);
    addJobPages(routes);
    addPrometheusRoute(routes, deps);
  });
  return app;
}

/** Whoever asks how the service is gets an answer: a process that is busy must not be taken for one that is dead. */
function refuseUnderPressure(request: FastifyRequest): void {
  if (['/healthz', '/readyz', '/metrics'].includes(request.routeOptions.url ?? '')) return;
  throw new ApiError('unavailable', 'The service has more to do than it can just now. Please try again.', {
    headers: { 'retry-after': '2' },
  });
}

/** The client's own id, if it is a modest one; else a new one. */
function readRequestId(given: string | string[] | undefined): string {
  return typeof given === 'string' && /^[\w.-]{1,64}$/.test(given) ? given : `req_${randomUUID()}`;
}

/** RFC 3339, within the years that PostgreSQL and JavaScript write alike. */
function isDateTime(text: string): boolean {
  const parts = /^(\d{4})-(\d\d)-(\d\d)T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i.exec(text);
  if (parts === null) return false;
  const at = new Date(text);
  if (Number.isNaN(at.getTime()) || at.getUTCFullYear() < 1 || at.getUTCFullYear() > 9999) return false;
  // Date makes the 1st of March of the 30th of February
  const [year, month, day] = [Number(parts[1]), Number(parts[2]), Number(parts[3])];
  return day <= new Date(Date.UTC(year, month, 0)).getUTCDate();
}
