import { ERRORS, type ErrorKind } from '../spec/error-codes.ts';

/** Pages for people who look with a browser; everything else is JSON. They need no script, and nothing from elsewhere. */

/** What stands at `/`: the way from a file to an answer, with commands for the address at which the page was asked for. */
export function writeHomePage(origin: string): string {
  const api = `${escapeHtml(origin)}/v1`;
  const steps = [
    ['Upload a table', `curl ${api}/datasets -H 'content-type: text/csv' --data-binary @penguins.csv`],
    [
      'Train on it, by the name of the column to predict',
      `curl ${api}/jobs -H 'content-type: application/json' -d '{"dataset": "ds_…", "target": "species"}'`,
    ],
    [
      'Watch the loss fall (or look at <a href="/jobs">its page</a>)',
      `curl -N ${api}/jobs/job_…/events -H 'accept: text/event-stream'`,
    ],
    [
      'Ask for predictions',
      `curl ${api}/jobs/job_…/predict -H 'content-type: application/json' -d '{"rows": [{"bill_length": 39.1}]}'`,
    ],
    ['Take the weights with you', `curl -OJ '${api}/jobs/job_…/checkpoints/best/download?format=onnx'`],
  ];
  const list = steps.map(([what, command]) => `<li>${what}<pre><code>${command}</code></pre></li>`).join('');
  return writePage(
    'Trainyard',
    `<p>Trains neural networks for other services, over HTTP. Ids that come back go where <code>…</code> stands; where keys are asked for, add <code>-H 'authorization: Bearer ty_…'</code>.</p><ol>${list}</ol><p><a href="/jobs">Jobs</a> · <a href="/docs">every operation</a> · <a href="/docs/errors">error codes</a> · <a href="/openapi.json">OpenAPI 3.1</a> · <a href="/v1/system">workers and limits</a></p>`,
  );
}

/** The page that `type` of a problem points to: each code under an anchor of its own. */
export function writeErrorPage(): string {
  const rows = Object.entries<ErrorKind>(ERRORS).map(([code, { status, title, when, remedy }]) => {
    const link = `<a href="#${code}"><code>${code}</code></a>`;
    return `<tr id="${code}"><td>${link}</td><td>${status}</td><td><b>${escapeHtml(title)}</b><br>${escapeHtml(when)}</td><td>${escapeHtml(remedy)}</td></tr>`;
  });
  return writePage(
    'Error codes',
    `<p>Every error is <code>application/problem+json</code> (RFC 9457). <code>code</code> is one of these, <code>detail</code> says what was wrong this time, and each entry of <code>errors</code> points to a place. <code>request_id</code> is in the service’s log.</p><table><thead><tr><th>code</th><th>status</th><th>when</th><th>what to do</th></tr></thead><tbody>${rows.join('')}</tbody></table><p><a href="/">Trainyard</a> · <a href="/docs">every operation</a></p>`,
  );
}

function writePage(title: string, body: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title === 'Trainyard' ? title : `Trainyard: ${title.toLowerCase()}`}</title><link rel="icon" href="data:,"><style>${STYLE}</style></head><body><h1>${title}</h1>${body}</body></html>`;
}

/** Dark where the reader's system is; on a narrow screen the cells of a row stand below each other. */
const STYLE = [
  ':root{color-scheme:light dark;--line:#8884;--mark:#ffe06666}',
  'body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;overflow-wrap:break-word}',
  'code,pre{font-family:ui-monospace,monospace;font-size:.9em}',
  'pre{overflow-x:auto;padding:.6rem .8rem;border:1px solid var(--line);border-radius:.4rem;margin:.4rem 0 1rem}',
  'table{border-collapse:collapse}td,th{padding:.4rem .8rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}',
  'td a{color:inherit}tr:target{background:var(--mark)}',
  '@media(max-width:45rem){pre{white-space:pre-wrap;overflow-wrap:anywhere}thead{display:none}tr,td{display:block}td{border:0;padding:.1rem 0}tr{border-bottom:1px solid var(--line);padding:.6rem 0}}',
].join('');

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
