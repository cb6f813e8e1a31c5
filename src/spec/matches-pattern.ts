/** Whether a name fits a pattern: `*` stands for any characters. */
export function matchesPattern(name: string, pattern: string): boolean {
  return matchStars(name, pattern) !== null;
}

/** What each `*` of a pattern stands for, which is as little as it can be; null: the name does not fit. */
export function matchStars(name: string, pattern: string): string[] | null {
  const [first, ...parts] = pattern.split('*') as [string, ...string[]];
  if (parts.length === 0) return name === first ? [] : null;
  if (!name.startsWith(first)) return null;
  const last = parts.pop()!;
  const stood: string[] = [];
  let at = first.length;
  for (const part of parts) {
    const found = name.indexOf(part, at);
    if (found < 0) return null;
    stood.push(name.slice(at, found));
    at = found + part.length;
  }
  if (name.length - last.length < at || !name.endsWith(last)) return null;
  return [...stood, name.slice(at, name.length - last.length)];
}
