import type { ChannelPort } from './port.js';

/** Sent and neither confirmed nor refused, at most: a broker that takes messages and confirms none must not fill our memory. */
const MAX_UNCONFIRMED = 8_192;
const MAX_UNCONFIRMED_BYTES = 64 * 1024 * 1024;

export interface LaneChannel {
  readonly channel: ChannelPort;
  /** Other exchanges use it, too. */
  readonly isShared: boolean;
}

/** A channel as one lane uses it, and how much of it is on its way there. */
export class PublishTrack implements LaneChannel {
  readonly channel: ChannelPort;
  readonly isShared: boolean;
  /** The broker has confirmed something on it: the exchange was there. */
  hasConfirmed = false;
  /** The socket has enough to write. */
  isFull = false;
  #unconfirmed = 0;
  #unconfirmedBytes = 0;

  constructor({ channel, isShared }: LaneChannel) {
    this.channel = channel;
    this.isShared = isShared;
  }

  get unconfirmed(): number {
    return this.#unconfirmed;
  }

  /** The socket, or the broker, has enough of us. */
  get isExhausted(): boolean {
    return this.isFull || this.#isCrowded;
  }

  onSent(bytes: number): void {
    this.#unconfirmed += 1;
    this.#unconfirmedBytes += bytes;
  }

  /** Whether it has room again for others. */
  onConfirmed(bytes: number): boolean {
    const wasCrowded = this.#isCrowded;
    this.#unconfirmed -= 1;
    this.#unconfirmedBytes -= bytes;
    return wasCrowded && !this.#isCrowded;
  }

  get #isCrowded(): boolean {
    return this.#unconfirmed >= MAX_UNCONFIRMED || this.#unconfirmedBytes >= MAX_UNCONFIRMED_BYTES;
  }
}
