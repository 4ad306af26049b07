import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** A program of the documentation, run as its reader would run it. */
export class Running {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown[]>;
  readonly #listeners = new Set<() => void>();
  #output = '';

  constructor(file: string, environment: Readonly<Record<string, string>> = {}) {
    const env = { ...process.env, NO_COLOR: '1', ...environment };
    this.#child = spawn(process.execPath, [file], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#ended = once(this.#child, 'close');
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => this.#heard(text));
    }
  }

  /** Everything it has written so far. */
  get output(): string {
    return this.#output;
  }

  /** Its lines without those of Nest's logger. */
  get lines(): readonly string[] {
    return this.#output.split('\n').filter((line) => line !== '' && !line.startsWith('[Nest]'));
  }

  /** Resolves when it has written the text; rejects when it has ended without. */
  async until(text: string): Promise<void> {
    const ended = this.#ended.then(() => 'ended' as const);
    while (!this.#output.includes(text)) {
      const more = new Promise<'more'>((resolve) => {
        this.#listeners.add(() => resolve('more'));
      });
      if ((await Promise.race([more, ended])) === 'ended') break;
    }
    if (!this.#output.includes(text)) throw new Error(`it ended without writing "${text}":\n${this.#output}`);
  }

  /** Resolves with its exit code, or the signal that ended it, once it has ended. */
  async end(): Promise<unknown> {
    const [code, signal] = await this.#ended;
    return code ?? signal;
  }

  /** Asks it to end, as an operator does. */
  async terminate(): Promise<unknown> {
    this.#child.kill('SIGTERM');
    return this.end();
  }

  #heard(text: string): void {
    this.#output += text;
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener();
  }
}
