/** What is larger than this part of a page has memory of its own. */
const PARTS = 8;

/**
 * Buffers that are kept for minutes and then let go, roughly in the order in which they came. All but large ones are copied
 * into pages that are used again and again: each buffer of its own would be outside of V8's heap, and thousands of those that
 * come and go have V8 look through its whole heap again and again.
 */
export class KeptBytes {
  readonly #pageBytes: number;
  #filling: Page | undefined;
  /** One that was let go as a whole. */
  #spare: Page | undefined;

  constructor(pageBytes: number) {
    this.#pageBytes = pageBytes;
  }

  /** It must not change. It may be part of something larger, which is not kept. */
  keep(content: Buffer): Kept {
    if (content.length * PARTS > this.#pageBytes) return new Alone(content);
    let page = this.#filling;
    if (page === undefined || page.roomBytes < content.length) {
      page = this.#spare ?? new Page(this.#pageBytes, (empty) => this.#onEmpty(empty));
      this.#spare = undefined;
      this.#filling = page;
    }
    return page.add(content);
  }

  /** Gives back the memory of pages that nothing is in. */
  trim(): void {
    this.#spare = undefined;
    if (this.#filling?.isEmpty) this.#filling = undefined;
  }

  #onEmpty(page: Page): void {
    page.clear();
    if (page !== this.#filling) this.#spare = page;
  }
}

/** One buffer that is kept. */
export interface Kept {
  readonly bytes: number;
  /** What was kept, which must not be changed. @throws {Error} it has been let go */
  read(): Buffer;
  /** Lets it go. Idempotent. */
  release(): void;
}

class Page {
  readonly #memory: Buffer;
  readonly #onEmpty: (page: Page) => void;
  #end = 0;
  #kept = 0;

  constructor(bytes: number, onEmpty: (page: Page) => void) {
    this.#memory = Buffer.allocUnsafeSlow(bytes);
    this.#onEmpty = onEmpty;
  }

  get isEmpty(): boolean {
    return this.#kept === 0;
  }

  get roomBytes(): number {
    return this.#memory.length - this.#end;
  }

  add(content: Buffer): Kept {
    const start = this.#end;
    this.#end += content.copy(this.#memory, start);
    this.#kept += 1;
    return new Part(this, start, content.length);
  }

  read(start: number, bytes: number): Buffer {
    return Buffer.from(this.#memory.subarray(start, start + bytes));
  }

  remove(): void {
    this.#kept -= 1;
    if (this.#kept === 0) this.#onEmpty(this);
  }

  clear(): void {
    this.#end = 0;
  }
}

class Part implements Kept {
  readonly bytes: number;
  readonly #start: number;
  #page: Page | undefined;

  constructor(page: Page, start: number, bytes: number) {
    this.#page = page;
    this.#start = start;
    this.bytes = bytes;
  }

  read(): Buffer {
    if (this.#page === undefined) throw new Error(LET_GO);
    return this.#page.read(this.#start, this.bytes);
  }

  release(): void {
    this.#page?.remove();
    this.#page = undefined;
  }
}

class Alone implements Kept {
  readonly bytes: number;
  #content: Buffer | undefined;

  constructor(content: Buffer) {
    this.bytes = content.length;
    this.#content = content.length < content.buffer.byteLength ? Buffer.from(content) : content;
  }

  read(): Buffer {
    if (this.#content === undefined) throw new Error(LET_GO);
    return this.#content;
  }

  release(): void {
    this.#content = undefined;
  }
}

const LET_GO = 'these bytes have been let go';
