import type { FastifyInstance } from 'fastify';
import { ApiError } from '../spec/errors.ts';
import { findDuplicateKey } from '../spec/find-duplicate-key.ts';
import { pointerTo } from '../spec/mistake.ts';
import { listWords } from '../spec/suggest.ts';
import { hasBody } from './request-checks.ts';

export const JSON_BODY_BYTES = 2 ** 20;
const MAX_DEPTH = 32;
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
        done(null, isBare ? undefined : parseJson(body as Buffer));
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

export function parseJson(body: Buffer): unknown {
  if (body.length === 0) throw new ApiError('empty_body', 'A JSON body is expected.');
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw new ApiError('invalid_json', 'The body is not UTF-8.');
  }
  checkDepth(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // the engine names half of a character beyond 16 bits
    throw new ApiError('invalid_json', (error as Error).message.toWellFormed());
  }
  const duplicate = findDuplicateKey(text);
  if (duplicate !== null)
    throw new ApiError('duplicate_key', `The key "${duplicate.slice(0, 100)}" stands twice in one object.`);
  checkValue(value, []);
  return value;
}

/** Before parsing, so that deep nesting cannot exhaust the stack. */
function checkDepth(text: string): void {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (inString) {
      if (char === 0x5c) i += 1;
      else if (char === 0x22) inString = false;
    } else if (char === 0x22) inString = true;
    else if (char === 0x7b || char === 0x5b) {
      depth += 1;
      if (depth > MAX_DEPTH) throw new ApiError('too_deep', `The body is nested more than ${MAX_DEPTH} deep.`);
    } else if (char === 0x7d || char === 0x5d) depth -= 1;
  }
}

/** `path`: the keys that lead to the value, of which a pointer is made only where something is wrong. */
function checkValue(value: unknown, path: (string | number)[]): void {
  const refuse = (code: 'not_finite' | 'invalid_string' | 'forbidden_key', detail: string) => {
    throw new ApiError(code, detail, { errors: [{ pointer: pointerTo('', ...path), code, detail, expected: null }] });
  };
  const checkText = (text: string) => {
    if (text.includes('\0')) refuse('invalid_string', 'U+0000 cannot be stored');
    if (!text.isWellFormed()) refuse('invalid_string', 'half of a surrogate pair cannot be stored');
  };
  if (typeof value === 'number' && !Number.isFinite(value))
    refuse('not_finite', 'the number is beyond what a double can hold');
  if (typeof value === 'string') checkText(value);
  if (typeof value !== 'object' || value === null) return;
  const checkInner = (key: string | number, inner: unknown) => {
    path.push(key);
    if (typeof key === 'string') {
      if (FORBIDDEN.has(key)) refuse('forbidden_key', `"${key}" is not allowed as a key`);
      checkText(key);
    }
    checkValue(inner, path);
    path.pop();
  };
  if (Array.isArray(value)) for (let i = 0; i < value.length; i++) checkInner(i, value[i]);
  else for (const key in value) checkInner(key, (value as Record<string, unknown>)[key]);
}
