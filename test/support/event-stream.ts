import { EventSourceParserStream } from 'eventsource-parser/stream';

export interface StreamMessage {
  /** null for what is not numbered */
  id: number | null;
  event: string;
  // biome-ignore lint/suspicious/noExplicitAny: a client reads what it expects
  data: any;
}

/** Reads server-sent events until `enough` says so, or the stream ends. */
export async function readStream(
  url: string,
  headers: Record<string, string> = {},
  enough: (messages: StreamMessage[]) => boolean = () => false,
): Promise<StreamMessage[]> {
  const abort = new AbortController();
  const response = await fetch(url, { headers: { accept: 'text/event-stream', ...headers }, signal: abort.signal });
  const type = response.headers.get('content-type') ?? '';
  if (response.status !== 200 || !type.startsWith('text/event-stream'))
    throw new Error(`no stream: ${response.status} ${await response.text()}`);
  const messages: StreamMessage[] = [];
  const parsed = response.body!.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
  for await (const { id, event, data } of parsed) {
    messages.push({ id: id === undefined ? null : Number(id), event: event!, data: JSON.parse(data) });
    if (enough(messages)) break;
  }
  abort.abort();
  return messages;
}

export const numbersOf = (messages: readonly StreamMessage[]) => messages.flatMap(({ id }) => id ?? []);
