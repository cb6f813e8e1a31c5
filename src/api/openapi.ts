import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { ERRORS } from '../spec/errors.ts';

/** OpenAPI 3.1 from the routes' own schemas, at /openapi.json, and a page to browse it at /docs. */
export async function addOpenApi(app: FastifyInstance, version: string): Promise<void> {
  const codes = Object.entries(ERRORS).map(([code, { status, title }]) => `| \`${code}\` | ${status} | ${title} |`);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Trainyard',
        version,
        description: [
          'Trains neural networks for other services.',
          'Errors are `application/problem+json` (RFC 9457) with a `code`, and for specs every mistake with a JSON pointer. Numbers that JSON cannot say are the strings `"NaN"`, `"Infinity"` and `"-Infinity"`.',
          `| code | status | |\n|---|---|---|\n${codes.join('\n')}`,
        ].join('\n\n'),
        license: { name: 'MIT', identifier: 'MIT' },
      },
      tags: ['datasets', 'jobs', 'checkpoints', 'predictions', 'system'].map((name) => ({ name })),
    },
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: true,
    uiConfig: { docExpansion: 'list', tryItOutEnabled: true },
  });
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
}
