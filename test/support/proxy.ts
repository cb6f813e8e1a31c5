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
  open(): void;
  close(): Promise<void>;
}

/** A TCP proxy in front of a server, which a test can cut. */
export async function startProxy(target: { host: string; port: number }): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let refuses = false;
  let stalls = false;
  const server = createServer((client) => {
    if (refuses) return void client.resetAndDestroy();
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
      if (stalls) socket.pause();
    }
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
    open() {
      refuses = false;
      stalls = false;
      for (const socket of sockets) socket.resume();
    },
    async close() {
      server.close();
      cut();
      await once(server, 'close');
    },
  };
}
