/** Questions to the broker that have not been answered: none stays pending when there is nobody left to answer. */
export class PendingAnswers {
  readonly #rejects = new Set<(error: Error) => void>();

  /** Runs `ask` with the ways to settle the promise it returns; the first of them counts. */
  open<T>(ask: (resolve: (value: T) => void, reject: (error: Error) => void) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#rejects.add(reject);
      const answered = (value: T): void => {
        this.#rejects.delete(reject);
        resolve(value);
      };
      const refused = (error: Error): void => {
        this.#rejects.delete(reject);
        reject(error);
      };
      ask(answered, refused);
    });
  }

  rejectAll(error: Error): void {
    const rejects = [...this.#rejects];
    this.#rejects.clear();
    for (const reject of rejects) reject(error);
  }
}
