import type { Observer } from 'nestjs-postage';

const LIMIT_MS = 5_000;

/** What makes a demo a success: whatever its programs send is received, and they print certain lines. */
export class Expectations {
  readonly #sent = new Set<string>();
  readonly #received = new Set<string>();
  readonly #lines: string[];
  #onChange: () => void = () => undefined;

  /** @param lines the beginning of each, in any order */
  constructor(lines: readonly string[]) {
    this.#lines = [...lines];
  }

  readonly observe: Observer = (event) => {
    if (event.kind === 'message.sent') this.#sent.add(JSON.stringify(event.body));
    if (event.kind === 'message.received') this.#received.add(JSON.stringify(event.body));
    this.#onChange();
  };

  printed(line: string): void {
    const index = this.#lines.findIndex((beginning) => line.startsWith(beginning));
    if (index !== -1) this.#lines.splice(index, 1);
    this.#onChange();
  }

  /** Resolves once all has come; rejects, and tells what has not, when that takes more than five seconds. */
  met(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(this.#error()), LIMIT_MS);
      this.#onChange = () => {
        if (this.#missing.length > 0) return;
        clearTimeout(timer);
        resolve();
      };
      this.#onChange();
    });
  }

  get #missing(): readonly string[] {
    const underWay = [...this.#sent].filter((body) => !this.#received.has(body));
    return [
      ...this.#lines.map((line) => `the line "${line}"`),
      ...underWay.map((body) => `the message ${body}`),
    ];
  }

  #error(): Error {
    const missing = this.#missing.map((what) => `\n  ${what}`).join('');
    return new Error(
      `this did not arrive:${missing}\nDoes another program consume "echo-queue" on this broker?`,
    );
  }
}
