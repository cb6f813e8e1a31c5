import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { type AskedVersion, findAskedVersion, listModelVersions } from '../../db/model-versions.ts';
import { createBodyCheck } from '../../spec/check-body.ts';
import { ApiError } from '../../spec/errors.ts';
import { InferenceRequest, InferenceResponse, ModelMetadata } from '../../spec/inference.ts';
import { describeUnknownModel, parseModelReference, parseVersion } from '../../spec/model-reference.ts';
import { type Prediction, RowsError } from '../../spec/prediction.ts';
import { placeWarnings } from '../answer-predictions.ts';
import { answersWithin } from '../answers-within.ts';
import { type Api, type ApiDeps, ofTenant } from '../deps.ts';
import { describeInputs, describeTensors, placeMistakes, readTensors, writeTensors } from '../inference-tensors.ts';

const PATIENCE_MS = 2000;
/** The newest that metadata names. */
const MOST_VERSIONS = 100;
const PLATFORM = 'trainyard';

const readRequest = createBodyCheck(InferenceRequest);
const NameParams = Type.Object({ name: Type.String() });
const VersionParams = Type.Object({ name: Type.String(), version: Type.String() });

/** The Open Inference Protocol over registered models. Errors are problem documents that also have the protocol's `error`. */
export function addInferenceRoutes(app: Api, deps: ApiDeps): void {
  const { db, version: serviceVersion } = deps;

  app.get(
    '/v2',
    {
      config: { access: 'public' },
      schema: {
        tags: ['inference'],
        summary: 'What answers',
        response: {
          200: Type.Object({
            name: Type.String(),
            version: Type.String(),
            extensions: Type.Array(Type.String()),
          }),
        },
      },
    },
    async () => ({ name: PLATFORM, version: serviceVersion, extensions: [] }),
  );

  app.get(
    '/v2/health/live',
    {
      config: { access: 'public' },
      schema: {
        tags: ['inference'],
        summary: 'The process lives',
        response: { 200: Type.Object({ live: Type.Boolean() }) },
      },
    },
    async () => ({ live: true }),
  );

  app.get(
    '/v2/health/ready',
    {
      config: { access: 'public' },
      schema: {
        tags: ['inference'],
        summary: 'Models can be asked',
        response: { 200: Type.Object({ ready: Type.Boolean() }), 503: Type.Object({ ready: Type.Boolean() }) },
      },
    },
    async (_request, reply) => {
      const ready = await answersWithin(db.pool.query('select 1'), PATIENCE_MS).then(
        () => true,
        () => false,
      );
      return reply.code(ready ? 200 : 503).send({ ready });
    },
  );

  for (const [path, params, what] of [
    ['/v2/models/:name', NameParams, 'a model: its newest version, or `name@alias`'],
    ['/v2/models/:name/versions/:version', VersionParams, 'a version of a model, by number or alias'],
  ] as const) {
    app.get(
      path,
      {
        config: { access: 'models:read' },
        schema: {
          tags: ['inference'],
          summary: `Inputs and outputs of ${what}`,
          params,
          response: { 200: ModelMetadata },
        },
      },
      async (request) => {
        const row = await find(deps, request);
        const { tenant, db: own } = ofTenant(deps, request);
        const versions = await listModelVersions(own, tenant, row.model, { limit: MOST_VERSIONS });
        return {
          name: row.model,
          versions: versions.map(({ version }) => String(version)).reverse(),
          platform: PLATFORM,
          inputs: describeInputs(row.preparation),
          outputs: describeTensors(row.preparation).map(({ name, datatype, shape }) => ({ name, datatype, shape })),
        };
      },
    );

    app.get(
      `${path}/ready`,
      {
        config: { access: 'models:read' },
        schema: {
          tags: ['inference'],
          summary: `Whether its weights are there: ${what}`,
          params,
          response: { 200: Type.Object({ name: Type.String(), ready: Type.Boolean() }) },
        },
      },
      async (request) => {
        const row = await find(deps, request);
        if ((await deps.storage.size(row.storageKey)) !== row.sizeBytes)
          throw new ApiError('checkpoint_damaged', `The weights of ${row.model}@${row.version} are not there.`);
        return { name: row.model, ready: true };
      },
    );

    app.post(
      `${path}/infer`,
      {
        config: { access: 'models:predict' },
        schema: {
          tags: ['inference'],
          summary: `Ask ${what}`,
          description:
            'A tensor for each column, with as many rows in each; what is left out is missing. Of a category the answer has the class, and `<column>.probabilities` in the order of classes that `/predict` shows; of a forecast each row ahead has them. What is taken as missing and was not left out is told in `parameters.warnings`.',
          params,
          body: InferenceRequest,
          response: { 200: InferenceResponse },
        },
      },
      async (request) => infer(deps, request),
    );
  }
}

async function infer(deps: ApiDeps, request: FastifyRequest) {
  const { model, version, preparation, storageKey, sha256 } = await find(deps, request);
  const asked = readRequest(request.body);
  const rows = readTensors(asked, preparation);
  // an output that there is not is told before anything is computed
  writeTensors([], preparation, asked.outputs);
  const { text, warnings = [] } = await deps.predictor
    .predict({
      network: { storageKey, sha256 },
      source: { type: 'rows', json: JSON.stringify(rows) },
      answer: 'json',
      inline: false,
    })
    .catch((error: unknown) => {
      throw error instanceof RowsError ? new RowsError(placeMistakes(error.mistakes, asked)) : error;
    });
  return {
    model_name: model,
    model_version: String(version),
    ...(asked.id !== undefined && { id: asked.id }),
    ...(warnings.length > 0 && { parameters: { warnings: placeMistakes(placeWarnings(warnings), asked) } }),
    outputs: writeTensors(JSON.parse(text) as Prediction[], preparation, asked.outputs),
  };
}

async function find(deps: ApiDeps, request: FastifyRequest): Promise<AskedVersion> {
  const { name, version: given } = request.params as { name: string; version?: string };
  const named = parseModelReference(name);
  const version = given === undefined ? named?.version : parseVersion(given);
  if (named == null || version == null)
    throw new ApiError('invalid_id', 'A model is told as digits or digits@champion, a version by number or alias.');
  const { tenant, db } = ofTenant(deps, request);
  const reference = { name: named.name, version };
  const row = await findAskedVersion(db, tenant, reference);
  if (row === null) throw new ApiError('model_not_found', describeUnknownModel(reference));
  return row;
}
