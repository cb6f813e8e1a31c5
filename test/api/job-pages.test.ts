import { createHash } from 'node:crypto';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApiKey } from '../../src/db/api-keys.ts';
import { finishJob } from '../../src/jobs/finish-job.ts';
import { recordMetrics } from '../../src/jobs/record-metrics.ts';
import { renewLease } from '../../src/jobs/renew-lease.ts';
import { NO_BROWSER, openBrowser } from '../support/browser.ts';
import { call, postJob, uploadCsv } from '../support/client.ts';
import { addClaimed, addJob, claimOrThrow, TENANT } from '../support/jobs.ts';
import { run } from '../support/run-jobs.ts';
import { type Service, startService } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';
import { workerOf } from '../support/worker.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('base64');
let service: Service;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.close());

describe('pages of jobs', () => {
  it('hold no data, are public, and allow nothing from elsewhere', async () => {
    for (const path of ['/jobs', '/jobs/job_01h455vb4pex5vsknk084sn02q']) {
      const { status, headers, body } = await call<string>('GET', service.url + path);
      expect(status).toBe(200);
      expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
      const policy = headers.get('content-security-policy')!;
      expect(policy).toContain("default-src 'none'");
      expect(policy).not.toContain('unsafe');
      const parts = [...body.matchAll(/<(script|style)[^>]*>(.*?)<\/\1>/gs)];
      const digests = parts.map(([, tag, text]) => [tag, `'sha256-${sha256(text!)}'`]);
      for (const tag of ['script', 'style']) {
        const own = digests.flatMap(([of, digest]) => (of === tag ? [digest] : []));
        expect(policy).toContain(`${tag}-src ${own.join(' ')};`);
      }
      // nothing that needs another answer, of whatever version it would be
      const markup = parts.reduce((rest, [part]) => rest.replace(part, ''), body);
      expect(markup).not.toMatch(/<script|<style| src=| style=| on\w+=|<link rel="(?!icon" href="data:,")/);
      // modules in one: each of their names is there once
      const module = parts.at(-1)![2]!;
      expect(module).not.toMatch(/^(import|export)\b/m);
      const names = [...module.matchAll(/^(?:const|let|class|(?:async )?function) (\w+)/gm)].map(([, own]) => own);
      expect(new Set(names).size).toBe(names.length);
      expect(names.length).toBeGreaterThan(10);
    }
  });

  it('are not sent again while they stay the same', async () => {
    for (const path of ['/jobs', '/jobs/job_01h455vb4pex5vsknk084sn02q']) {
      const { headers } = await call('GET', service.url + path);
      const again = await call('GET', service.url + path, undefined, { 'if-none-match': headers.get('etag')! });
      expect([again.status, again.body]).toEqual([304, '']);
    }
  });
});

