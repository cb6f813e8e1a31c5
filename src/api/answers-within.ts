/** Rejects with a TimeoutError when there is no answer in time; whatever comes later is passed over. */
export async function answersWithin<T>(answer: Promise<T>, timeoutMs: number): Promise<T> {
  const signal = AbortSignal.timeout(timeoutMs);
  const late = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  answer.catch(() => {});
  return await Promise.race([answer, late]);
}
