import { type ClientRequest, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { recordMetrics } from '../../src/jobs/record-metrics.ts';
import { addClaimed } from '../../test/support/jobs.ts';
import { type Ground, type Percentiles, percentilesOf } from './ground.ts';

const OPENING = 50;
const LIMIT_MS = 30_000;

/** So many streams of one job: from the commit of an event until each of them, and the last of them, has it. */
export async function askStreams(
  ground: Ground,
  { streams, events }: { streams: number; events: number },
): Promise<{ each: Percentiles; last: Percentiles; heard: number[][] }> {
  const api = await ground.startApi();
  const claim = await addClaimed(ground.db);
  /** of each stream, the numbers of the events that it has heard */
  const heard: number[][] = Array.from({ length: streams }, () => []);
  const atMs: number[][] = [];
  const requests: ClientRequest[] = [];
  let open = 0;
  const listen = (i: number) =>
    new Promise<void>((resolve, reject) => {
      const request = get(`${api.api}/jobs/${claim.job.id}/events`, {
        agent: false,
        headers: { accept: 'text/event-stream' },
      });
      requests.push(request);
      request.on('error', reject);
      request.on('response', (response) => {
        if (response.statusCode !== 200) return reject(new Error(`a stream was answered ${response.statusCode}`));
        open += 1;
        resolve();
        let rest = '';
        response.setEncoding('utf8');
        response.on('data', (text: string) => {
          const lines = (rest + text).split('\n');
          rest = lines.pop()!;
          for (const line of lines)
            if (line.startsWith('data:') && line.includes('"n":')) {
              const n = Number(/"n":(\d+)/.exec(line)![1]);
              heard[i]!.push(n);
              atMs[n] ??= [];
              atMs[n].push(performance.now());
            }
        });
        response.on('error', () => {});
      });
    });
  for (let first = 0; first < streams; first += OPENING)
    await Promise.all(Array.from({ length: Math.min(OPENING, streams - first) }, (_, i) => listen(first + i)));
  await sleep(1500);
  const each: number[] = [];
  const last: number[] = [];
  for (let n = 0; n < events; n++) {
    await recordMetrics(ground.db, claim, [], [{ type: 'job.metrics', data: { n } }]);
    const committedMs = performance.now();
    while ((atMs[n]?.length ?? 0) < streams) {
      if (performance.now() - committedMs > LIMIT_MS)
        throw new Error(`${atMs[n]?.length ?? 0} of ${open} streams heard of event ${n}`);
      await sleep(2);
    }
    const took = atMs[n]!.map((ms) => Math.max(0, ms - committedMs));
    each.push(...took);
    last.push(Math.max(...took));
    await sleep(200);
  }
  for (const request of requests) request.on('error', () => {}).destroy();
  await api.stop();
  return { each: percentilesOf(each), last: percentilesOf(last), heard };
}
