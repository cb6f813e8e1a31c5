import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ERRORS } from '../../src/spec/error-codes.ts';
import { pointerTo } from '../../src/spec/mistake.ts';
import { call, uploadCsv } from '../support/client.ts';
import { type Service, startService } from '../support/service.ts';

// biome-ignore lint/suspicious/noExplicitAny: the document is read as a stranger reads it
type Json = any;
let service: Service;
let openapi: Json;
beforeAll(async () => {
  service = await startService();
  openapi = (await call('GET', `${service.url}/openapi.json`)).body;
});
afterAll(() => service.close());

/** Each object of the document, with where it stands. */
function* walk(value: Json, pointer = ''): Generator<[string, Json]> {
  if (typeof value !== 'object' || value === null) return;
  yield [pointer, value];
  for (const [key, inner] of Object.entries(value)) yield* walk(inner, pointerTo(pointer, key));
}
const operations = () =>
  Object.entries(openapi.paths as Json).flatMap(([path, methods]) =>
    Object.entries(methods as Json).map(([method, operation]): [string, string, Json] => [method, path, operation]),
  );

describe('OpenAPI', () => {
  it('is 3.1, and says what the service is', () => {
    expect(openapi.openapi).toBe('3.1.0');
    expect(openapi.info).toMatchObject({ title: 'Trainyard', version: 'test' });
  });

  it('every reference leads somewhere', () => {
    const references = [...walk(openapi)].flatMap(([pointer, { $ref }]) =>
      typeof $ref === 'string' ? [[pointer, $ref]] : [],
    );
    expect(references.length).toBeGreaterThan(50);
    for (const [pointer, reference] of references) {
      const found = reference!
        .slice(2)
        .split('/')
        .reduce((at: Json, part: string) => at?.[part], openapi);
      expect(found, `${pointer}: ${reference}`).toBeTypeOf('object');
    }
  });

  it('bounds every text, list and object that a request may have', () => {
    const loose: string[] = [];
    const seen = new Set<Json>();
    const visit = (schema: Json, at: string): void => {
      if (typeof schema !== 'object' || schema === null || seen.has(schema)) return;
      seen.add(schema);
      if (schema.$ref !== undefined) visit(openapi.components.schemas[schema.$ref.split('/').at(-1)], schema.$ref);
      const { type, maxLength, maxItems, maxProperties, additionalProperties } = schema;
      const isFixed = schema.enum !== undefined || schema.const !== undefined;
      const isOneOf = schema.oneOf !== undefined || schema.anyOf !== undefined;
      if (type === 'string' && !isFixed && maxLength === undefined && schema.pattern === undefined) loose.push(at);
      if (type === 'array' && maxItems === undefined) loose.push(at);
      if (type === 'object' && !isOneOf && additionalProperties !== false && maxProperties === undefined)
        loose.push(at);
      for (const list of ['anyOf', 'oneOf', 'allOf'])
        for (const [i, one] of (schema[list] ?? []).entries()) visit(one, `${at}/${list}/${i}`);
      for (const [name, inner] of Object.entries(schema.properties ?? {})) visit(inner, `${at}/${name}`);
      for (const inner of [schema.items, additionalProperties, ...Object.values(schema.patternProperties ?? {})])
        visit(inner, `${at}/*`);
    };
    for (const [method, path, { parameters = [], requestBody }] of operations()) {
      for (const { in: place, name, schema } of parameters)
        if (place === 'query') visit(schema, `${method} ${path}?${name}`);
      // rows of a dataset are read as they come, and bounded by their bytes
      const { 'application/json': body } = requestBody?.content ?? {};
      if (body !== undefined) visit(path === '/v1/datasets' ? body.schema.oneOf[1] : body.schema, `${method} ${path} `);
    }
    expect(seen.size).toBeGreaterThan(300);
    expect(loose).toEqual([]);
  });

  it('every component is used, and every schema can be compiled', () => {
    const text = JSON.stringify(openapi);
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: 'doc', components: openapi.components });
    for (const name of Object.keys(openapi.components.schemas)) {
      expect(text).toContain(`"#/components/schemas/${name}"`);
      expect(ajv.compile({ $ref: `doc#/components/schemas/${name}` })).toBeTypeOf('function');
    }
  });

  it('examples fit what they are examples of', () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: 'doc', ...openapi });
    const shown = [...walk(openapi)].flatMap(([pointer, { example, schema, examples }]): [string, Json][] => [
      ...(example !== undefined && schema !== undefined ? [[`${pointer}/schema`, example] as [string, Json]] : []),
      ...(Array.isArray(examples) ? examples.map((one): [string, Json] => [pointer, one]) : []),
    ]);
    expect(shown.length).toBeGreaterThan(10);
    for (const [pointer, example] of shown) {
      const validate = ajv.compile({ $ref: `doc#${pointer.split('/').map(encodeURIComponent).join('/')}` });
      expect(validate(example), `${pointer}: ${ajv.errorsText(validate.errors)}`).toBe(true);
    }
  });

  it('nothing of our own notation is left', () => {
    for (const [pointer, value] of walk(openapi)) {
      const isSchema = !/\/(properties|example|default)$/.test(pointer);
      if (isSchema) expect(Object.keys(value), pointer).not.toEqual(expect.arrayContaining(['derived']));
      if (isSchema) expect(Object.keys(value), pointer).not.toEqual(expect.arrayContaining(['shorthand']));
      if (isSchema) expect(Object.keys(value), pointer).not.toEqual(expect.arrayContaining(['openNames']));
    }
  });

  it('every route is there, with its parameters, bodies and answers', () => {
    expect(
      operations()
        .map(([method, path]) => `${method} ${path}`)
        .sort(),
    ).toEqual([
      'delete /v1/api-keys/{id}',
      'delete /v1/datasets/{id}',
      'delete /v1/jobs/{id}',
      'delete /v1/models/{name}',
      'delete /v1/models/{name}/aliases/{alias}',
      'delete /v1/models/{name}/versions/{version}',
      'delete /v1/uploads/{id}',
      'delete /v1/webhooks/{id}',
      'delete /v1/weights/{id}',
      'get /healthz',
      'get /metrics',
      'get /readyz',
      'get /v1/api-keys',
      'get /v1/api-keys/{id}',
      'get /v1/datasets',
      'get /v1/datasets/{id}',
      'get /v1/datasets/{id}/preview',
      'get /v1/datasets/{id}/profile',
      'get /v1/jobs',
      'get /v1/jobs/{id}',
      'get /v1/jobs/{id}/checkpoints',
      'get /v1/jobs/{id}/checkpoints/{reference}',
      'get /v1/jobs/{id}/checkpoints/{reference}/download',
      'get /v1/jobs/{id}/cross-validation',
      'get /v1/jobs/{id}/evaluation',
      'get /v1/jobs/{id}/evaluation/compare/{other}',
      'get /v1/jobs/{id}/events',
      'get /v1/jobs/{id}/metrics',
      'get /v1/models',
      'get /v1/models/{name}',
      'get /v1/models/{name}/aliases/{alias}',
      'get /v1/models/{name}/versions',
      'get /v1/models/{name}/versions/{version}',
      'get /v1/models/{name}/versions/{version}/card',
      'get /v1/models/{name}/versions/{version}/download',
      'get /v1/system',
      'get /v1/uploads/{id}',
      'get /v1/webhooks',
      'get /v1/webhooks/{id}',
      'get /v1/webhooks/{id}/deliveries',
      'get /v1/webhooks/{id}/deliveries/{delivery}',
      'get /v1/weights',
      'get /v1/weights/{id}',
      'get /v2',
      'get /v2/health/live',
      'get /v2/health/ready',
      'get /v2/models/{name}',
      'get /v2/models/{name}/ready',
      'get /v2/models/{name}/versions/{version}',
      'get /v2/models/{name}/versions/{version}/ready',
      'patch /v1/models/{name}',
      'patch /v1/models/{name}/versions/{version}',
      'patch /v1/uploads/{id}',
      'patch /v1/webhooks/{id}',
      'post /v1/api-keys',
      'post /v1/datasets',
      'post /v1/jobs',
      'post /v1/jobs/cross-validate',
      'post /v1/jobs/estimate',
      'post /v1/jobs/{id}/cancel',
      'post /v1/jobs/{id}/clone',
      'post /v1/jobs/{id}/generate',
      'post /v1/jobs/{id}/pause',
      'post /v1/jobs/{id}/predict',
      'post /v1/jobs/{id}/resume',
      'post /v1/jobs/{id}/retry',
      'post /v1/models',
      'post /v1/models/{name}/generate',
      'post /v1/models/{name}/predict',
      'post /v1/models/{name}/versions',
      'post /v1/uploads',
      'post /v1/webhooks',
      'post /v1/webhooks/{id}/deliveries/{delivery}/replay',
      'post /v1/webhooks/{id}/rotate-secret',
      'post /v1/webhooks/{id}/test',
      'post /v1/weights',
      'post /v2/models/{name}/infer',
      'post /v2/models/{name}/versions/{version}/infer',
      'put /v1/models/{name}/aliases/{alias}',
    ]);
    for (const [method, path, operation] of operations()) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const declared = (operation.parameters ?? []).filter((p: Json) => p.in === 'path').map((p: Json) => p.name);
      expect(declared.sort(), path).toEqual(named.sort());
      expect(operation.summary, path).toMatch(/\S/);
      expect(operation.responses.default).toEqual({ $ref: '#/components/responses/Problem' });
      // what is sent to an upload is told by the tus protocol
      if (path.startsWith('/v1/uploads')) continue;
      const hasBody =
        ['patch', 'put'].includes(method) ||
        (method === 'post' && !/\/(cancel|pause|resume|retry|test|replay)$/.test(path));
      expect(operation.requestBody !== undefined, `${method} ${path}`).toBe(hasBody);
    }
    const typesOf = (method: string, path: string, status: string) =>
      Object.keys(openapi.paths[path][method].responses[status].content);
    expect(typesOf('get', '/v1/jobs/{id}/events', '200')).toEqual(['application/json', 'text/event-stream']);
    expect(typesOf('get', '/v1/jobs/{id}/metrics', '200')).toEqual(['application/json', 'text/csv']);
    expect(typesOf('get', '/v1/jobs/{id}/checkpoints/{reference}/download', '206')).toEqual([
      'application/octet-stream',
    ]);
    expect(Object.keys(openapi.paths['/v1/datasets'].post.requestBody.content)).toContain('multipart/form-data');
  });

  it('what is answered is as the document says', async () => {
    const dataset = await uploadCsv(service.api, 'points', 'a,b,y\n1,x,2\n2,y,4\n3,x,6\n4,z,8\n');
    const posted = await call('POST', `${service.api}/jobs`, {
      dataset,
      target: 'y',
      training: { optimizer: 'adamw' },
    });
    const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
    ajv.addSchema({ $id: 'doc', ...openapi });
    const check = (method: string, path: string, { status, body }: { status: number; body: Json }) => {
      const { responses } = openapi.paths[path][method];
      const place =
        responses[status] === undefined
          ? 'components/responses/Problem'
          : `paths/${path.replaceAll('~', '~0').replaceAll('/', '~1')}/${method}/responses/${status}`;
      const type = responses[status] === undefined ? 'application~1problem+json' : 'application~1json';
      const validate = ajv.compile({ $ref: `doc#/${encodeURI(place)}/content/${type}/schema` });
      expect(validate(body) ? null : validate.errors).toBeNull();
    };
    const get = async (path: string, id: string) =>
      check('get', path, await call('GET', service.url + path.replace('{id}', id)));
    check('post', '/v1/jobs', posted);
    check('post', '/v1/jobs', await call('POST', `${service.api}/jobs`, { dataset, target: 'z', split: [] }));
    for (const path of ['/v1/datasets/{id}', '/v1/datasets/{id}/profile', '/v1/datasets/{id}/preview'])
      await get(path, dataset);
    for (const path of ['/v1/jobs/{id}', '/v1/jobs/{id}/events', '/v1/jobs/{id}/metrics', '/v1/jobs/{id}/checkpoints'])
      await get(path, posted.body.id);
    for (const path of ['/v1/jobs', '/v1/datasets', '/v1/system', '/readyz', '/healthz']) await get(path, '');
    // the request that made it, and the spec that it became, are both what may be sent
    const request = ajv.compile({ $ref: 'doc#/paths/~1v1~1jobs/post/requestBody/content/application~1json/schema' });
    for (const body of [{ dataset, target: 'y', training: { optimizer: 'adamw' } }, posted.body.spec])
      expect(request(body) ? null : request.errors).toBeNull();
  });
});

