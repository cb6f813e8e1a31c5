import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface TargetRequest {
  path: string;
  headers: Record<string, string>;
  body: string;
  atMs: number;
}

/** A server of somebody else, on loopback, that notes what it is sent. */
export interface Target {
  url: string;
  requests: TargetRequest[];
  /** those to one path */
  to(path: string): TargetRequest[];
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startTarget(
  answer: (request: TargetRequest, response: ServerResponse) => void = (_, response) => void response.end(),
): Promise<Target> {
  const requests: TargetRequest[] = [];
  const server = createServer(async (request: IncomingMessage, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    const noted: TargetRequest = {
      path: request.url!,
      headers: request.headers as Record<string, string>,
      body: Buffer.concat(pieces).toString(),
      atMs: performance.now(),
    };
    requests.push(noted);
    answer(noted, response);
  });
  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    to: (path) => requests.filter((request) => request.path === path),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
