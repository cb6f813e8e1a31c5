import { once } from 'node:events';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { it } from 'vitest';
import { addJob, addDataset, addClaimed, describeCheckpoint } from '../support/jobs.ts';
import { recordCheckpoints } from '../../src/jobs/record-checkpoint.ts';
import { startService } from '../support/service.ts';

const raw = async (url: string, bytes: string | Buffer, ms = 1500) => {
  const { port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname);
  let received = '';
  socket.on('data', (c: Buffer) => { received += c.toString(); });
  socket.on('error', (e) => { received += `<<${e.message}>>`; });
  socket.write(bytes);
  await Promise.race([once(socket, 'close'), new Promise((r) => setTimeout(r, ms))]);
  socket.destroy();
  return received;
};

it('probe', async () => {
  const service = await startService({ maxUploadBytes: 100_000 });
  const { db } = service.database;
  const jobId = (await addJob(db)).id;
  const say = async (name: string, path: string, init: RequestInit = {}) => {
    try {
      const r = await fetch(service.url + path, { ...init, signal: AbortSignal.timeout(4000) });
      const t = await r.text();
      console.log(name, '=>', r.status, r.headers.get('content-type'), t.slice(0, 260));
    } catch (e) { console.log(name, '=> THROWN', (e as Error).message, String((e as any).cause)); }
  };
  const J = { 'content-type': 'application/json' };
  const post = (body: any, h: Record<string, string>) => ({ method: 'POST', body, headers: h, duplex: 'half' }) as RequestInit;
  await say('csv to jobs', '/v1/jobs', post('a,b\n1,2\n', { 'content-type': 'text/csv' }));
  const fd = new FormData(); fd.append('a', 'b');
  await say('multipart to jobs', '/v1/jobs', { method: 'POST', body: fd });
  await say('no body jobs', '/v1/jobs', { method: 'POST' });
  await say('cancel with json type, empty', `/v1/jobs/${jobId}/cancel`, post('', J));
  await say('cancel form type, empty', `/v1/jobs/${(await addJob(db)).id}/cancel`, post('', { 'content-type': 'application/x-www-form-urlencoded' }));
  await say('gzip json', '/v1/jobs', post('x', { ...J, 'content-encoding': 'gzip' }));
  await say('name nul', '/v1/datasets?name=a%00b', post('a,b\n1,2\n', { 'content-type': 'text/csv' }));
  await say('name surrogate', '/v1/datasets?name=%ed%a0%80', post('a,b\n1,2\n', { 'content-type': 'text/csv' }));
  await say('metadata nul', '/v1/jobs?metadata.a=%00');
  await say('dataset nul', '/v1/jobs?dataset=%00');
  await say('metadata twice', '/v1/jobs?metadata.a=1&metadata.a=2');
  await say('unknown filter', '/v1/jobs?stauts=queued');
  await say('year 0', '/v1/jobs?created_after=0000-01-01T00:00:00Z');
  await say('feb 30', '/v1/jobs?created_after=2024-02-30T00:00:00Z');
  await say('far future', '/v1/jobs?created_after=9999-12-31T23:59:59-12:00');
  await say('metrics name nul', `/v1/jobs/${jobId}/metrics?name=%00`);
  await say('metrics since 1e300', `/v1/jobs/${jobId}/metrics?since_step=1e300`);
  await say('events after max', `/v1/jobs/${jobId}/events?after=9007199254740991`);
  await say('events wait nan', `/v1/jobs/${jobId}/events?wait_s=NaN`);
  await say('last-event-id hex', `/v1/jobs/${jobId}/events`, { headers: { accept: 'text/event-stream', 'last-event-id': '0x10' } });
  await say('id 150', `/v1/jobs/job_${'a'.repeat(150)}`);
  await say('bad pct', `/v1/jobs/%zz`);
  await say('mp no boundary', '/v1/datasets', post('xx', { 'content-type': 'multipart/form-data' }));
  await say('mp garbage', '/v1/datasets', post('xx', { 'content-type': 'multipart/form-data; boundary=abc' }));
  await say('mp empty', '/v1/datasets', post('', { 'content-type': 'multipart/form-data; boundary=abc' }));
  await say('mp truncated', '/v1/datasets', post('--abc\r\ncontent-disposition: form-data; name="images"; filename="a"\r\n\r\nxxxx', { 'content-type': 'multipart/form-data; boundary=abc' }));
  await say('mp bad header', '/v1/datasets', post('--abc\r\nnonsense\r\n\r\nxxxx\r\n--abc--\r\n', { 'content-type': 'multipart/form-data; boundary=abc' }));
  await say('mp proto', '/v1/datasets', post('--abc\r\ncontent-disposition: form-data; name="__proto__"\r\n\r\nxxxx\r\n--abc--\r\n', { 'content-type': 'multipart/form-data; boundary=abc' }));
  await say('mp json name', '/v1/datasets', post('--abc\r\ncontent-disposition: form-data; name="name"\r\ncontent-type: application/json\r\n\r\n{"a":1}\r\n--abc--\r\n', { 'content-type': 'multipart/form-data; boundary=abc' }));
  const many = new FormData(); for (let i = 0; i < 10; i++) many.append('file', new Blob(['a\n1\n']), 'x.csv');
  await say('mp many', '/v1/datasets', { method: 'POST', body: many });
  const unknownBig = new FormData(); unknownBig.append('pictures', new Blob(['a'.repeat(5_000_000)]), 'x.csv');
  await say('mp unknown big', '/v1/datasets', { method: 'POST', body: unknownBig });
  const big = new FormData(); big.append('file', new Blob(['a\n' + '1\n'.repeat(5_000_000)]), 'x.csv');
  await say('mp too big', '/v1/datasets', { method: 'POST', body: big });
  const nm = new FormData(); nm.append('name', ''); nm.append('file', new Blob(['a,b\n1,2\n']), 'x.csv');
  await say('mp name empty', '/v1/datasets', { method: 'POST', body: nm });
  const nm0 = new FormData(); nm0.append('name', 'a\0b'); nm0.append('file', new Blob(['a,b\n1,2\n']), 'x.csv');
  await say('mp name nul', '/v1/datasets', { method: 'POST', body: nm0 });
  await say('too big with CL', '/v1/datasets', post('a\n' + '1\n'.repeat(20_000_000), { 'content-type': 'text/csv' }));
  await say('too big stream', '/v1/datasets', post(Readable.toWeb(Readable.from((function* () { yield 'a\n'; for (let i = 0; i < 400; i++) yield '1\n'.repeat(50_000); })().map((x) => Buffer.from(x)))), { 'content-type': 'text/csv' }));
  await say('huge str 1MiB', '/v1/jobs', post(`{"a": "${'\\n'.repeat(2 ** 19 - 20)}"}`, J));
  await say('predict csv', `/v1/jobs/${jobId}/predict`, post('a', { 'content-type': 'text/csv' }));
  await say('OPTIONS', '/v1/jobs', { method: 'OPTIONS' });
  await say('PATCH', `/v1/jobs/${jobId}`, { method: 'PATCH' });
  await say('HEAD events sse', `/v1/jobs/${jobId}/events`, { method: 'HEAD', headers: { accept: 'text/event-stream' } });
  await say('HEAD job', `/v1/jobs/${jobId}`, { method: 'HEAD' });
  console.log('propfind', await raw(service.url, 'PROPFIND /v1/jobs HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'));
  console.log('two CL', await raw(service.url, 'POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}'));
  console.log('CL+TE', await raw(service.url, 'POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'));
  console.log('TE gzip', await raw(service.url, 'POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n'));
  console.log('no host', await raw(service.url, 'GET /v1/jobs HTTP/1.1\r\n\r\n'));
  console.log('NUL header', await raw(service.url, 'GET /v1/jobs HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n'));
  console.log('big hdr', (await raw(service.url, `GET /v1/jobs HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(40000)}\r\n\r\n`)));
  console.log('expect', await raw(service.url, 'POST /v1/jobs HTTP/1.1\r\nHost: a\r\nExpect: pigs\r\nContent-Length: 2\r\n\r\n{}'));
  console.log('slow', await raw(service.url, 'GET /v1/jobs HTTP/1.1\r\nHost: a\r\n', 22_000));
  // spec
  const ds = await (await fetch(`${service.api}/datasets?name=${encodeURIComponent('😀'.repeat(99) + 'a')}`, post('😀,y\n1,2\n3,4\n5,6\n', { 'content-type': 'text/csv' }))).json() as any;
  console.log(ds.id);
  const J2 = (o: object) => post(JSON.stringify(o), J);
  await say('surrogate name', '/v1/jobs', J2({ dataset: ds.id, target: '😀' }));
  await say('metadata odd', '/v1/jobs', J2({ dataset: ds.id, target: 'y', metadata: { 'a b': { x: [1] } } }));
  await say('metadata list', '/v1/jobs', J2({ dataset: ds.id, target: 'y', metadata: { a: 1 } }));
  for (const [n, o] of Object.entries({
    freeze: { dataset: ds.id, target: 'y', model: { freeze: Array(400_000).fill(1) } },
    unknown: { dataset: ds.id, target: 'y', ...Object.fromEntries(Array.from({ length: 80_000 }, (_, i) => [`k${i}`, 1])) },
    inputs: { dataset: ds.id, target: 'y', inputs: Array.from({ length: 60_000 }, (_, i) => `c${i}`) },
    inputs2: { dataset: ds.id, target: 'y', inputs: Array.from({ length: 10_000 }, (_, i) => `column number ${i} of ${'x'.repeat(60)}`) },
    layers: { dataset: ds.id, target: 'y', model: { layers: Array.from({ length: 30_000 }, (_, i) => ({ type: 'dense', u: i })) } },
    cols: { dataset: ds.id, target: { columns: Array.from({ length: 100_000 }, (_, i) => `c${i}`) } },
    nul: { dataset: ds.id, target: 'y', model: { layers: Array.from({ length: 60_000 }, (_, i) => null) } },
  })) { const b = performance.now(); await say('DoS ' + n, '/v1/jobs', J2(o)); console.log('   ms', performance.now() - b); }
  await service.close();
}, 120_000);
