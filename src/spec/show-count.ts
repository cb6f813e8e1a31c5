const format = new Intl.NumberFormat('en-US');

/** `12,345`. By one formatter: toLocaleString makes another each time, which takes 20 times as long. */
export const showCount = (value: number): string => format.format(value);

/** `1 row`, `12,345 rows`. */
export const countOf = (count: number, one: string): string => `${showCount(count)} ${one}${count === 1 ? '' : 's'}`;
