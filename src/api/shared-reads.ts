/**
 * Reads that many ask for at once are made once. One is shared only until it begins: whoever asks later, because something has changed, gets a read that
 * begins later.
 */
export class SharedReads<T> {
  readonly #waiting = new Map<string, Promise<T>>();

  read(key: string, read: () => Promise<T>): Promise<T> {
    let result = this.#waiting.get(key);
    if (result === undefined) {
      result = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
        this.#waiting.delete(key);
        return read();
      });
      this.#waiting.set(key, result);
    }
    return result;
  }
}
