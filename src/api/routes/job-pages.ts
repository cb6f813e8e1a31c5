import type { Api } from '../deps.ts';
import { JOB_PAGE, JOBS_PAGE, type JobPage } from '../job-pages.ts';

/** Pages that hold no data: what they show is asked for by their scripts, with the reader's key. */
export function addJobPages(app: Api): void {
  const addPage = (path: string, { html, policy }: JobPage) =>
    app.get(path, { config: { access: 'public' }, schema: { hide: true } }, async (_request, reply) =>
      reply
        .type('text/html; charset=utf-8')
        .header('content-security-policy', policy)
        .serializer((text: unknown) => String(text))
        .send(html),
    );
  addPage('/jobs', JOBS_PAGE);
  addPage('/jobs/:id', JOB_PAGE);
}
