import { explainConsuming } from '../topology/refusal-access.js';
import type { ChannelPort, ConsumeOptions, Delivery } from '../connection/port.js';
import { ConnectionError } from '../errors.js';
import { AckBatch } from './ack-batch.js';
import { Intake } from './intake.js';
import type { Settlement } from './outcome.js';
import type { PausedMode } from './queue-lifetime.js';
import type { QueueNature } from './queue-nature.js';
import type { StreamPosition } from './stream-position.js';

/**
 * - `consuming`: what comes is handled.
 * - `keeping`: nothing is handled, but a consumer stays, since the queue would end without.
 * - `visiting`: nothing is handled, but a consumer comes and goes, since the queue would expire without.
 * - `resting`: there is no consumer.
 */
export type ConsumerMode = 'consuming' | PausedMode;

export interface ChannelConsumerOptions {
  readonly channel: ChannelPort;
  readonly queue: string;
  readonly prefetch: number;
  /** Learns from what comes. */
  readonly nature: QueueNature;
  /** Outlives the channel. */
  readonly position: StreamPosition;
  /** How often a visitor comes. */
  readonly visitEveryMs: number;
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
  #visiting: NodeJS.Timeout | undefined;

  constructor(options: ChannelConsumerOptions) {
    const { channel, prefetch, wanted } = options;
    this.channel = channel;
    this.#options = options;
    this.#acks = new AckBatch({ channel, prefetch });
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
      if (this.#mode === 'consuming') this.#options.onReturn(delivery);
      this.#acks.settle(delivery.deliveryTag, this.#options.position.returned(delivery));
    }
  }

  /** One that was started is done with. After a reconnect, when the broker delivers it again, nothing is written. */
  settle(delivery: Delivery, settlement: Settlement): void {
    try {
      this.#acks.settle(delivery.deliveryTag, this.#options.position.settled(delivery, settlement));
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
    this.#options.position.lost();
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
    if (mode === 'visiting') await this.#visit();
    this.#options.onMode(mode);
  }

  /** Comes and goes: from then on the broker counts the time without use anew. What it is handed meanwhile goes back at once. */
  async #visit(): Promise<void> {
    await this.channel.prefetch(1);
    await this.channel.cancel(await this.#consume(this.#onDelivery, KEEPING));
    this.giveBack();
    this.#visiting = setTimeout(() => this.#visitAgain(), this.#options.visitEveryMs).unref();
  }

  /** In its turn, and not if that has brought another mode. A channel that is gone is told to others. */
  #visitAgain(): void {
    const visit = async (): Promise<void> => {
      if (this.#mode === 'visiting' && this.channel.isOpen) await this.#visit();
    };
    this.#last = this.#last.then(visit).catch(() => undefined);
  }

  async #consumerFor(mode: ConsumerMode): Promise<string | undefined> {
    if (mode === 'resting' || mode === 'visiting') return undefined;
    const { prefetch, beforeConsuming, position } = this.#options;
    const isConsuming = mode === 'consuming';
    await this.channel.prefetch(isConsuming ? prefetch : 1);
    const options = isConsuming ? await beforeConsuming(this.#intake.waiting) : KEEPING;
    const listener = isConsuming ? this.#onDelivery : this.#onKept;
    return this.#consume(listener, position.begin(options));
  }

  /** A right that is missing is a reason for the start to fail: it would be refused again and again. */
  #consume(listener: (delivery: Delivery | null) => void, options: ConsumeOptions): Promise<string> {
    const { queue, nature } = this.#options;
    return this.channel.consume(queue, listener, options).catch((error: unknown) => {
      if (!nature.refused(error)) throw explainConsuming(error) ?? error;
      // Nothing has come yet: there is nothing to lose with the channel. The next one knows better.
      throw new ConnectionError('CONNECTION_LOST', `queue "${queue}" is a stream`, { cause: error });
    });
  }

  readonly #onDelivery = (delivery: Delivery | null): void => {
    if (delivery === null) return this.#options.onCancelled();
    this.#options.position.came(delivery);
    this.#acks.delivered(delivery.deliveryTag);
    this.#intake.add(delivery);
  };

  /** It waits here, so that it is the first when the queue is resumed soon. */
  readonly #onKept = (delivery: Delivery | null): void => {
    if (delivery !== null) this.#options.nature.sawAgain(delivery);
    this.#onDelivery(delivery);
    // It has told what the queue is: perhaps one that needs no consumer.
    if (this.#mode === 'keeping' && this.#options.wanted() !== 'keeping')
      void this.adjust().catch(() => undefined);
    this.#keeping ??= setTimeout(() => {
      this.#stopKeeping();
      if (this.#mode === 'keeping') this.giveBack();
    }, KEEP_MS).unref();
  };

  #stopKeeping(): void {
    clearTimeout(this.#keeping);
    clearTimeout(this.#visiting);
    this.#keeping = undefined;
  }
}
