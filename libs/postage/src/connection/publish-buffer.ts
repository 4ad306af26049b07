import type { PublishingPolicy } from './publish-policy.js';

/** How much waits to be sent, all exchanges together, and whether more may. */
export class PublishBuffer {
  readonly #policy: PublishingPolicy;
  #count = 0;
  #bytes = 0;

  constructor(policy: PublishingPolicy) {
    this.#policy = policy;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** A message that is larger than the whole buffer may wait alone: it could never be sent otherwise. */
  hasRoomFor(bytes: number): boolean {
    if (this.#count === 0) return true;
    const { maxWaiting, maxWaitingBytes } = this.#policy;
    return this.#count < maxWaiting && this.#bytes + bytes <= maxWaitingBytes;
  }

  add(bytes: number): void {
    this.#count += 1;
    this.#bytes += bytes;
  }

  remove(bytes: number): void {
    this.#count -= 1;
    this.#bytes -= bytes;
  }
}
