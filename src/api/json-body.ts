import type { FastifyInstance } from 'fastify';
import { ApiError } from '../spec/errors.ts';
import { findDuplicateKey } from '../spec/find-duplicate-key.ts';
import { pointerTo } from '../spec/mistake.ts';
import { listWords } from '../spec/suggest.ts';
import { hasBody } from './request-checks.ts';

export const JSON_BODY_BYTES = 2 ** 20;
const MAX_DEPTH = 32;
/** Fields, objects and lists, each of which holds up everybody for a microsecond or two. Rows to predict may be as many as fit. */
const MOST_PARTS = 20_000;
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype']);

/** Reads JSON bodies strictly: what JSON.parse would quietly lose or change is refused. */
export function addJsonParser(app: FastifyInstance): void {
  // fastify's own parsers for JSON and plain text
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer', bodyLimit: JSON_BODY_BYTES },
    (request, body, done) => {
      try {
        // some clients name a type even where they send nothing and nothing is asked for
        const isBare = body.length === 0 && request.routeOptions.schema?.body === undefined;
        const mostParts = request.routeOptions.config.access === 'models:predict' ? JSON_BODY_BYTES : MOST_PARTS;
        done(null, isBare ? undefined : parseJson(body as Buffer, mostParts));
      } catch (error) {
        done(error as Error);
      }
    },
  );
  app.addContentTypeParser('*', (request, _payload, done) => {
    // where there is nothing, or not by this method, no type would be right
    if (!hasBody(request) || request.is404) return done(null, undefined);
    const { consumes = ['application/json'] } = request.routeOptions.schema ?? {};
    const given = (request.headers['content-type'] ?? 'a body without a type').slice(0, 100);
    done(new ApiError('unsupported_media_type', `Send ${listWords(consumes)}; not ${given}.`));
  });
}

export function parseJson(body: Buffer, mostParts = MOST_PARTS): unknown {
  if (body.length === 0) throw new ApiError('empty_body', 'A JSON body is expected.');
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw new ApiError('invalid_json', 'The body is not UTF-8.');
  }
  const fields = checkSize(text, mostParts);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // the engine names half of a character beyond 16 bits
    throw new ApiError('invalid_json', (error as Error).message.toWellFormed());
  }
  // of keys that stand twice one is left
  if (countFields(value) !== fields) {
    const duplicate = findDuplicateKey(text) ?? '';
    throw new ApiError('duplicate_key', `The key "${duplicate.slice(0, 100)}" stands twice in one object.`);
  }
  const wrong = findWrong(value);
  if (wrong !== null) {
    const { code, detail, path } = wrong;
    throw new ApiError(code, detail, {
      errors: [{ pointer: pointerTo('', ...path.reverse()), code, detail, expected: null }],
    });
  }
  return value;
}

/** Before parsing, so that deep nesting cannot exhaust the stack, and many small parts cannot hold up the service. Tells how many fields valid JSON has. */
function checkSize(text: string, mostParts: number): number {
  let depth = 0;
  let containers = 0;
  let fields = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (inString) {
      if (char === 0x5c) i += 1;
      else if (char === 0x22) inString = false;
    } else if (char === 0x22) inString = true;
    else if (char === 0x3a) fields += 1;
    else if (char === 0x7b || char === 0x5b) {
      depth += 1;
      containers += 1;
      if (depth > MAX_DEPTH) throw new ApiError('too_deep', `The body is nested more than ${MAX_DEPTH} deep.`);
    } else if (char === 0x7d || char === 0x5d) depth -= 1;
  }
  if (fields + containers > mostParts)
    throw new ApiError('too_large', `The body has more than ${mostParts} fields, objects and lists.`);
  return fields;
}

function countFields(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let fields = 0;
  if (Array.isArray(value)) for (const inner of value) fields += countFields(inner);
  else
    for (const key in value) {
      fields += 1;
      const inner = (value as Record<string, unknown>)[key];
      if (typeof inner === 'object') fields += countFields(inner);
    }
  return fields;
}

interface Wrong {
  code: 'not_finite' | 'invalid_string' | 'forbidden_key';
  detail: string;
  /** keys that lead to it, the last first */
  path: (string | number)[];
}

/** What PostgreSQL or JavaScript could not keep. */
function findWrong(value: unknown): Wrong | null {
  if (typeof value === 'number')
    return Number.isFinite(value)
      ? null
      : { code: 'not_finite', detail: 'the number is beyond what a double can hold', path: [] };
  if (typeof value === 'string') return findWrongText(value);
  if (typeof value !== 'object' || value === null) return null;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const wrong = findWrong(value[i]);
      if (wrong !== null) return leadTo(wrong, i);
    }
    return null;
  }
  for (const key in value) {
    const wrong = findWrongKey(key) ?? findWrong((value as Record<string, unknown>)[key]);
    if (wrong !== null) return leadTo(wrong, key);
  }
  return null;
}

function leadTo(wrong: Wrong, key: string | number): Wrong {
  wrong.path.push(key);
  return wrong;
}

function findWrongKey(key: string): Wrong | null {
  if (FORBIDDEN.has(key)) return { code: 'forbidden_key', detail: `"${key}" is not allowed as a key`, path: [] };
  return findWrongText(key);
}

function findWrongText(text: string): Wrong | null {
  if (text.includes('\0')) return { code: 'invalid_string', detail: 'U+0000 cannot be stored', path: [] };
  if (text.isWellFormed()) return null;
  return { code: 'invalid_string', detail: 'half of a surrogate pair cannot be stored', path: [] };
}
