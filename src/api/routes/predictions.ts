import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { ApiError } from '../../spec/errors.ts';
import { MOST_WARNINGS } from '../../spec/prediction.ts';
import { closed } from '../../spec/schema.ts';
import { answerPredictions } from '../answer-predictions.ts';
import type { Api, ApiDeps } from '../deps.ts';
import {
  type Element,
  IMAGE_TYPES,
  LINE_TYPES,
  MOST_COLUMNS,
  MOST_ROWS,
  readParts,
  readRowsBody,
  STREAMED_TYPES,
  TABLE_TYPES,
} from '../predict-rows.ts';
import { findJobTarget, findModelTarget, type PredictTarget } from '../predict-target.ts';
import { hasBody } from '../request-checks.ts';
import { linger } from '../uploads.ts';

const rows = Type.Array(Type.Record(Type.String(), Type.Unknown(), { maxProperties: MOST_COLUMNS }), {
  minItems: 1,
  maxItems: MOST_ROWS,
  description: 'objects by column; what is left out is taken as missing',
});
const checkpoint = Type.Optional(
  Type.String({ maxLength: 100, description: '`best`, `latest` or an id; without a best one, the latest' }),
);
const TABLE = 'with a header of columns; delimiter, decimal comma and encoding are found out';
const BINARY = { schema: { type: 'string', format: 'binary' } };
const bodyOf = (schema: object) => ({
  content: {
    'application/json': { schema },
    ...Object.fromEntries(
      LINE_TYPES.map((type) => [type, { schema: { type: 'string', description: 'an object by column in each line' } }]),
    ),
    ...Object.fromEntries(TABLE_TYPES.map((type) => [type, { schema: { type: 'string', description: TABLE } }])),
    'application/octet-stream': BINARY,
    ...Object.fromEntries(IMAGE_TYPES.map((type) => [type, BINARY])),
  },
});
const warnings = Type.Optional(
  Type.Array(
    Type.Object({
      pointer: Type.String({ description: 'into the rows: `/rows/3/island`' }),
      code: Type.String({
        description: '`unknown_class`, `unknown_text`, `unknown_characters`, `empty_row`, `no_base`',
      }),
      detail: Type.String(),
      expected: Type.Union([Type.String(), Type.Null()]),
    }),
    {
      maxItems: MOST_WARNINGS,
      description: 'the first of what was taken as missing and was not left out; absent where there is none',
    },
  ),
);
const answerOf = (label: Record<string, ReturnType<typeof Type.String> | ReturnType<typeof Type.Integer>>) => ({
  200: {
    description: 'A prediction for each row, in their order; of a forecast one for each row that ends a window',
    content: {
      'application/json': {
        schema: Type.Object({
          predictions: Type.Array(Type.Record(Type.String(), Type.Unknown())),
          warnings,
          ...label,
          checkpoint: Type.String(),
        }),
      },
      'application/x-ndjson': { schema: { type: 'string', description: 'a prediction in each line' } },
      'text/csv': { schema: { type: 'string', description: 'a prediction in each line, with a header' } },
    },
  },
});
const element = Type.Optional(
  Type.String({
    enum: ['float32', 'uint8'],
    default: 'float32',
    description:
      'of `application/octet-stream`: rows of prepared values (little-endian float32), or of images as they are, a byte for each value',
  }),
);
const DESCRIPTION = `Rows come as JSON (up to ${MOST_ROWS}), JSON lines, CSV, one image file, or bytes, and are prepared as those were that the network learnt from. By \`Accept\` they are answered as JSON (all or none), or as JSON lines or CSV: any number, each as soon as it is there, and what is wrong with a row in the place of its answer. Of a forecast the rows are a series in the order of time (up to ${MOST_ROWS}, as JSON, JSON lines or CSV), told all or none: after each that has enough before it (\`after_row\`, counted from 0) the next values are told, after the last one those that are not known yet. Columns that the network does not have are passed over in a row that has all of its inputs, and refused in any other, where one may be an input with its name misspelt. A class that no training row had is taken as missing, and so is all of a row without any value: \`warnings\` tell of it, of JSON beside the predictions, of lines in the line (a column of CSV). A client that reads slowly is waited for.`;

export function addPredictionRoutes(app: Api, deps: ApiDeps): void {
  app.register(async (routes) => {
    routes.addContentTypeParser(STREAMED_TYPES, (_request, payload, done) => done(null, payload));

    routes.post(
      '/v1/jobs/:id/predict',
      {
        config: { access: 'models:predict' },
        schema: {
          tags: ['predictions'],
          summary: 'Predict rows with a checkpoint of a job',
          description: DESCRIPTION,
          consumes: ['application/json', ...STREAMED_TYPES],
          params: Type.Object({ id: Type.String() }),
          querystring: Type.Object({ checkpoint, element }),
          body: bodyOf(closed({ rows, checkpoint })),
          response: answerOf({}),
        },
      },
      (request, reply) =>
        predict(deps, request, reply, ['rows', 'checkpoint'], (named) => {
          const { checkpoint: asked } = request.query as { checkpoint?: string };
          return findJobTarget(deps, request, named ?? asked);
        }),
    );

    routes.post(
      '/v1/models/:name/predict',
      {
        config: { access: 'models:predict' },
        schema: {
          tags: ['predictions'],
          summary: 'Predict rows with a registered model',
          description: `\`name\` is the name of a model, or with a version or an alias \`digits@3\`, \`digits@champion\`; without one it is the newest version that answers. ${DESCRIPTION}`,
          consumes: ['application/json', ...STREAMED_TYPES],
          params: Type.Object({ name: Type.String() }),
          querystring: Type.Object({
            version: Type.Optional(Type.String({ maxLength: 100, description: 'a number, an alias, or `latest`' })),
            element,
          }),
          body: bodyOf(closed({ rows })),
          response: answerOf({ model: Type.String(), version: Type.Integer() }),
        },
      },
      (request, reply) =>
        predict(deps, request, reply, ['rows'], () =>
          findModelTarget(deps, request, (request.query as { version?: string }).version),
        ),
    );
  });
}

async function predict(
  deps: ApiDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  fields: readonly string[],
  find: (checkpoint: string | undefined) => Promise<PredictTarget>,
): Promise<FastifyReply> {
  if (!hasBody(request)) throw new ApiError('empty_body', 'Rows are expected.');
  const isStream = STREAMED_TYPES.some((type) => request.headers['content-type']?.toLowerCase().startsWith(type));
  try {
    // of what is not there nobody asks what is wrong with the rows
    if (isStream) {
      const target = await find(undefined);
      const { element } = request.query as { element: Element };
      return await answerPredictions(deps, request, reply, target, readParts(request, target, element));
    }
    const body = readRowsBody(request, fields);
    return await answerPredictions(deps, request, reply, await find(body.checkpoint), body);
  } catch (error) {
    if (isStream) linger(request.raw, reply);
    throw error;
  }
}
