import { isDeepStrictEqual } from 'node:util';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { Problem } from '../spec/errors.ts';
import { KEY_SCHEME } from './auth.ts';

/** The page of the library does not say that it fits a narrow screen; there, what an operation does stands below its address. */
const VIEWPORT = `const meta = document.createElement('meta');
meta.name = 'viewport';
meta.content = 'width=device-width, initial-scale=1';
document.head.append(meta);`;
const DOCS_STYLE = `.swagger-ui .topbar { display: none }
@media (max-width: 45rem) {
  .swagger-ui .wrapper { padding: 0 10px }
  .swagger-ui .info { margin: 20px 0 }
  .swagger-ui .info pre, .swagger-ui .info code { overflow-wrap: anywhere; white-space: pre-wrap }
  .swagger-ui .opblock .opblock-summary-path { max-width: calc(100vw - 160px) }
  .swagger-ui .opblock .opblock-summary-description { flex: 1 1 100%; padding: 4px 10px }
  .swagger-ui .opblock .opblock-summary-control { flex-wrap: wrap }
}`;

/** OpenAPI 3.1 from the routes' own schemas, at /openapi.json, and a page to browse it at /docs. */
export async function addOpenApi(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Trainyard',
        version,
        description: [
          'Trains neural networks for other services: upload a dataset, post a job, watch the loss fall, download the weights or ask for predictions.',
          '1. `POST /v1/datasets` with a CSV\n2. `POST /v1/jobs` with `{"dataset": "ds_…", "target": "species"}`\n3. `GET /v1/jobs/{id}/events` with `Accept: text/event-stream`\n4. `GET /v1/jobs/{id}/checkpoints/best/download`, or `POST /v1/jobs/{id}/predict` with `{"rows": […]}`',
          'Errors are `application/problem+json` (RFC 9457) with one of [these codes](/docs/errors), and for specs every mistake with a JSON pointer. Numbers that JSON cannot say are the strings `"NaN"`, `"Infinity"` and `"-Infinity"`.',
        ].join('\n\n'),
        license: { name: 'MIT', identifier: 'MIT' },
      },
      components: {
        securitySchemes: {
          [KEY_SCHEME]: {
            type: 'http',
            scheme: 'bearer',
            description:
              'A key (`ty_…`) with the scopes that the operation names. Where the service runs with `AUTH=open` none is asked for.',
          },
        },
      },
      tags: [
        'datasets',
        'jobs',
        'checkpoints',
        'predictions',
        'models',
        'inference',
        'webhooks',
        'api-keys',
        'system',
      ].map((name) => ({
        name,
      })),
    },
    transformObject: (document) =>
      'openapiObject' in document ? nameSchemas(document.openapiObject as Json) : document.swaggerObject,
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: true,
    theme: {
      title: 'Trainyard',
      css: [{ filename: 'theme.css', content: DOCS_STYLE }],
      js: [{ filename: 'viewport.js', content: VIEWPORT }],
    },
    uiConfig: { docExpansion: 'list', tryItOutEnabled: true },
  });
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
}

// biome-ignore lint/suspicious/noExplicitAny: the document is walked as plain JSON
type Json = Record<string, any>;

/** What the schemas say to us, and to nobody else (see spec/schema.ts). */
const OWN_NOTATION = ['derived', 'shorthand'];

/**
 * Moves every schema that has a title to `components`, once, and refers to it. What a client may send is less strict than what comes back, so
 * the schemas of request bodies have names of their own.
 */
function nameSchemas(document: Json): Json {
  const schemas: Json = {};
  const visit = (value: unknown, suffix: string): unknown => {
    if (Array.isArray(value)) return value.map((item) => visit(item, suffix));
    if (typeof value !== 'object' || value === null) return value;
    const { title, default: preset, ...schema } = value as Json;
    const inside = Object.fromEntries(
      Object.entries(schema)
        .filter(([key, inner]) => !OWN_NOTATION.includes(key) || typeof inner !== 'string')
        .map(([key, inner]) => [key, visit(inner, key === 'requestBody' ? 'Request' : suffix)]),
    );
    const kept = preset === undefined ? {} : { default: preset };
    if (typeof title !== 'string' || schema.type !== 'object')
      return { ...(title !== undefined && { title }), ...inside, ...kept };
    const name = title.endsWith(suffix) ? title : title + suffix;
    const named = { title: name, ...inside };
    schemas[name] ??= named;
    if (!isDeepStrictEqual(schemas[name], named)) throw new Error(`two schemas are called ${name}`);
    return { $ref: `#/components/schemas/${name}`, ...kept };
  };
  const paths = visit(addProblems(document.paths), '');
  const problem = {
    description: 'What went wrong',
    content: { 'application/problem+json': { schema: visit(Problem, '') } },
  };
  const components = {
    ...document.components,
    responses: { Problem: problem },
    schemas: Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1))),
  };
  return { ...document, paths, components };
}

/** Any request may be answered with a problem. */
function addProblems(paths: Json): Json {
  const byMethod = Object.entries(paths).map(([path, methods]) => [
    path,
    Object.fromEntries(
      Object.entries(methods as Json).map(([method, operation]) => [
        method,
        {
          ...operation,
          responses: { ...operation.responses, default: { $ref: '#/components/responses/Problem' } },
        },
      ]),
    ),
  ]);
  return Object.fromEntries(byMethod);
}
