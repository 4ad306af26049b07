import type { PostageEvent } from 'nestjs-postage';

const WHO_WIDTH = 10;
const INDENT = ' '.repeat(2 + WHO_WIDTH);

/** Shows what programs send, receive and print, as it happens. */
export class Transcript {
  readonly #write: (text: string) => void;
  readonly #shown = new Set<string>();

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  observed(who: string, event: PostageEvent): void {
    const action = describe(event);
    if (action === undefined) return;
    this.#line(who, action.text);
    this.#body(action.body);
  }

  printed(line: string): void {
    this.#line('printed', line);
  }

  /** A body is the same on both ends: it is shown once. */
  #body(body: unknown): void {
    const text = layOut(body);
    if (this.#shown.has(text)) return;
    this.#shown.add(text);
    this.#write(text.replace(/^/gm, INDENT));
  }

  #line(who: string, text: string): void {
    this.#write(`  ${who.padEnd(WHO_WIDTH)}${text}`);
  }
}

const describe = (event: PostageEvent): { text: string; body: unknown } | undefined => {
  switch (event.kind) {
    case 'message.sent':
      return {
        text: `sends to ${exchange(event.exchange)} with key "${event.routingKey}"`,
        body: event.body,
      };
    case 'message.received':
      return {
        text: `receives ${event.at.sizeBytes} bytes from queue "${event.at.queue}"`,
        body: event.body,
      };
    default:
      return undefined;
  }
};

const exchange = (name: string): string => (name === '' ? 'the default exchange' : `exchange "${name}"`);

/** As JSON: what is short on one line, each object on a line of its own. */
const layOut = (body: unknown): string => {
  const fields = Object.entries(body as object).map(([key, value]) => ({
    text: `${JSON.stringify(key)}: ${JSON.stringify(value)}`,
    isLong: typeof value === 'object',
  }));
  const text = fields.map((field, index) => {
    const next = fields[index + 1];
    if (next === undefined) return field.text;
    return `${field.text},${field.isLong || next.isLong ? '\n  ' : ' '}`;
  });
  return `{ ${text.join('')} }`;
};
