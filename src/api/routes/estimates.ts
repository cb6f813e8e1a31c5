import type { FastifyRequest } from 'fastify';
import { Estimate } from '../../spec/estimate.ts';
import { JobRequest } from '../../spec/request-form.ts';
import { type Api, type ApiDeps, ofTenant } from '../deps.ts';
import { findWeights, readJob } from './jobs.ts';

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
      const own = ofTenant(deps, request);
      const { spec, choices, dataset, from } = await readJob(own, request.body);
      const teacher = spec.training.distillation?.teacher;
      const { format, files, columns, rows } = dataset;
      const figures = await deps.estimator.estimate({
        ...{ spec, dataset: { format, files, columns, rows } },
        preparation: from?.preparation ?? null,
        teacher: teacher === undefined ? null : await findWeights(own, teacher),
      });
      return { ...figures, spec, choices };
    },
  );
}
