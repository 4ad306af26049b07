import type { ChannelPort } from '../connection/port.js';
import type { Settlement } from './outcome.js';

export interface AckBatchOptions {
  readonly channel: Pick<ChannelPort, 'isOpen' | 'ack' | 'reject'>;
  /** How many the broker hands out before it waits for acks. */
  readonly prefetch: number;
  /** Calls back at the end of the present turn of the event loop. @default setImmediate */
  readonly atEndOfTurn?: ((flush: () => void) => void) | undefined;
}

/** No ack waits longer than that, in milliseconds. */
const MAX_DELAY_MS = 5;
/** Of the prefetch, so many acks may wait. */
const WAITING_SHARE = 0.25;
/** And never more acks. */
const MAX_WAITING = 64;

/**
 * Settles the deliveries of one channel. An ack waits for further ones, a few milliseconds or until enough have come for the
 * broker to notice, and at least until the end of the turn of the event loop; those with nothing unsettled before them then
 * travel as one. No ack waits for a delivery that is still being handled.
 *
 * What it costs: a process that is killed has the messages of these milliseconds handled again, by others.
 * @see https://www.rabbitmq.com/docs/confirms#consumer-acks-multiple-parameter
 */
export class AckBatch {
  readonly #channel: AckBatchOptions['channel'];
  readonly #atEndOfTurn: (flush: () => void) => void;
  readonly #prefetch: number;
  /** So many are sent at the end of the turn. */
  readonly #enough: number;
  /** Delivered and not settled, in the order of their tags. At most as many as the channel's prefetch lets in. */
  readonly #outstanding = new Set<number>();
  /** Settled, and their acks not written. */
  #pending: number[] = [];
  /** For the end of the turn. */
  #isScheduled = false;
  #timer: NodeJS.Timeout | undefined;

  constructor({ channel, prefetch, atEndOfTurn = setImmediate }: AckBatchOptions) {
    this.#channel = channel;
    this.#atEndOfTurn = atEndOfTurn;
    this.#prefetch = prefetch;
    this.#enough = Math.max(1, Math.min(Math.floor(prefetch * WAITING_SHARE), MAX_WAITING));
  }

  /** To be told of every delivery when it comes: no ack of a later one may cover it. */
  delivered(deliveryTag: number): void {
    this.#outstanding.add(deliveryTag);
  }

  /** Once for each delivery; on a channel that is gone it does nothing, since the broker delivers the message again. */
  settle(deliveryTag: number, settlement: Settlement): void {
    if (!this.#outstanding.delete(deliveryTag) || !this.#channel.isOpen) return;
    if (settlement === 'ack') {
      this.#pending.push(deliveryTag);
      this.#schedule();
      // At once: a later ack that covers it must come behind it.
    } else this.#channel.reject(deliveryTag, settlement === 'requeue');
  }

  /** Writes what waits: before the channel is closed. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const pending = this.#pending;
    if (pending.length === 0) return;
    this.#pending = [];
    if (!this.#channel.isOpen) return;
    const [firstOutstanding = Infinity] = this.#outstanding;
    this.#ackPrefix(pending, firstOutstanding);
    for (const tag of pending) if (tag > firstOutstanding) this.#channel.ack(tag, false);
  }

  /** Everything below has been settled: rejected, acked before, or is acked now. */
  #ackPrefix(pending: readonly number[], end: number): void {
    let count = 0;
    // The broker refuses a tag that it does not wait for, also where it stands for others: the last one of ours.
    let last = 0;
    for (const tag of pending) {
      if (tag > end) continue;
      count += 1;
      if (tag > last) last = tag;
    }
    if (count > 0) this.#channel.ack(last, count > 1);
  }

  #schedule(): void {
    if (this.#mayWait) this.#timer ??= setTimeout(this.#onTime, MAX_DELAY_MS);
    else if (!this.#isScheduled) {
      this.#isScheduled = true;
      this.#atEndOfTurn(this.#onEndOfTurn);
    }
  }

  /** Not where the broker can hand out nothing more until it hears of them. */
  get #mayWait(): boolean {
    const waiting = this.#pending.length;
    return waiting < this.#enough && waiting + this.#outstanding.size < this.#prefetch;
  }

  readonly #onTime = (): void => {
    this.flush();
  };

  readonly #onEndOfTurn = (): void => {
    this.#isScheduled = false;
    this.flush();
  };
}
