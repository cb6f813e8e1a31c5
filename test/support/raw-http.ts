import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A connection of which every byte is the test's own. */
export interface RawConnection {
  socket: Socket;
  /** what has come back so far */
  received(): string;
  /** Until the other side closes, or the limit; then closes. Gives all that has come back. */
  finish(limitMs?: number): Promise<string>;
}

export function openRaw(url: string): RawConnection {
  const { port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname);
  let received = '';
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    received += text;
  });
  // a reset shows in what was received
  socket.on('error', () => {});
  return {
    socket,
    received: () => received,
    async finish(limitMs = 2000) {
      if (!socket.destroyed) await Promise.race([once(socket, 'close'), sleep(limitMs)]);
      socket.destroy();
      return received;
    },
  };
}

/** Status line, headers and body of the one answer in `text`; a body in chunks is not looked into. */
export function readAnswer(text: string): { status: number; headers: Headers; body: string } {
  const [head, ...body] = text.split('\r\n\r\n');
  const [statusLine, ...lines] = head!.split('\r\n');
  const headers = lines.map((line): [string, string] => [
    line.slice(0, line.indexOf(':')),
    line.slice(line.indexOf(':') + 1),
  ]);
  return { status: Number(statusLine!.split(' ')[1]), headers: new Headers(headers), body: body.join('\r\n\r\n') };
}
