import pg from 'pg';
import type { DatabaseLogger } from './client.ts';

const RECONNECT_MS = 1_000;
const CONNECT_TIMEOUT_MS = 5_000;

export interface Listening {
  close(): Promise<void>;
}

/**
 * Listens to a channel on a connection of its own, which is made again when it breaks. Notifications sent meanwhile are lost: then `onReturn` is
 * called, and whoever listens looks for itself.
 */
export function listen(
  url: string,
  channel: string,
  options: { onNotification(payload: string): void; onReturn(): void; logger?: DatabaseLogger },
): Listening {
  let closed = false;
  let broken = false;
  let retry: NodeJS.Timeout | undefined;
  let client: pg.Client | undefined;
  let connecting: Promise<void> = Promise.resolve();

  const connect = async () => {
    const opened = new pg.Client({
      connectionString: url,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      application_name: 'trainyard listener',
    });
    client = opened;
    const breakOff = (err?: Error) => {
      if (closed || client !== opened) return;
      client = undefined;
      if (!broken) options.logger?.warn({ err, channel }, 'listening to the database broke off; it is tried again');
      broken = true;
      opened.end().catch(() => {});
      retry = setTimeout(() => {
        connecting = connect();
      }, RECONNECT_MS);
    };
    opened.on('error', breakOff);
    opened.on('end', breakOff);
    opened.on('notification', ({ payload = '' }) => options.onNotification(payload));
    try {
      await opened.connect();
      await opened.query(`listen ${channel}`);
      // before the first LISTEN, too, something may have been said
      options.onReturn();
      broken = false;
    } catch (err) {
      breakOff(err as Error);
    }
  };
  connecting = connect();

  return {
    async close() {
      closed = true;
      clearTimeout(retry);
      await connecting;
      await client?.end();
    },
  };
}
