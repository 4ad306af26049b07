import type { WriteStream } from 'node:tty';

/** Of a terminal that does not tell. */
const DEFAULT_COLUMNS = 80;
const CLEAR_LINE = '\r\u001B[K';

/** What goes on at the moment: one line that changes on a terminal, and a line for each work anywhere else. */
export class Progress {
  readonly #stream: WriteStream;
  readonly #startedAtMs = performance.now();
  #title = '';
  #isShown = false;

  constructor(stream: WriteStream = process.stderr) {
    this.#stream = stream;
  }

  begin(title: string): void {
    this.#title = title;
    if (this.#stream.isTTY) this.step('');
    else this.#stream.write(`${this.#elapsed()} ${title}\n`);
  }

  step(text: string): void {
    if (!this.#stream.isTTY) return;
    const line = [this.#elapsed(), this.#title, text].filter(Boolean).join('  ');
    this.#stream.write(`${CLEAR_LINE}${line.slice(0, (this.#stream.columns || DEFAULT_COLUMNS) - 1)}`);
    this.#isShown = true;
  }

  /** Makes room for something that stays. */
  clear(): void {
    if (this.#isShown) this.#stream.write(CLEAR_LINE);
    this.#isShown = false;
  }

  /** A line that stays. */
  note(text: string): void {
    this.clear();
    this.#stream.write(`${text}\n`);
  }

  #elapsed(): string {
    const seconds = Math.round((performance.now() - this.#startedAtMs) / 1_000);
    return `${String(Math.floor(seconds / 60)).padStart(2)}:${String(seconds % 60).padStart(2, '0')}`;
  }
}