describe.skipIf(NO_BROWSER !== null)('in a browser', () => {
  let browser: Browser;
  let page: Page;
  /** what the browser complained of: an error of a script, or something that the policy forbids */
  let complaints: string[];
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser.close());

  const open = async (url: string) => {
    // little to draw
    const context = await browser.newContext({ viewport: { width: 500, height: 500 } });
    page = await context.newPage();
    complaints = [];
    page.on('pageerror', ({ message }) => complaints.push(message));
    page.on('console', (message) => {
      // a refusal of the API is said there by the browser itself
      if (message.type() === 'error' && !/Failed to load resource/.test(message.text()))
        complaints.push(message.text());
    });
    await page.goto(url);
    return context;
  };
  const text = (id: string) => page.locator(`#${id}`).textContent();
  const shows = (id: string, what: string | RegExp) => expect.poll(() => text(id)).toMatch(what);
  const countPoints = async () => Number(/^[\d,]+/.exec((await text('points')) ?? '')?.[0].replaceAll(',', '') ?? 0);

  it('a real job: queued, its curve grows while it trains, and its end', async () => {
    const csv = Array.from({ length: 300 }, (_, i) => `${i % 17},${i % 5},${(i % 17) * 2 - (i % 5)}`).join('\n');
    const dataset = await uploadCsv(service.api, 'points', `a,b,y\n${csv}\n`);
    const job = await postJob(service.api, {
      dataset,
      target: 'y',
      training: { epochs: 100_000, early_stopping: null, optimizer: { type: 'adam', learning_rate: 0.001 } },
    });
    const context = await open(`${service.url}/jobs/${job.id}`);
    await shows('status', 'queued');
    await shows('state', /^Place 1 in the queue\./);
    const ended = run(service, workerOf(service), job.id);
    await shows('status', 'running');
    const first = await waitFor(async () => (await countPoints()) || null, 'points of the curve');
    await waitFor(async () => (await countPoints()) > first, 'more points');
    expect(await page.locator('#curve canvas').count()).toBe(1);
    await page.getByLabel('logarithmic').check();
    expect(await page.locator('#curve canvas').count()).toBe(1);
    const best = `${service.api}/jobs/${job.id}/checkpoints/best`;
    await waitFor(async () => (await call('GET', best)).status === 200, 'a checkpoint');
    await call('POST', `${service.api}/jobs/${job.id}/cancel`);
    await shows('status', 'cancelled');
    expect((await ended).status).toBe('cancelled');
    await shows('events', /cancelled.*started.*queued/);
    await expect.poll(() => page.locator('#link-best').isVisible()).toBe(true);
    expect(complaints).toEqual([]);

    await page.goto(`${service.url}/jobs`);
    await page.getByRole('link', { name: job.name }).click();
    await shows('status', 'cancelled');
    expect(complaints).toEqual([]);
    await context.close();
  });

  it('what has failed says why, and a name is text whatever it looks like; of a long log the end is read', async () => {
    const { db } = service.database;
    const name = '<img src=x onerror=alert(1)>';
    const claim = await addClaimed(db, { name });
    const epochs = Array.from({ length: 2000 }, (_, i) => i + 1);
    await recordMetrics(
      db,
      claim,
      epochs.map((step) => ({
        name: 'loss',
        split: 'train',
        step,
        epoch: step,
        value: step === 9 ? Number.NaN : 1 / step,
      })),
      epochs.map((epoch) => ({ type: 'job.metrics', onceKey: `${epoch}`, data: {} })),
    );
    const error = { code: 'diverged', category: 'user', message: '<b>Too much</b>', hint: 'Lower it.' } as const;
    await finishJob(db, claim, { status: 'failed', stopReason: 'diverged', error });
    const context = await open(`${service.url}/jobs/${claim.job.id}`);
    await shows('status', 'failed');
    await shows('name', name);
    await shows('error-text', /^<b>Too much<\/b>\nLower it\.$/);
    await shows('points', /^500 points, up to step 2,000/);
    await shows('events', /failed<b>Too much<\/b>.*started.*queued/);
    expect(complaints).toEqual([]);
    await context.close();
  });

  it('a connection that is lost is said, and found again', async () => {
    const claim = await addClaimed(service.database.db);
    const context = await open(`${service.url}/jobs/${claim.job.id}`);
    await shows('status', 'running');
    await context.setOffline(true);
    await shows('notice', /^The connection is lost\. It is tried again/);
    await renewLease(service.database.db, claim, 30, { phase: 'evaluating' });
    await context.setOffline(false);
    await shows('state', /evaluating/);
    await expect.poll(() => page.locator('#notice').isVisible()).toBe(false);
    await context.close();
  });

  it('what is not there, and addresses that are none', async () => {
    const context = await open(`${service.url}/jobs/job_01h455vb4pex5vsknk084sn02q`);
    await shows('notice', 'There is no job job_01h455vb4pex5vsknk084sn02q.');
    await page.goto(`${service.url}/jobs/%3Cb%3E`);
    await shows('notice', /./);
    expect(complaints).toEqual([]);
    await context.close();
  });

  it('where keys are asked for it waits for one, and keeps it in the tab', async () => {
    const guarded = await startService({ auth: 'keys' });
    const { db } = guarded.database;
    const { key } = await createApiKey(db.orm, { tenant: TENANT, name: 'a', scopes: ['jobs:read'], expiresAt: null });
    const job = await addJob(db, { name: 'guarded' });
    await claimOrThrow(db, job.id);
    const context = await open(`${guarded.url}/jobs/${job.id}`);
    await shows('key-why', 'This service asks for a key.');
    const field = page.getByLabel('Key');
    await field.fill('ty_wrong');
    await page.getByRole('button', { name: 'Use it' }).click();
    await shows('key-why', 'There is no such key.');
    await field.fill(key);
    await page.getByRole('button', { name: 'Use it' }).click();
    await shows('name', 'guarded');
    await shows('status', 'running');
    const download = page.waitForEvent('download');
    await page.locator('#link-job').click();
    expect((await download).suggestedFilename()).toBe(`${job.id}.json`);
    await page.goto(`${guarded.url}/jobs`);
    await shows('rows', /guarded/);
    await page.getByRole('button', { name: 'Forget the key' }).click();
    await shows('key-why', 'This service asks for a key.');
    expect(complaints).toEqual([]);
    await context.close();
    await guarded.close();
  });
});
