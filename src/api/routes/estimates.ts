import type { FastifyRequest } from 'fastify';
import { Estimate } from '../../spec/estimate.ts';
import { JobRequest } from '../../spec/request-form.ts';
import { type Api, type ApiDeps, ofTenant } from '../deps.ts';
import { readJob } from './jobs.ts';

export function addEstimateRoute(app: Api, deps: ApiDeps): void {
  app.post(
    '/v1/jobs/estimate',
    {
      config: { access: 'jobs:write' },
      schema: {
        tags: ['jobs'],
        summary: 'Tell what a job would take',
        description:
          'Takes the body of a job, and makes none: parameters, memory and floating-point operations as the job would have them, and seconds from some of its own updates, made on the machine of the API. Takes some seconds.',
        body: JobRequest,
        response: { 200: Estimate },
      },
    },
    async (request: FastifyRequest) => {
      const { spec, choices, dataset, from } = await readJob(ofTenant(deps, request), request.body);
      const { format, files, columns, rows } = dataset;
      const figures = await deps.estimator.estimate({
        ...{ spec, dataset: { format, files, columns, rows } },
        preparation: from?.preparation ?? null,
      });
      return { ...figures, spec, choices };
    },
  );
}
