import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface TcpProxy {
  port: number;
  /** Breaks every connection; new ones are let through. */
  cut(): void;
  /** Breaks every connection, and refuses new ones until `open`. */
  refuse(): void;
  /** Holds back all bytes, as a network that loses every packet, until `open`. */
  stall(): void;
  /** Holds back the first bytes of each new connection for so long, until `open`. */
  delay(ms: number): void;
  open(): void;
  close(): Promise<void>;
}

/** A TCP proxy in front of a server, which a test can cut. */
export async function startProxy(target: { host: string; port: number }): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let refuses = false;
  let stalls = false;
  let delayMs = 0;
  const server = createServer((client) => {
    if (refuses) return void client.resetAndDestroy();
    const holdMs = delayMs;
    const upstream = connect(target);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      if (stalls) socket.pause();
      socket.on('data', (chunk) => void other.write(chunk));
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      if (stalls || holdMs > 0) socket.pause();
    }
    if (holdMs > 0)
      setTimeout(() => {
        if (stalls) return;
        client.resume();
        upstream.resume();
      }, holdMs).unref();
  });
  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    refuse() {
      refuses = true;
      cut();
    },
    stall() {
      stalls = true;
      for (const socket of sockets) socket.pause();
    },
    delay(ms) {
      delayMs = ms;
    },
    open() {
      refuses = false;
      stalls = false;
      delayMs = 0;
      for (const socket of sockets) socket.resume();
    },
    async close() {
      server.close();
      cut();
      await once(server, 'close');
    },
  };
}
