/**
 * McNemar's test (1947) of two classifiers' answers to the same rows, in its exact form: if both were equally good, each row that one alone has right would be the one's or
 * the other's like a coin's fall. `p_value`: of a share as uneven, or more.
 */
export function testMcNemar(
  a: readonly boolean[],
  b: readonly boolean[],
): { only_a_right: number; only_b_right: number; p_value: number } {
  let onlyA = 0;
  let onlyB = 0;
  a.forEach((isRight, row) => {
    if (isRight && !b[row]) onlyA++;
    if (!isRight && b[row]) onlyB++;
  });
  const flips = onlyA + onlyB;
  const fewer = Math.min(onlyA, onlyB);
  // ln of C(flips, k) / 2^flips, from k to k + 1; sums of logarithms, since 2^-flips is 0 in f64 beyond 1074
  let term = -flips * Math.LN2;
  let tail = term;
  for (let k = 1; k <= fewer; k++) {
    term += Math.log((flips - k + 1) / k);
    const [larger, smaller] = term > tail ? [term, tail] : [tail, term];
    tail = larger + Math.log1p(Math.exp(smaller - larger));
  }
  return { only_a_right: onlyA, only_b_right: onlyB, p_value: Math.min(1, 2 * Math.exp(tail)) };
}
