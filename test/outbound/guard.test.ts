import { describe, expect, it } from 'vitest';
import { ForbiddenAddressError, OutboundGuard } from '../../src/outbound/guard.ts';
import { openOutbound } from '../../src/outbound/request.ts';
import { startTarget } from '../support/target.ts';

const strict = new OutboundGuard({ allowHttp: false, allowRanges: [] });

describe('an address as it is written', () => {
  it.each([
    'https://example.com/hook?x=1',
    'https://93.184.216.34:8443/',
    'https://[2606:2800:220:1:248:1893:25c8:1946]/',
  ])('%s may be called', (url) => {
    expect(strict.checkUrl(url).href).toBe(url);
  });

  it.each([
    ['http', 'http://example.com/'],
    ['another scheme', 'file:///etc/passwd'],
    ['no URL', 'example.com'],
    ['credentials', 'https://user:password@example.com/'],
    ['a user alone', 'https://user@example.com/'],
    ['port 0', 'https://example.com:0/'],
    ['loopback', 'https://127.0.0.1/'],
    ['loopback as one number', 'https://2130706433/'],
    ['loopback in hexadecimal', 'https://0x7f000001/'],
    ['loopback in octal', 'https://0177.0.0.1/'],
    ['loopback, short', 'https://127.1/'],
    ['loopback of IPv6', 'https://[::1]/'],
    ['loopback, mapped', 'https://[::ffff:127.0.0.1]/'],
    ['loopback, compatible', 'https://[::127.0.0.1]/'],
    ['loopback, translated', 'https://[64:ff9b::7f00:1]/'],
    ['loopback, 6to4', 'https://[2002:7f00:1::]/'],
    ['Teredo', 'https://[2001:0:1::1]/'],
    ['unspecified', 'https://0.0.0.0/'],
    ['unspecified of IPv6', 'https://[::]/'],
    ['private, 10', 'https://10.1.2.3/'],
    ['private, 172', 'https://172.16.0.1/'],
    ['private, 192', 'https://192.168.1.1/'],
    ['link-local: metadata', 'https://169.254.169.254/latest/meta-data'],
    ['link-local of IPv6', 'https://[fe80::1]/'],
    ['unique local', 'https://[fd00:ec2::254]/'],
    ['carrier-grade NAT', 'https://100.64.0.1/'],
    ['multicast', 'https://224.0.0.1/'],
    ['broadcast', 'https://255.255.255.255/'],
    ['for documentation', 'https://192.0.2.1/'],
    ['for measurements', 'https://198.18.0.1/'],
    ['reserved', 'https://240.0.0.1/'],
    ['not handed out', 'https://[4000::1]/'],
  ])('%s may not', (_, url) => {
    expect(() => strict.checkUrl(url)).toThrow(ForbiddenAddressError);
  });

  it('only what the configuration allows is allowed besides', () => {
    const guard = new OutboundGuard({ allowHttp: true, allowRanges: ['10.0.0.0/8', 'fd00::/8'] });
    for (const url of ['http://10.0.0.1/', 'https://[::ffff:10.0.0.1]/', 'https://[fd00::1]/', 'http://8.8.8.8/'])
      expect(guard.checkUrl(url)).toBeInstanceOf(URL);
    for (const url of ['http://127.0.0.1/', 'https://[fe80::1]/', 'ftp://10.0.0.1/'])
      expect(() => guard.checkUrl(url)).toThrow(ForbiddenAddressError);
    expect(() => new OutboundGuard({ allowHttp: false, allowRanges: ['10.0.0.0'] })).toThrow(RangeError);
  });
});

describe('an address as it is resolved', () => {
  const guardOf = (...answers: string[][]) =>
    new OutboundGuard({ allowHttp: true, allowRanges: [] }, async () =>
      answers.shift()!.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );

  it('a name for what is not public may not be called, whatever else it stands for', async () => {
    for (const addresses of [['127.0.0.1'], ['93.184.216.34', '10.0.0.1'], ['::1'], ['169.254.169.254'], []]) {
      const guard = guardOf(addresses);
      await expect(guard.checkResolved(guard.checkUrl('https://name.example/'))).rejects.toThrow(ForbiddenAddressError);
    }
    const guard = guardOf(['93.184.216.34']);
    await guard.checkResolved(guard.checkUrl('https://name.example/'));
    await expect(strict.checkResolved(strict.checkUrl('https://localhost/'))).rejects.toThrow('is not public');
  });

  it('a name that was public when it was checked is looked at again by the connection', async () => {
    await using target = await startTarget();
    const guard = guardOf(['93.184.216.34'], ['127.0.0.1']);
    const url = `http://rebound.example:${new URL(target.url).port}/`;
    await guard.checkResolved(guard.checkUrl(url));
    const outbound = openOutbound(guard);
    try {
      const request = outbound.request(url, { method: 'GET', timeoutMs: 5000, maxBytes: 100 });
      await expect(request).rejects.toThrow('The address 127.0.0.1 is not public.');
    } finally {
      await outbound.close();
    }
    expect(target.requests).toEqual([]);
  });
});
