import { readFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import ipaddr from 'ipaddr.js';

/**
 * Connections whose other end is gone without a word: a cable pulled out, a laptop shut. Where nothing is on its way, TCP's own probes find that out
 * (`keepAlive` of the server). Where something is, TCP sends it again and again for a quarter of an hour, and Node cannot ask for less
 * (TCP_USER_TIMEOUT), so Linux's table of connections is looked at: one that has been sent to again so often in vain is closed.
 */

const LOOK_EVERY_MS = 10_000;
/** Waits double from 0.2 s on: after six, nothing was heard for at least 12 s. A heartbeat comes every 15 s, so all in all it is 40 s at most. */
const MOST_REPEATS = 6;
const TABLES = ['/proc/net/tcp', '/proc/net/tcp6'];

export function closeHalfOpen(server: Server): { close(): void } {
  const open = new Set<Socket>();
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  let isLooking = false;
  const look = async () => {
    if (isLooking || open.size === 0) return;
    isLooking = true;
    const vain = new Set((await Promise.all(TABLES.map(readVain))).flat());
    isLooking = false;
    if (vain.size === 0) return;
    for (const socket of open) if (vain.has(nameOf(socket))) socket.destroy();
  };
  const timer = setInterval(look, LOOK_EVERY_MS).unref();
  return { close: () => clearInterval(timer) };
}

/** Names of connections that were sent to again in vain; none where there is no such table. */
async function readVain(table: string): Promise<string[]> {
  const text = await readFile(table, 'latin1').catch(() => '');
  return text.split('\n').flatMap((line) => {
    // sl, local and remote address, state, queues, timer and when it fires, repeats
    const [, local, remote, , , , repeats] = line.trim().split(/\s+/);
    if (repeats === undefined || !(Number.parseInt(repeats, 16) >= MOST_REPEATS)) return [];
    return `${readEndpoint(local!)} ${readEndpoint(remote!)}`;
  });
}

/** `0100007F:0BB8`: words of 32 bits in the machine's order of bytes, and the port. */
function readEndpoint(text: string): string {
  const [address, port] = text.split(':') as [string, string];
  const bytes = Buffer.from(address, 'hex');
  return `${nameAddress(ipaddr.fromByteArray([...bytes.swap32()]).toString())} ${Number.parseInt(port, 16)}`;
}

function nameOf({ localAddress, localPort, remoteAddress, remotePort }: Socket): string {
  if (localAddress === undefined || remoteAddress === undefined) return '';
  return `${nameAddress(localAddress)} ${localPort} ${nameAddress(remoteAddress)} ${remotePort}`;
}

/** IPv4 as it is, also where it is mapped. */
const nameAddress = (address: string): string => ipaddr.process(address).toString();
