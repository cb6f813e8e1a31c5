import type { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { countDatasetBytes } from '../../db/datasets.ts';
import { closed, nullable } from '../../spec/schema.ts';
import { type Api, type ApiDeps, ofTenant } from '../deps.ts';
import type { Quotas } from '../quotas.ts';
import { IdParams } from '../request-parts.ts';
import type { TusUploads } from '../tus-uploads.ts';
import { linger } from '../uploads.ts';

const Upload = closed(
  {
    id: Type.String(),
    offset: Type.Integer({ minimum: 0, description: 'bytes that have come' }),
    size: nullable(Type.Integer({ minimum: 0 })),
    expires_at: Type.String({ format: 'date-time' }),
  },
  { title: 'Upload', description: 'A file that comes in parts, by the tus protocol.' },
);

/** Resumable uploads by the tus protocol 1.0.0, of which `POST /v1/datasets {"upload": "…"}` makes a dataset. */
export async function addUploadRoutes(routes: Api, deps: ApiDeps, quotas: Quotas, uploads: TusUploads): Promise<void> {
  routes.addHook('onClose', async () => uploads.close());
  await routes.register(async (app) => {
    // bodies are streams; what is none is said by the protocol
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
    const tags = ['uploads'];

    app.post(
      '/v1/uploads',
      {
        config: { access: 'datasets:write' },
        schema: {
          tags,
          summary: 'Begin a resumable upload',
          description:
            'By the tus protocol 1.0.0 (tus.io), which clients exist for in every language: `Tus-Resumable: 1.0.0`, `Upload-Length`, and `Upload-Metadata` with `filename` and `filetype`, which tell the format. It is kept for 24 hours.',
          response: { 201: Type.Null() },
        },
      },
      async (request, reply) => {
        const { tenant, db } = ofTenant(deps, request);
        const { datasetBytes: most } = await quotas.of(tenant);
        const left =
          most === null ? Number.POSITIVE_INFINITY : Math.max(0, most - (await countDatasetBytes(db.orm, tenant)));
        return relay(await uploads.create(tenant, left, headersOf(request)), reply);
      },
    );

    const answer = async (request: FastifyRequest, reply: FastifyReply) => {
      const { tenant } = ofTenant(deps, request);
      const { method, body } = request;
      const { id } = request.params as { id: string };
      try {
        const sent = method === 'PATCH' ? { body: (body as Readable | undefined) ?? request.raw } : {};
        return relay(await uploads.answer(tenant, id, { method, headers: headersOf(request), ...sent }), reply);
      } catch (error) {
        linger(request.raw, reply);
        throw error;
      }
    };
    const access = 'datasets:write';
    app.head('/v1/uploads/:id', { config: { access }, schema: { hide: true } }, answer);
    app.patch(
      '/v1/uploads/:id',
      {
        config: { access },
        schema: { tags, summary: 'Go on with an upload', params: IdParams, response: { 204: Type.Null() } },
      },
      answer,
    );
    app.delete(
      '/v1/uploads/:id',
      {
        config: { access },
        schema: { tags, summary: 'Give an upload up', params: IdParams, response: { 204: Type.Null() } },
      },
      answer,
    );
    app.get(
      '/v1/uploads/:id',
      {
        exposeHeadRoute: false,
        config: { access },
        schema: { tags, summary: 'How far an upload has come', params: IdParams, response: { 200: Upload } },
      },
      async (request) => {
        const { tenant } = ofTenant(deps, request);
        const { id, offset, size, expiresAt } = await uploads.find(tenant, (request.params as { id: string }).id);
        return { id, offset, size, expires_at: expiresAt.toISOString() };
      },
    );
  });
}

/** Those that the protocol reads. */
function headersOf({ headers }: FastifyRequest): Record<string, string> {
  const names = Object.keys(headers).filter((name) => /^(tus-|upload-|content-type$|content-length$)/.test(name));
  return Object.fromEntries(names.map((name) => [name, String(headers[name])]));
}

function relay(answer: Response, reply: FastifyReply): FastifyReply {
  for (const [name, value] of answer.headers)
    if (/^(tus-|upload-|location$|cache-control$)/.test(name)) reply.header(name, value);
  return reply.code(answer.status).send();
}
