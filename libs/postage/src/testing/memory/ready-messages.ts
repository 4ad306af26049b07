import type { BrokerMessage } from './message.js';

/** A message in one queue. */
export interface QueuedMessage {
  readonly message: BrokerMessage;
  /** Its place in the queue, kept when it is put back. */
  readonly place: number;
  readonly priority: number;
  /** `Infinity`: never. */
  readonly expiresAtMs: number;
  /** How often it came back from a consumer. */
  returns: number;
}

// Below this many taken messages, moving the rest forward costs more than the memory is worth.
const COMPACT_FROM = 1024;

/** Messages of one priority in their order. */
class Lane {
  /** In order of arrival; those before `#head` have been taken. */
  #arrived: (QueuedMessage | undefined)[] = [];
  #head = 0;
  /** Put back, the next one last. Every one of them was taken from before the head of `#arrived`, so they go first. */
  readonly #returned: QueuedMessage[] = [];

  get length(): number {
    return this.#arrived.length - this.#head + this.#returned.length;
  }

  push(entry: QueuedMessage): void {
    this.#arrived.push(entry);
  }

  putBack(entry: QueuedMessage): void {
    let [low, high] = [0, this.#returned.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#returned[middle]?.place ?? 0) > entry.place) low = middle + 1;
      else high = middle;
    }
    this.#returned.splice(low, 0, entry);
  }

  peek(): QueuedMessage | undefined {
    return this.#returned.at(-1) ?? this.#arrived[this.#head];
  }

  shift(): QueuedMessage | undefined {
    if (this.#returned.length > 0) return this.#returned.pop();
    const first = this.#arrived[this.#head];
    if (first === undefined) return undefined;
    this.#arrived[this.#head] = undefined;
    this.#head += 1;
    if (
      this.#head === this.#arrived.length ||
      (this.#head >= COMPACT_FROM && this.#head * 2 > this.#arrived.length)
    ) {
      this.#arrived = this.#arrived.slice(this.#head);
      this.#head = 0;
    }
    return first;
  }

  *[Symbol.iterator](): Generator<QueuedMessage> {
    yield* this.#returned.toReversed();
    for (const entry of this.#arrived) if (entry !== undefined) yield entry;
  }
}

/** What a queue has for its consumers: by priority, then by place. */
export class ReadyMessages {
  /** Highest priority first. */
  readonly #lanes: readonly Lane[];
  length = 0;
  bytes = 0;

  constructor(maxPriority: number) {
    this.#lanes = Array.from({ length: maxPriority + 1 }, () => new Lane());
  }

  push(entry: QueuedMessage): void {
    this.#add(entry);
    this.#laneOf(entry)?.push(entry);
  }

  /** Back to where it was taken from. */
  putBack(entry: QueuedMessage): void {
    this.#add(entry);
    this.#laneOf(entry)?.putBack(entry);
  }

  peek(): QueuedMessage | undefined {
    for (const lane of this.#lanes) if (lane.length > 0) return lane.peek();
    return undefined;
  }

  shift(): QueuedMessage | undefined {
    const entry = this.#lanes.find((lane) => lane.length > 0)?.shift();
    if (entry === undefined) return undefined;
    this.length -= 1;
    this.bytes -= entry.message.content.length;
    return entry;
  }

  *[Symbol.iterator](): Generator<QueuedMessage> {
    for (const lane of this.#lanes) yield* lane;
  }

  #add({ message }: QueuedMessage): void {
    this.length += 1;
    this.bytes += message.content.length;
  }

  #laneOf({ priority }: QueuedMessage): Lane | undefined {
    return this.#lanes[this.#lanes.length - 1 - priority];
  }
}
