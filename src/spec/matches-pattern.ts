/** Whether a name fits a pattern: `*` stands for any characters. */
export function matchesPattern(name: string, pattern: string): boolean {
  const [first, ...parts] = pattern.split('*') as [string, ...string[]];
  if (parts.length === 0) return name === first;
  if (!name.startsWith(first)) return false;
  const last = parts.pop()!;
  let at = first.length;
  for (const part of parts) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}
