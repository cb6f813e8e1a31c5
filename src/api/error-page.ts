import { ERRORS, type ErrorKind } from '../spec/error-codes.ts';

/** The page that `type` of a problem points to: each code under an anchor of its own. */
export function writeErrorPage(): string {
  const rows = Object.entries<ErrorKind>(ERRORS).map(([code, { status, title, when, remedy }]) => {
    const link = `<a href="#${code}"><code>${code}</code></a>`;
    return `<tr id="${code}"><td>${link}</td><td>${status}</td><td><b>${escapeHtml(title)}</b><br>${escapeHtml(when)}</td><td>${escapeHtml(remedy)}</td></tr>`;
  });
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Trainyard: error codes</title><style>${STYLE}</style><h1>Error codes</h1><p>Every error is <code>application/problem+json</code> (RFC 9457). <code>code</code> is one of these, <code>detail</code> says what was wrong this time, and each entry of <code>errors</code> points to a place. <code>request_id</code> is in the service’s log.</p><table><tr><th>code</th><th>status</th><th>when</th><th>what to do</th></tr>${rows.join('')}</table></html>`;
}

const STYLE =
  'body{font:16px/1.5 system-ui;margin:2rem auto;max-width:70rem;padding:0 1rem}table{border-collapse:collapse}td,th{padding:.4rem .8rem;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}a{color:inherit}tr:target{background:#fff3bf}';

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
