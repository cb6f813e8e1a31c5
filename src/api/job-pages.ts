import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/**
 * The pages of jobs: `/jobs`, and `/jobs/{id}` with the curve as it grows. They hold no data: scripts in `browser/` read the API as any client does, with a key
 * where one is asked for. Scripts and style stand in the page itself, which so is of one version, though processes of two may answer; the policy names
 * their digests, and allows nothing else.
 */
export interface JobPage {
  html: string;
  /** Content-Security-Policy */
  policy: string;
}

const { resolve } = createRequire(import.meta.url);
const read = (file: string) => readFileSync(new URL(`browser/${file}`, import.meta.url), 'utf8');
const readLibrary = (file: string) => readFileSync(resolve(`uplot/dist/${file}`), 'utf8');

/** Modules as one, those first that others import. Each name of theirs is its own. */
const joinModules = (...names: string[]) =>
  names.map((name) => read(name).replace(/^import \{[^}]*\} from '[^']*';\n|^export (?=\w)/gm, '')).join('');

const KEY_FORM = `<p id="notice" class="box" role="status" hidden></p>
<form id="key" class="box" hidden><p id="key-why" role="alert"></p><label>Key <input id="key-text" type="password" pattern="[!-~]{1,200}" required autocomplete="off" spellcheck="false" placeholder="ty_…"></label> <button>Use it</button><p class="small">It is kept in this tab alone, until the tab is closed.</p></form>
<noscript><p class="box">This page needs JavaScript; the same is at <code>/v1/jobs</code>.</p></noscript>`;

/** The newest jobs. */
export const JOBS_PAGE = writePage(
  'Jobs',
  { module: joinModules('common.js', 'jobs.js'), style: read('jobs.css') },
  `<nav><a href="/">Trainyard</a></nav><h1>Jobs</h1>${KEY_FORM}
<p id="none" hidden>There is no job yet. <a href="/">How to post one</a></p>
<table id="table" hidden><thead><tr><th>name</th><th>kind</th><th>status</th><th>progress</th><th>last figure</th><th>posted</th></tr></thead><tbody id="rows"></tbody></table>
<p id="more" class="small" hidden>These are the newest; older ones are at <code>/v1/jobs</code>.</p>`,
);

/** A job, whichever the address names. */
export const JOB_PAGE = writePage(
  'Job',
  {
    library: readLibrary('uPlot.iife.min.js'),
    module: joinModules('common.js', 'curve.js', 'job.js'),
    style: readLibrary('uPlot.min.css') + read('jobs.css'),
  },
  `<nav><a href="/">Trainyard</a><a href="/jobs">Jobs</a></nav><h1><span id="name">Job</span> <span id="status" class="status" role="status"></span></h1><p id="kind" class="small"></p>${KEY_FORM}
<div id="about" hidden><div id="error" class="box bad" role="alert" hidden><b>Failed: <span id="error-code"></span></b><p id="error-text"></p></div>
<p id="state"></p><div id="conditions"></div><progress id="bar" max="100" value="0" aria-label="progress"></progress><p id="far" class="small"></p>
<section id="curve-box" hidden><h2>Curve</h2><div class="choices"><label>Series <select id="series"></select></label><label><input id="log" type="checkbox"> logarithmic</label><span id="points" class="small"></span></div><div id="curve" role="img"></div></section>
<p id="diagnosis" class="box" hidden></p>
<table id="figures-table" hidden><thead><tr><th>last figures</th><th>training</th><th>validation</th><th>test</th></tr></thead><tbody id="figures"></tbody></table>
<p id="links"><a id="link-best" download hidden>best checkpoint</a><a id="link-evaluation" hidden>evaluation</a><a id="link-job">spec and all else as JSON</a><span id="saved" role="status"></span></p>
<h2>What happened</h2><ul id="events"></ul></div>`,
);

function writePage(
  title: string,
  { library, module, style }: { library?: string; module: string; style: string },
  body: string,
): JobPage {
  const scripts = `${library === undefined ? '' : `<script>${library}</script>`}<script type="module">${module}</script>`;
  return {
    html: `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Trainyard: ${title.toLowerCase()}</title><link rel="icon" href="data:,"><style>${style}</style>${scripts}</head><body>${body}<p><button id="forget" type="button" hidden>Forget the key</button></p></body></html>`,
    policy: writePolicy(library === undefined ? [module] : [library, module], style),
  };
}

/** Nothing from elsewhere, nothing that was not written here, and no markup made from text. */
function writePolicy(scripts: readonly string[], style: string): string {
  const digest = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  return [
    "default-src 'none'",
    `script-src ${scripts.map(digest).join(' ')}`,
    `style-src ${digest(style)}`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ');
}
