import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiError } from '../spec/errors.ts';
import {
  type AnswerFormat,
  MOST_WARNINGS,
  type PredictAnswer,
  PredictorBusyError,
  type RowMistake,
  type RowSource,
  type RowWarning,
} from '../spec/prediction.ts';
import type { ApiDeps } from './deps.ts';
import { MOST_ROWS, type PredictBody } from './predict-rows.ts';
import type { PredictTarget } from './predict-target.ts';
import { describeFailure } from './problem.ts';

/** Parts of one request that are worked on while earlier ones are sent: the client sets the pace. */
const PARTS_AHEAD = 2;
/** A stream that has begun waits while the predictor is busy, for so long. */
const PATIENCE_MS = 60_000;
const TYPES: Record<AnswerFormat, string> = {
  json: 'application/json; charset=utf-8',
  ndjson: 'application/x-ndjson; charset=utf-8',
  csv: 'text/csv; charset=utf-8',
};

/** The format that Accept asks for; what is answered to such a body where it asks for none of ours. */
function chooseFormat({ headers }: FastifyRequest, usual: AnswerFormat): AnswerFormat {
  for (const one of (headers.accept ?? '').toLowerCase().split(',')) {
    const type = one.split(';')[0]!.trim();
    const found = (['json', 'ndjson', 'csv'] as const).find((format) => TYPES[format].startsWith(`${type};`));
    if (found !== undefined) return found;
  }
  return usual;
}

/**
 * Answers the rows of a request. As JSON up to 1000 rows, all or none; as lines any number, while they still come, with what is wrong with a row in its
 * place.
 */
export async function answerPredictions(
  { predictor }: Pick<ApiDeps, 'predictor'>,
  request: FastifyRequest,
  reply: FastifyReply,
  { network, label }: PredictTarget,
  { parts, usual }: PredictBody,
): Promise<FastifyReply> {
  const format = chooseFormat(request, usual);
  const inline = format !== 'json';
  const predict = (source: RowSource) => predictor.predict({ network, source, answer: format, inline });
  const answers = predictInOrder(parts, predict);
  reply.header('content-type', TYPES[format]);
  if (format === 'json') {
    const texts: string[] = [];
    const warnings: RowMistake[] = [];
    let rows = 0;
    for await (const answer of answers) {
      warnings.push(...placeWarnings(answer.warnings, rows).slice(0, MOST_WARNINGS - warnings.length));
      rows += answer.rows;
      if (rows > MOST_ROWS)
        throw new ApiError(
          'too_large',
          `An answer in JSON has at most ${MOST_ROWS} rows; Accept: application/x-ndjson or text/csv has any number.`,
        );
      if (answer.rows > 0) texts.push(answer.text.slice(1, -1));
    }
    if (rows === 0) throw refuseEmpty();
    const beside = { ...(warnings.length > 0 && { warnings }), ...label };
    const described = Object.entries(beside).map(
      ([name, value]) => `,${JSON.stringify(name)}:${JSON.stringify(value)}`,
    );
    return reply.send(`{"predictions":[${texts.join(',')}]${described.join('')}}`);
  }
  reply.header('x-trainyard-checkpoint', label.checkpoint);
  // what is wrong with the request as a whole is said with a status
  let first = await answers.next();
  while (first.done !== true && first.value.rows === 0) first = await answers.next();
  if (first.done === true) throw refuseEmpty();
  return reply.send(
    Readable.from(writeLines(first.value, answers, request), { objectMode: false, highWaterMark: 65_536 }),
  );
}

/** Pointers into the request’s rows, `before` of which came in earlier parts. */
export function placeWarnings(warnings: readonly RowWarning[] = [], before = 0): RowMistake[] {
  return warnings.map(({ row, pointer, ...rest }) => ({ pointer: `/rows/${before + row}${pointer}`, ...rest }));
}

async function* writeLines(
  first: PredictAnswer,
  rest: AsyncGenerator<PredictAnswer>,
  request: FastifyRequest,
): AsyncGenerator<string> {
  try {
    yield (first.header ?? '') + first.text;
    for await (const { text } of rest) if (text !== '') yield text;
  } catch (error) {
    // the status is sent: a last line says why, and the connection is cut, so that nobody takes a part for the whole
    request.log.warn({ err: error }, 'predictions broke off');
    yield `${JSON.stringify({ error: describeFailure(error, request) })}\n`;
    throw error;
  } finally {
    await rest.return(undefined);
  }
}

function refuseEmpty(): ApiError {
  return new ApiError('empty_body', 'There are no rows.');
}

/** Answers in the order of the parts; those that are worked on are asked for nothing more when one of them fails. */
async function* predictInOrder(
  parts: PredictBody['parts'],
  predict: (source: RowSource) => Promise<PredictAnswer>,
): AsyncGenerator<PredictAnswer> {
  const ahead: Promise<PredictAnswer>[] = [];
  let hasBegun = false;
  for await (const part of parts) {
    const answer = hasBegun ? predictPatiently(part, predict) : predict(part);
    hasBegun = true;
    // its failure is heard when its turn has come
    answer.catch(() => {});
    ahead.push(answer);
    if (ahead.length >= PARTS_AHEAD) yield await ahead.shift()!;
  }
  for (const answer of ahead) yield await answer;
}

async function predictPatiently(
  part: RowSource,
  predict: (source: RowSource) => Promise<PredictAnswer>,
): Promise<PredictAnswer> {
  const untilMs = performance.now() + PATIENCE_MS;
  for (let waitMs = 20; ; waitMs = Math.min(2 * waitMs, 1000)) {
    try {
      return await predict(part);
    } catch (error) {
      if (!(error instanceof PredictorBusyError) || performance.now() > untilMs) throw error;
      await sleep(waitMs);
    }
  }
}
