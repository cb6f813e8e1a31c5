import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { findUnknown } from '../../data/next-tokens.ts';
import { createBodyCheck } from '../../spec/check-body.ts';
import { GeneratedText, GenerationRequest, JobGenerationRequest } from '../../spec/generation.ts';
import { isObject } from '../../spec/is-object.ts';
import type { GeneratedPiece, GenerateRequest } from '../../spec/prediction.ts';
import type { Preparation } from '../../spec/preparation.ts';
import type { Api, ApiDeps } from '../deps.ts';
import { findJobTarget, findModelTarget, type PredictTarget } from '../predict-target.ts';
import { describeFailure } from '../problem.ts';

const readRequest = createBodyCheck(GenerationRequest);
const readJobRequest = createBodyCheck(JobGenerationRequest);
const EVENTS = 'text/event-stream';
const LINES = 'application/x-ndjson';
const DESCRIPTION = `The text is answered whole, or with \`stream\` or by \`Accept\` piece by piece, as server-sent events (\`${EVENTS}\`) or JSON lines (\`${LINES}\`): \`{"text": "…", "tokens": 1}\`, and at the end \`{"text": "", "tokens": 0, "finish_reason": "length", "seed": 7, …}\`. Whoever hangs up ends it. A network in which places count (attention, position embeddings) sees its context, and where that is full goes on from the later half of it; others carry on what they have read without end.`;
const RESPONSE = {
  200: {
    description: 'The text',
    content: {
      'application/json': { schema: GeneratedText },
      [EVENTS]: { schema: { type: 'string' } },
      [LINES]: { schema: { type: 'string' } },
    },
  },
};

export function addGenerationRoutes(app: Api, deps: ApiDeps): void {
  app.post(
    '/v1/jobs/:id/generate',
    {
      config: { access: 'models:predict' },
      schema: {
        tags: ['predictions'],
        summary: 'Go on with a text by a language model that a job has trained',
        description: DESCRIPTION,
        params: Type.Object({ id: Type.String() }),
        querystring: Type.Object({
          checkpoint: Type.Optional(Type.String({ maxLength: 100, description: '`best`, `latest` or an id' })),
        }),
        body: JobGenerationRequest,
        response: RESPONSE,
      },
    },
    async (request, reply) => {
      const { checkpoint } = request.query as { checkpoint?: string };
      const inBody = isObject(request.body) ? request.body.checkpoint : undefined;
      // what is wrong with the body is no business of those who do not have the job
      const target = await findJobTarget(deps, request, typeof inBody === 'string' ? inBody : checkpoint);
      return generate(deps, request, reply, readJobRequest(request.body), target);
    },
  );

  app.post(
    '/v1/models/:name/generate',
    {
      config: { access: 'models:predict' },
      schema: {
        tags: ['predictions'],
        summary: 'Go on with a text by a registered language model',
        description: `\`name\` may have a version or an alias: \`tales@3\`, \`tales@champion\`. ${DESCRIPTION}`,
        params: Type.Object({ name: Type.String() }),
        querystring: Type.Object({
          version: Type.Optional(Type.String({ maxLength: 100, description: 'a number, an alias, or `latest`' })),
        }),
        body: GenerationRequest,
        response: RESPONSE,
      },
    },
    async (request, reply) => {
      const { version } = request.query as { version?: string };
      const target = await findModelTarget(deps, request, version);
      return generate(deps, request, reply, readRequest(request.body), target);
    },
  );
}

async function generate(
  { predictor }: ApiDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  asked: GenerationRequest,
  { network, label, preparation }: PredictTarget,
): Promise<FastifyReply> {
  const seed = asked.seed ?? randomInt(2 ** 31);
  const { prompt, max_tokens: maxTokens = 200, temperature = 1, top_k: topK = 0, top_p: topP = 1, stop = [] } = asked;
  const accept = request.headers.accept?.toLowerCase() ?? '';
  const format = accept.includes(LINES) ? LINES : asked.stream === true || accept.includes(EVENTS) ? EVENTS : null;
  const sampling = { maxTokens, temperature, topK, topP, seed, stop };
  const wish: GenerateRequest = { network, prompt, ...sampling, inPieces: format !== null };
  const over = new AbortController();
  reply.raw.once('close', () => over.abort());
  const pieces = predictor.generate(wish, over.signal)[Symbol.asyncIterator]();
  // what is wrong with the request is said with a status
  const first = await pieces.next();
  const end = { seed, ...label };
  const warnings = warnOfPrompt(prompt, preparation);
  if (format !== null) {
    await stream(request, reply, format, { first, pieces, end, warnings, over: over.signal });
    return reply;
  }
  let text = '';
  let tokens = 0;
  for (let next = first; next.done !== true; next = await pieces.next()) {
    text += next.value.text;
    tokens += next.value.tokens;
    if (next.value.finish !== null)
      return reply.send({
        text,
        finish_reason: next.value.finish,
        tokens,
        ...end,
        ...warnings,
      } satisfies GeneratedText);
  }
  // nobody listens
  return reply.hijack();
}

/** Each piece as it comes. A client that takes nothing is waited for; what comes meanwhile is no more than `max_tokens`. */
async function stream(
  request: FastifyRequest,
  reply: FastifyReply,
  format: string,
  {
    first,
    pieces,
    end,
    warnings,
    over,
  }: {
    first: IteratorResult<GeneratedPiece, unknown>;
    pieces: AsyncIterator<GeneratedPiece>;
    end: object;
    warnings: object;
    over: AbortSignal;
  },
): Promise<void> {
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, {
    ...(reply.getHeaders() as Record<string, string>),
    'content-type': `${format}; charset=utf-8`,
    'cache-control': 'no-store',
  });
  const write = async (data: object) => {
    const json = JSON.stringify(data);
    if (!raw.write(format === EVENTS ? `data: ${json}\n\n` : `${json}\n`))
      await once(raw, 'drain', { signal: over }).catch(() => {});
  };
  try {
    for (let next = first; next.done !== true; next = await pieces.next()) {
      const { text, tokens, finish } = next.value;
      const said = next === first ? warnings : {};
      await write({ text, tokens, ...said, ...(finish !== null && { finish_reason: finish, ...end }) });
    }
    raw.end();
  } catch (error) {
    request.log.warn({ err: error }, 'a text broke off');
    await write({ error: describeFailure(error, request) });
    raw.destroy();
  }
}

/** Of what the network does not know. */
function warnOfPrompt(prompt: string, { inputs: [input] }: Preparation): Pick<GeneratedText, 'warnings'> {
  const unknown = input?.type === 'text' ? findUnknown(prompt, input) : null;
  return unknown === null ? {} : { warnings: [{ pointer: '/prompt', ...unknown }] };
}