describe('pages for people', () => {
  it('the documentation, with all it needs', async () => {
    const { status, body } = await call<string>('GET', `${service.url}/docs`);
    expect(status).toBe(200);
    const parts = [...body.matchAll(/(?:src|href)="([^"]+)"/g)].map(
      ([, part]) => new URL(part!, `${service.url}/docs/`).href,
    );
    expect(parts.length).toBeGreaterThan(3);
    for (const part of parts) expect((await fetch(part)).status, part).toBe(200);
  });

  it('a page that tells the way, for the address at which it was asked for', async () => {
    const { headers, body } = await call<string>('GET', `${service.url}/`);
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(body).toContain(`curl ${service.api}/datasets`);
    const links = [...body.matchAll(/href="(\/[^"]*)"/g)].map((match) => match[1]!);
    expect(links.length).toBeGreaterThan(3);
    for (const link of links) expect((await fetch(`${service.url}${link}`)).status, link).toBe(200);
  });

  it('every code of an error, where its type leads', async () => {
    const { headers, body } = await call<string>('GET', `${service.url}/docs/errors`);
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
    for (const [code, { status, title, when, remedy }] of Object.entries(ERRORS)) {
      const row = body.slice(body.indexOf(`<tr id="${code}">`)).split('</tr>')[0]!;
      for (const part of [`<code>${code}</code>`, `<td>${status}</td>`, title, when, `<td>${remedy}</td>`])
        expect(row).toContain(part);
      for (const sentence of [when, remedy]) expect(sentence).toMatch(/^[A-Z]\S* .*\.$|^\S+ .*\.$/);
    }
  });

  it('the system tells its limits, and nothing of tenants', async () => {
    expect((await call('GET', `${service.api}/system`)).body).toEqual({
      version: 'test',
      node: process.version,
      workers: [],
      queue_depth: 0,
      limits: { upload_bytes: 2 ** 30, json_bytes: 2 ** 20 },
    });
  });
});
