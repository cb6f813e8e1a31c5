// @ts-check
/** What the pages of jobs share. Whatever comes from the API is written as text, never as markup. */

const KEY_NAME = 'trainyard-key';
const PATIENCE_MS = 30_000;
/** A page that nobody sees reads this rarely. */
const HIDDEN_MS = 10_000;
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 15_000;

/** @param {string} id */
export const at = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** @param {string} id @param {string} text */
export const write = (id, text) => {
  const element = at(id);
  if (element.textContent !== text) element.textContent = text;
};

/** @param {string} id @param {boolean} isShown */
export const show = (id, isShown) => {
  at(id).hidden = !isShown;
};

/**
 * @param {string} tag
 * @param {string | Node[]} content
 * @param {Record<string, string>} [attributes] that we chose, not the API
 */
export function element(tag, content, attributes = {}) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (typeof content === 'string') made.textContent = content;
  else made.append(...content);
  return made;
}

/** The API said no, or nothing: `status` is 0 then. */
export class ApiFailure extends Error {
  /** @param {number} status @param {string} message @param {number} [retryAfterSeconds] */
  constructor(status, message, retryAfterSeconds = 0) {
    super(message);
    this.status = status;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export const readKey = () => sessionStorage.getItem(KEY_NAME);

/**
 * @param {string} path
 * @param {Record<string, string>} [headers]
 * @returns {Promise<Response>} whose status is 2xx or 304; else throws ApiFailure
 */
export async function send(path, headers = {}) {
  const key = readKey();
  const all = key === null ? headers : { ...headers, authorization: `Bearer ${key}` };
  /** @type {Response} */
  let response;
  try {
    response = await fetch(path, {
      headers: all,
      cache: 'no-store',
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  } catch {
    throw new ApiFailure(0, 'The connection is lost.');
  }
  if (response.ok || response.status === 304) return response;
  const problem = await response.json().catch(() => null);
  const detail = typeof problem?.detail === 'string' ? problem.detail.slice(0, 500) : `HTTP ${response.status}.`;
  throw new ApiFailure(response.status, detail, Number(response.headers.get('retry-after')) || 0);
}

/**
 * @template T
 * @param {string} path
 * @returns {Promise<T>}
 */
export async function read(path) {
  return readJson(await send(path));
}

/** @param {Response} response */
export async function readJson(response) {
  return response.json().catch(() => {
    throw new ApiFailure(0, 'The connection is lost.');
  });
}

/**
 * Calls `readOnce` again and again, until it returns null instead of the ms to wait. A lost connection is tried again by itself, ever more rarely; where a
 * key is asked for, it is waited for; what else the API refuses is said, and is the end.
 * @param {() => Promise<number | null>} readOnce
 */
export async function keepReading(readOnce) {
  for (let failures = 0; ; ) {
    let pauseMs;
    try {
      pauseMs = await readOnce();
      failures = 0;
      notice('');
      show('forget', readKey() !== null);
      if (pauseMs === null) return;
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error;
      const { status, message, retryAfterSeconds } = error;
      if (status === 401 || status === 403) {
        await askForKey(readKey() === null ? 'This service asks for a key.' : message);
        continue;
      }
      if (status >= 400 && status < 500 && ![408, 429].includes(status)) return notice(message);
      pauseMs = Math.max(retryAfterSeconds * 1000, Math.min(FIRST_RETRY_MS * 2 ** failures, LAST_RETRY_MS));
      failures += 1;
      notice(`${message} It is tried again every ${Math.ceil(pauseMs / 1000)} s; what is shown may be old.`);
    }
    await pause(pauseMs);
  }
}

/** @param {string} text empty: there is nothing to say */
function notice(text) {
  write('notice', text);
  show('notice', text !== '');
}

/** @param {string} why */
async function askForKey(why) {
  notice('');
  write('key-why', why);
  show('key', true);
  const form = /** @type {HTMLFormElement} */ (at('key'));
  const input = /** @type {HTMLInputElement} */ (at('key-text'));
  input.focus();
  await new Promise((resolve) => {
    form.onsubmit = (event) => {
      event.preventDefault();
      sessionStorage.setItem(KEY_NAME, input.value.trim());
      input.value = '';
      resolve(null);
    };
  });
  show('key', false);
}

/** Until the time is over; of a page that nobody sees longer, but it is at once when it is seen, or the network is there again. @param {number} ms */
function pause(ms) {
  return new Promise((resolve) => {
    const wake = () => {
      if (document.hidden) return;
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', wake);
      removeEventListener('online', wake);
      resolve(null);
    };
    const timer = setTimeout(
      () => {
        document.removeEventListener('visibilitychange', wake);
        removeEventListener('online', wake);
        resolve(null);
      },
      document.hidden ? Math.max(ms, HIDDEN_MS) : ms,
    );
    document.addEventListener('visibilitychange', wake);
    addEventListener('online', wake);
  });
}

at('forget').addEventListener('click', () => {
  sessionStorage.removeItem(KEY_NAME);
  location.reload();
});

/** @param {string} word */
export const asWords = (word) => word.replaceAll('_', ' ');

/** Four digits, or what JSON cannot say, as it is. @param {number | string} value */
export function writeFigure(value) {
  if (typeof value === 'string') return value;
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  return Math.abs(value) >= 1e6 || (value !== 0 && Math.abs(value) < 1e-4)
    ? value.toExponential(3)
    : String(Number(value.toPrecision(4)));
}

/** @param {number} seconds */
export function writeDuration(seconds) {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** @param {string} at RFC 3339 */
export const writeTime = (at) => new Date(at).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

/** @param {HTMLElement} badge @param {string} status */
export function showStatus(badge, status) {
  badge.textContent = status;
  badge.dataset.status = status;
}
