/** The first key that an object of this valid JSON text has twice: `JSON.parse` would keep the last and say nothing. */
export function findDuplicateKey(text: string): string | null {
  const open: (Set<string> | null)[] = [];
  const token = /"(?:[^"\\]|\\.)*"(\s*:)?|[{}[\]]/gy;
  const skip = /[^"{}[\]]*/y;
  for (let at = 0; at < text.length; at = token.lastIndex) {
    skip.lastIndex = at;
    skip.test(text);
    token.lastIndex = skip.lastIndex;
    const found = token.exec(text);
    if (found === null) break;
    const [part, colon] = found;
    if (part === '{') open.push(new Set());
    else if (part === '[') open.push(null);
    else if (part === '}' || part === ']') open.pop();
    else if (colon !== undefined) {
      const key = JSON.parse(part.slice(0, part.length - colon.length)) as string;
      const keys = open.at(-1)!;
      if (keys!.has(key)) return key;
      keys!.add(key);
    }
  }
  return null;
}
