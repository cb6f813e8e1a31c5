import type { Api } from '../deps.ts';
import { ASSETS, JOB_PAGE, JOBS_PAGE, PAGE_POLICY } from '../job-pages.ts';

/** Pages that hold no data: what they show is asked for by their scripts, with the reader's key. */
export function addJobPages(app: Api): void {
  const options = { config: { access: 'public' }, schema: { hide: true } } as const;
  const asText = (text: unknown) => String(text);
  const addPage = (path: string, page: string) =>
    app.get(path, options, async (_request, reply) =>
      reply
        .type('text/html; charset=utf-8')
        .headers({ 'content-security-policy': PAGE_POLICY, 'cache-control': 'no-cache' })
        .serializer(asText)
        .send(page),
    );
  addPage('/jobs', JOBS_PAGE);
  addPage('/jobs/:id', JOB_PAGE);
  for (const { path, type, text, etag } of ASSETS)
    app.get(path, options, async (_request, reply) =>
      reply
        .type(type)
        .headers({ etag, 'cache-control': 'public, max-age=31536000, immutable' })
        .serializer(asText)
        .send(text),
    );
}
