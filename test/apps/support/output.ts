import type { Readable } from 'node:stream';
import { createInterface } from 'node:readline';

const LIMIT_MS = 20_000;

/** What a program prints on one of its streams, line by line. */
export class Output {
  readonly lines: string[] = [];
  readonly #listeners = new Set<() => void>();
  #ended = false;

  constructor(stream: Readable) {
    const reader = createInterface({ input: stream });
    reader.on('line', (line) => {
      this.lines.push(line);
      this.#notify();
    });
    reader.on('close', () => {
      this.#ended = true;
      this.#notify();
    });
  }

  get text(): string {
    return this.lines.join('\n');
  }

  /** The lines that hold this text. */
  with(text: string): string[] {
    return this.lines.filter((line) => line.includes(text));
  }

  /** Resolves once `count` lines hold this text, and with them. */
  async until(text: string, count = 1): Promise<string[]> {
    await this.waitFor(() => this.with(text).length >= count, `${count} line(s) with "${text}"`);
    return this.with(text);
  }

  /** Resolves once the stream has ended. */
  async end(): Promise<void> {
    await this.waitFor(() => this.#ended, 'the end of the output');
  }

  /** Resolves once the check holds; rejects when the program prints no more, or too late. */
  waitFor(check: () => boolean, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (error?: Error): void => {
        clearTimeout(timer);
        this.#listeners.delete(listener);
        if (error) reject(error);
        else resolve();
      };
      const missing = (why: string): Error => new Error(`${why} ${what} came. The output:\n${this.text}`);
      const listener = (): void => {
        if (check()) settle();
        else if (this.#ended) settle(missing('the program ended before'));
      };
      const timer = setTimeout(() => settle(missing(`${LIMIT_MS} ms were over before`)), LIMIT_MS);
      this.#listeners.add(listener);
      listener();
    });
  }

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }
}
