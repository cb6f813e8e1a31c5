import { lookup } from 'node:dns/promises';
import { BlockList } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Which addresses outside may be called at a client's wish. */
export interface OutboundRules {
  /** http as well as https */
  allowHttp: boolean;
  /** CIDR ranges (`127.0.0.0/8`, `fd00::/8`) that may be called although they are not public */
  allowRanges: readonly string[];
}

/** The address may not be called. The message is for whoever gave it. */
export class ForbiddenAddressError extends Error {}

export interface ResolvedAddress {
  address: string;
  family: number;
}

/** The addresses of a name; rejects where there is none. */
export type ResolveName = (hostname: string) => Promise<ResolvedAddress[]>;

// the system's way, with /etc/hosts; it runs on libuv's threads, which keep some free for files
const askSystem: ResolveName = (hostname) => lookup(hostname, { all: true });

/** Global unicast, the only part of IPv6 that is handed out; the old forms that embed IPv4 lie outside or are named by ipaddr.js. */
const GLOBAL_UNICAST = ipaddr.parseCIDR('2000::/3') as [ipaddr.IPv6, number];

/**
 * Keeps requests that a client wishes for (webhooks, datasets by URL) away from what is not public: this machine, the network around it, metadata
 * services. An address is looked at twice, as it is written and as it is resolved; the second at each connection, so that a name that changes its
 * mind in between (DNS rebinding) gains nothing.
 */
export class OutboundGuard {
  readonly #allowHttp: boolean;
  readonly #allowed: BlockList;
  readonly #resolveName: ResolveName;

  /** Throws RangeError for a range that cannot be read. */
  constructor({ allowHttp, allowRanges }: OutboundRules, resolveName: ResolveName = askSystem) {
    this.#resolveName = resolveName;
    this.#allowHttp = allowHttp;
    this.#allowed = readRanges(allowRanges);
  }

  /** The address as it is written. Errors: ForbiddenAddressError. */
  checkUrl(text: string): URL {
    if (!URL.canParse(text)) throw new ForbiddenAddressError('This is not a whole URL.');
    const url = new URL(text);
    if (url.protocol !== 'https:' && !(this.#allowHttp && url.protocol === 'http:')) {
      throw new ForbiddenAddressError(`The URL must begin with https://${this.#allowHttp ? ' or http://' : ''}.`);
    }
    if (url.username !== '' || url.password !== '')
      throw new ForbiddenAddressError('The URL must have no user name and no password.');
    if (url.port === '0') throw new ForbiddenAddressError('Nothing can be reached at port 0.');
    // 2130706433, 0x7f.1 and the like are plain addresses by now: the URL standard writes them out
    const literal = readLiteral(url.hostname);
    if (literal !== null) this.checkAddress(literal);
    return url;
  }

  /** Every address that the URL's name has now. Errors: ForbiddenAddressError, also where the name has none. */
  async checkResolved({ hostname }: URL): Promise<void> {
    if (readLiteral(hostname) === null) await this.resolve(hostname);
  }

  /** Addresses of a name, all of which may be called: one that may not is reason enough to distrust the name. Errors: ForbiddenAddressError. */
  async resolve(hostname: string): Promise<ResolvedAddress[]> {
    const found = await this.#resolveName(hostname).catch(() => []);
    if (found.length === 0) throw new ForbiddenAddressError(`The name ${hostname} has no address.`);
    for (const { address } of found) this.checkAddress(address);
    return found;
  }

  /** Errors: ForbiddenAddressError. */
  checkAddress(text: string): void {
    if (!ipaddr.isValid(text)) throw new ForbiddenAddressError(`${text} is not an address.`);
    // ::ffff:127.0.0.1 is 127.0.0.1
    const address = ipaddr.process(text);
    if (this.#allowed.check(address.toString(), address.kind())) return;
    const isPublic =
      address.range() === 'unicast' && (address.kind() === 'ipv4' || (address as ipaddr.IPv6).match(GLOBAL_UNICAST));
    if (!isPublic) throw new ForbiddenAddressError(`The address ${text} is not public.`);
  }
}

/** The address that stands in a URL instead of a name. */
function readLiteral(hostname: string): string | null {
  const bare = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  return ipaddr.isValid(bare) ? bare : null;
}

function readRanges(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    if (!ipaddr.isValidCIDR(range)) throw new RangeError(`"${range}" is not a range like 10.0.0.0/8`);
    const [network, prefix] = ipaddr.parseCIDR(range);
    list.addSubnet(network.toString(), prefix, network.kind());
  }
  return list;
}
