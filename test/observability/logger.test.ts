import { expect, test } from 'vitest';
import { createLogger } from '../../src/observability/logger.ts';

test('secrets never reach the log, wherever they stand; ids do', () => {
  const lines: string[] = [];
  const logger = createLogger('info', 'api', { write: (line) => void lines.push(line) });
  const words = {
    password: 'hush',
    secret: 'hush',
    authorization: 'Bearer hush',
    databaseUrl: 'postgres://u:hush@h/d',
  };
  logger.info(words, 'at the top');
  logger.info({ config: { ...words, secrets: ['hush'], metricsToken: 'hush' } }, 'a level down');
  logger.info({ req: { headers: { authorization: 'Bearer hush', cookie: 'hush' } } }, 'two levels down');
  logger.child({ job_id: 'job_1', request_id: 'req_1' }).warn({ err: new Error('broken') }, 'with ids');
  expect(lines).toHaveLength(4);
  expect(lines.join('')).not.toContain('hush');
  expect(JSON.parse(lines[3]!)).toMatchObject({
    process: 'api',
    job_id: 'job_1',
    request_id: 'req_1',
    msg: 'with ids',
    err: { message: 'broken' },
    time: expect.stringMatching(/Z$/),
  });
});
