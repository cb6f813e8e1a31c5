/** Speaks to the API as any other service would. */
export async function send<T>(method: string, url: string, body?: unknown, type = 'application/json'): Promise<T> {
  const isForm = body instanceof FormData;
  const raw = isForm || body instanceof Blob;
  const response = await fetch(url, {
    method,
    ...(body === undefined ? {} : { body: raw ? body : JSON.stringify(body) }),
    headers: body === undefined || isForm ? {} : { 'content-type': type },
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${url} answered ${response.status}: ${text}`);
  return JSON.parse(text) as T;
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
