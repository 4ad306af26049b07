import type { MemoryQueue } from './memory-queue.js';
import type { QueuedMessage } from './ready-messages.js';

/** A consumer as its queue sees it. */
export interface Consumer {
  readonly tag: string;
  readonly queue: MemoryQueue;
  readonly noAck: boolean;
  readonly exclusive: boolean;
  /** 0: no limit. */
  readonly prefetch: number;
  readonly priority: number;
  /** Delivered and not settled. */
  unacked: number;
  deliver(entry: QueuedMessage): void;
  /** The broker ends it: its queue is gone. */
  cancelled(): void;
}

const hasCredit = ({ prefetch, unacked }: Consumer): boolean => prefetch === 0 || unacked < prefetch;

/** The consumers of one queue and whose turn it is: by priority, and in turn among equals. */
export class Consumers {
  readonly #all = new Set<Consumer>();
  /** In the order of their turns. One without credit leaves the line when its turn comes. */
  readonly #line: Consumer[] = [];
  readonly #waiting = new Set<Consumer>();
  readonly #singleActive: boolean;

  constructor(singleActive: boolean) {
    this.#singleActive = singleActive;
  }

  get size(): number {
    return this.#all.size;
  }

  get exclusive(): boolean {
    for (const { exclusive } of this.#all) if (exclusive) return true;
    return false;
  }

  add(consumer: Consumer): void {
    this.#all.add(consumer);
    this.#enqueue(consumer);
  }

  remove(consumer: Consumer): boolean {
    this.#waiting.delete(consumer);
    const index = this.#line.indexOf(consumer);
    if (index >= 0) this.#line.splice(index, 1);
    return this.#all.delete(consumer);
  }

  /** The one whose turn it is, which then goes to the end of the line. */
  next(): Consumer | undefined {
    if (this.#singleActive) {
      const [active] = this.#all;
      return active !== undefined && hasCredit(active) ? active : undefined;
    }
    for (let first = this.#line.shift(); first !== undefined; first = this.#line.shift()) {
      if (hasCredit(first)) {
        this.#enqueue(first);
        return first;
      }
      this.#waiting.add(first);
    }
    return undefined;
  }

  /** A consumer has settled something: it may have credit again. */
  settled(consumer: Consumer): void {
    if (hasCredit(consumer) && this.#waiting.delete(consumer)) this.#enqueue(consumer);
  }

  *[Symbol.iterator](): Generator<Consumer> {
    yield* this.#all;
  }

  #enqueue(consumer: Consumer): void {
    const last = this.#line.at(-1);
    if (last === undefined || last.priority >= consumer.priority) {
      this.#line.push(consumer);
      return;
    }
    const index = this.#line.findIndex(({ priority }) => priority < consumer.priority);
    this.#line.splice(index, 0, consumer);
  }
}
