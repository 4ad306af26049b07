import { explainConsuming } from '../topology/refusal-access.js';
import type { ChannelPort, ConsumeOptions, Delivery } from '../connection/port.js';
import { AckBatch } from './ack-batch.js';
import { Intake } from './intake.js';
import type { Settlement } from './outcome.js';

/**
 * - `consuming`: what comes is handled.
 * - `keeping`: nothing is handled, but a consumer stays, since the queue would end without.
 * - `resting`: there is no consumer.
 */
export type ConsumerMode = 'consuming' | 'keeping' | 'resting';

export interface ChannelConsumerOptions {
  readonly channel: ChannelPort;
  readonly queue: string;
  readonly prefetch: number;
  /** What a consumer gets that only keeps the queue, it gives back after a while. */
  readonly returnsKept: boolean;
  /** As it is at the moment of the question. */
  readonly wanted: () => ConsumerMode;
  /** Just before it consumes; `held` messages have been delivered here and not started. */
  readonly beforeConsuming: (held: number) => Promise<ConsumeOptions>;
  /** It has come into that mode; what this throws makes the change a failure. */
  readonly onMode: (mode: ConsumerMode) => void;
  /** Begins to handle it; `settle` is to be called when that is over. */
  readonly start: (delivery: Delivery) => void;
  /** It goes back without having started. */
  readonly onReturn: (delivery: Delivery) => void;
  /** The broker has ended the consumer. */
  readonly onCancelled: () => void;
}

/** All other consumers of the queue come before one that only keeps it. */
const KEEPING = { arguments: { 'x-priority': -1_000 } } as const satisfies ConsumeOptions;
/** Others may be free by then, it may have expired, and RabbitMQ ends a channel that keeps a message for very long. */
const KEEP_MS = 1_000;

/**
 * The consumer of one queue on one channel, which may be paused and resumed any number of times: what runs meanwhile is
 * settled on the same channel. All changes are made one after the other, and each brings about what is wanted by then.
 */
export class ChannelConsumer {
  readonly channel: ChannelPort;
  readonly #options: ChannelConsumerOptions;
  readonly #intake: Intake;
  readonly #acks: AckBatch;
  #mode: ConsumerMode = 'resting';
  #consumerTag: string | undefined;
  #last: Promise<void> = Promise.resolve();
  #keeping: NodeJS.Timeout | undefined;

  constructor(options: ChannelConsumerOptions) {
    const { channel, prefetch, wanted } = options;
    this.channel = channel;
    this.#options = options;
    this.#acks = new AckBatch({ channel });
    this.#intake = new Intake({
      limit: prefetch,
      mayStart: () => channel.isOpen && wanted() === 'consuming',
      start: options.start,
    });
  }

  get mode(): ConsumerMode {
    return this.#mode;
  }

  /** Brings it into the mode that is wanted when its turn comes. @throws {BrokerError} the channel is gone */
  adjust(): Promise<void> {
    const turn = this.#last.then(() => this.#become(this.#options.wanted()));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /** What has come and not started goes back to the queue. Not as long as it consumes: the broker would hand it out again. */
  giveBack(): void {
    for (const delivery of this.#intake.takeWaiting()) {
      if (this.#mode !== 'keeping') this.#options.onReturn(delivery);
      this.#acks.settle(delivery.deliveryTag, 'requeue');
    }
  }

  /** One that was started is done with. After a reconnect, when the broker delivers it again, nothing is written. */
  settle({ deliveryTag }: Delivery, settlement: Settlement): void {
    try {
      this.#acks.settle(deliveryTag, settlement);
    } finally {
      this.#intake.ended();
    }
  }

  /** Writes the acks that wait, and closes the channel. Never rejects. */
  async close(): Promise<void> {
    this.#acks.flush();
    await this.channel.close();
  }

  /** The channel is gone, and with it all that has not started. */
  drop(): void {
    this.#stopKeeping();
    this.#intake.takeWaiting();
  }

  async #become(mode: ConsumerMode): Promise<void> {
    if (mode !== this.#mode) await this.#change(mode);
    if (mode === 'consuming') this.#intake.startWaiting();
  }

  async #change(mode: ConsumerMode): Promise<void> {
    const before = this.#consumerTag;
    // First the new consumer: without any the queue might be gone.
    this.#consumerTag = await this.#consumerFor(mode);
    if (before !== undefined) await this.channel.cancel(before);
    this.#stopKeeping();
    // As long as it consumed: what came then has been seen.
    if (mode !== 'consuming') this.giveBack();
    this.#mode = mode;
    this.#options.onMode(mode);
  }

  async #consumerFor(mode: ConsumerMode): Promise<string | undefined> {
    if (mode === 'resting') return undefined;
    const { queue, prefetch, beforeConsuming } = this.#options;
    const isConsuming = mode === 'consuming';
    await this.channel.prefetch(isConsuming ? prefetch : 1);
    const options = isConsuming ? await beforeConsuming(this.#intake.waiting) : KEEPING;
    const listener = isConsuming ? this.#onDelivery : this.#onKept;
    return this.channel.consume(queue, listener, options).catch(explainOrThrow);
  }

  readonly #onDelivery = (delivery: Delivery | null): void => {
    if (delivery === null) return this.#options.onCancelled();
    this.#acks.delivered(delivery.deliveryTag);
    this.#intake.add(delivery);
  };

  /** It waits here, so that it is the first when the queue is resumed soon. */
  readonly #onKept = (delivery: Delivery | null): void => {
    this.#onDelivery(delivery);
    if (!this.#options.returnsKept) return;
    this.#keeping ??= setTimeout(() => {
      this.#stopKeeping();
      if (this.#mode === 'keeping') this.giveBack();
    }, KEEP_MS).unref();
  };

  #stopKeeping(): void {
    clearTimeout(this.#keeping);
    this.#keeping = undefined;
  }
}

/** A right that is missing is a reason for the start to fail: it would be refused again and again. */
const explainOrThrow = (error: unknown): never => {
  throw explainConsuming(error) ?? error;
};
