import { Type } from 'typebox';
import { listLiveWorkers } from '../../db/workers.ts';
import { answersWithin } from '../answers-within.ts';
import type { Api, ApiDeps } from '../deps.ts';
import { JSON_BODY_BYTES } from '../json-body.ts';
import { writeErrorPage, writeHomePage } from '../pages.ts';

const System = Type.Object({
  version: Type.String(),
  node: Type.String(),
  workers: Type.Array(
    Type.Object({
      id: Type.String(),
      kernels: Type.String(),
      threads: Type.Integer(),
      busy: Type.Boolean(),
      seen_at: Type.String(),
    }),
  ),
  queue_depth: Type.Union([Type.Integer(), Type.Null()], {
    description: 'messages waiting; null while the queue cannot be reached',
  }),
  limits: Type.Object({ upload_bytes: Type.Integer(), json_bytes: Type.Integer() }),
});

const Readiness = Type.Object({
  status: Type.String({ enum: ['ready', 'not ready', 'stopping'] }),
  missing: Type.Array(Type.String({ enum: ['database', 'storage'] })),
  degraded: Type.Array(Type.String({ enum: ['queue', 'workers'] })),
});

/** Whoever asks for readiness wants to know soon; a part that takes longer is missing. */
const PATIENCE_MS = 2000;

export function addSystemRoutes(app: Api, deps: ApiDeps): void {
  const { db, storage, config, version } = deps;
  // a file system that hangs keeps a thread for each question, so one is asked at a time
  let asked: Promise<unknown> | undefined;
  const checkStorage = () => {
    asked ??= storage.check().finally(() => {
      asked = undefined;
    });
    return asked;
  };

  app.get(
    '/v1/system',
    {
      config: { access: 'any key' },
      schema: { tags: ['system'], summary: 'Versions, workers, queue, limits', response: { 200: System } },
    },
    async () => {
      const workers = await listLiveWorkers(db);
      return {
        version,
        node: process.version,
        workers: workers.map(({ id, kernels, threads, jobId, seenAt }) => ({
          id,
          kernels,
          threads,
          busy: jobId !== null,
          seen_at: seenAt.toISOString(),
        })),
        queue_depth: await answersWithin(deps.queueDepth(), PATIENCE_MS).catch(() => null),
        limits: { upload_bytes: config.maxUploadBytes, json_bytes: JSON_BODY_BYTES },
      };
    },
  );

  app.get(
    '/healthz',
    {
      config: { access: 'public' },
      schema: {
        tags: ['system'],
        summary: 'The process lives',
        response: { 200: Type.Object({ status: Type.String() }) },
      },
    },
    async () => ({ status: 'ok' }),
  );

  app.get(
    '/readyz',
    {
      config: { access: 'public' },
      schema: {
        tags: ['system'],
        summary: 'Ready for requests, or what is missing',
        description:
          '503 while a part is `missing` that requests need, and when the process is about to stop. A part that is `degraded` only delays jobs: they are taken, and wait.',
        response: { 200: Readiness, 503: Readiness },
      },
    },
    async (_request, reply) => {
      if (app.isLeaving) return reply.code(503).send({ status: 'stopping', missing: [], degraded: [] });
      const within = (answer: Promise<unknown>) =>
        answersWithin(answer, PATIENCE_MS).then(
          () => true,
          () => false,
        );
      const [database, storage, queue, workers] = await Promise.all([
        within(db.pool.query('select 1')),
        within(checkStorage()),
        within(deps.queueDepth()),
        answersWithin(listLiveWorkers(db), PATIENCE_MS).catch(() => null),
      ]);
      const missing = [database ? [] : 'database', storage ? [] : 'storage'].flat();
      const degraded = [queue ? [] : 'queue', workers?.length === 0 ? 'workers' : []].flat();
      return reply
        .code(missing.length === 0 ? 200 : 503)
        .send({ status: missing.length === 0 ? 'ready' : 'not ready', missing, degraded });
    },
  );

  const addPage = (path: string, write: (origin: string) => string) =>
    app.get(path, { config: { access: 'public' }, schema: { hide: true } }, async ({ protocol, host }, reply) =>
      reply
        .type('text/html; charset=utf-8')
        .serializer((text: unknown) => String(text))
        .send(write(`${protocol}://${host}`)),
    );
  addPage('/', writeHomePage);
  addPage('/docs/errors', writeErrorPage);
}
