import type { ChannelPort, ConsumeOptions, Delivery, Link } from '../connection/port.js';
import type { Attachment } from '../connection/attachment.js';
import { settleWithin } from '../connection/settle-within.js';
import { BrokerError, ConnectionError, TopologyError } from '../errors.js';
import { ChannelConsumer, type ConsumerMode } from './channel-consumer.js';
import { InFlight } from './in-flight.js';
import { LeftoverSearch } from './leftover-search.js';
import type { Settlement } from './outcome.js';
import { PauseSwitch } from './pause-switch.js';
import { QueueLifetime } from './queue-lifetime.js';
import { QueueNature } from './queue-nature.js';
import { QueueTopology } from './queue-topology.js';
import { StreamPosition } from './stream-position.js';
import type { SubscriptionOptions } from './subscription-options.js';

/** A broker that takes longer to answer does not keep us from the end: what comes meanwhile goes back with the channel. */
const ANSWER_LIMIT_MS = 2_000;

/** One consumed queue: its own channel, its own prefetch, its own deliveries in flight. */
export class Subscription implements Attachment {
  readonly queue: string;
  /** What is declared for it, run-time bindings included. */
  readonly topology: QueueTopology;
  readonly #options: SubscriptionOptions;
  readonly #inFlight = new InFlight();
  readonly #nature: QueueNature;
  readonly #position: StreamPosition;
  readonly #lifetime: QueueLifetime;
  readonly #pausing: PauseSwitch;
  readonly #search: LeftoverSearch;
  #consumer: ChannelConsumer | undefined;
  #restoring: Promise<void> | undefined;
  #draining: Promise<void> | undefined;
  #stopping: Promise<ChannelConsumer | undefined> | undefined;
  #isStopping = false;
  #hasStarted = false;
  #timesConsumed = 0;

  constructor(options: SubscriptionOptions) {
    this.queue = options.queue;
    this.#options = options;
    this.topology = new QueueTopology(options);
    const queue = options.topology.queues.find(({ name }) => name === options.queue);
    this.#nature = new QueueNature(queue);
    this.#position = new StreamPosition(this.#nature);
    this.#lifetime = new QueueLifetime(queue, this.#nature);
    this.#pausing = new PauseSwitch(options.queue, options.observer, options.isPaused ?? false);
    this.#search = new LeftoverSearch(options);
  }

  /** Deliveries whose handlers have not finished. */
  get inFlight(): number {
    return this.#inFlight.count;
  }

  /** The broker hands messages to its handlers. */
  get attached(): boolean {
    return !this.#isStopping && this.#consumer?.mode === 'consuming';
  }

  get paused(): boolean {
    return this.#pausing.isOn;
  }

  get prefetch(): number {
    return this.#options.prefetch;
  }

  async start(): Promise<void> {
    this.#hasStarted = true;
    try {
      await this.#options.supervisor.attach(this);
    } catch (error) {
      this.#pausing.endWaiting();
      throw error;
    }
  }

  /**
   * From now on nothing starts, also after reconnects; resolves when the broker hands out no more. What has come and not
   * started goes back; what runs goes on. Idempotent; never rejects.
   */
  async pause(): Promise<void> {
    this.#pausing.turn(true);
    // A channel that is gone brings no more.
    await this.#consumer?.adjust().catch(() => undefined);
    this.#pausing.tellPaused();
  }

  /**
   * Resolves when it consumes again, or is paused again, or stopped. Idempotent.
   * @throws {TopologyError} the broker refuses it, for example since the queue is gone; it is tried again all the same
   */
  async resume(): Promise<void> {
    this.#pausing.turn(false);
    await this.#consumer?.adjust().catch(() => undefined);
    if (this.attached || this.paused || this.#isStopping || !this.#hasStarted) return;
    await this.#pausing.untilResumed();
  }

  /** Declares and binds, on every new connection. */
  restore(link: Link): Promise<void> {
    this.#restoring = this.#restore(link).catch(this.#tellRefusal);
    return this.#restoring;
  }

  /** Consumes, once everything else of the connection is in place, too. */
  begin(): Promise<void> {
    this.#restoring = this.#begin().catch(this.#tellRefusal);
    return this.#restoring;
  }

  readonly #tellRefusal = (error: unknown): never => {
    if (isRefusal(error, this.#lifetime.isOurs)) this.#pausing.failWaiting(error);
    throw error;
  };

  async #restore(link: Link): Promise<void> {
    this.#forget();
    await this.topology.ensure();
    if (this.#isStopping) return;
    const channel = await link.openChannel();
    const consumer = this.#consumerOn(channel);
    this.#consumer = consumer;
    channel.onClosed((error) => this.#onChannelClosed(consumer, error));
    // Paused from the start on: what comes from now on is not left over.
    if (this.paused && !this.#search.hasLooked) await this.#search.look(channel, 0);
  }

  async #begin(): Promise<void> {
    const consumer = this.#consumer;
    // It has lost its channel meanwhile, and is put back, or is to stop.
    if (consumer === undefined) return;
    // A drain waits for this to end, and closes the channel.
    await consumer.adjust();
    this.#throwIfLost(consumer);
    this.#pausing.tellPaused();
  }

  #consumerOn(channel: ChannelPort): ChannelConsumer {
    const { queue, prefetch, leftovers } = this.#options;
    const consumer: ChannelConsumer = new ChannelConsumer({
      channel,
      queue,
      prefetch,
      nature: this.#nature,
      position: this.#position,
      visitEveryMs: this.#lifetime.visitEveryMs,
      wanted: () => this.#wanted,
      beforeConsuming: async (held) => {
        await this.#search.look(channel, held);
        return this.#consumeOptions;
      },
      onMode: (mode) => this.#onMode(consumer, mode),
      start: (delivery) => void this.#handle(consumer, delivery),
      onReturn: (delivery) => leftovers?.note(delivery),
      onCancelled: () => this.#onCancelled(consumer),
    });
    return consumer;
  }

  get #wanted(): ConsumerMode {
    if (this.#isStopping) return 'resting';
    if (!this.paused) return 'consuming';
    return this.#lifetime.whilePaused;
  }

  #onMode(consumer: ChannelConsumer, mode: ConsumerMode): void {
    if (mode !== 'consuming') return;
    const { queue, prefetch, observer } = this.#options;
    this.#timesConsumed += 1;
    this.#throwIfLost(consumer);
    observer({ kind: 'consumer.attached', queue, prefetch });
    this.#pausing.tellResumed();
  }

  #throwIfLost(consumer: ChannelConsumer): void {
    if (this.#consumer === consumer) return;
    const text = `the consumer of queue "${this.queue}" ended as soon as it began`;
    throw new ConnectionError('CONNECTION_LOST', text);
  }

  lost(): void {
    this.#forget();
  }

  /**
   * The broker may take our earlier connection for alive, and its consumer of a private queue with it, until heartbeats
   * have failed: the later consumer comes first.
   * @see https://www.rabbitmq.com/docs/consumer-priority
   */
  get #consumeOptions(): ConsumeOptions {
    const isAgain = this.#options.isPrivate === true && this.#timesConsumed > 0;
    return isAgain ? { arguments: { 'x-priority': this.#timesConsumed } } : {};
  }

  /** Stops consuming, returns what has not started, waits for what runs (at most `limitMs`), then closes the channel. */
  drain(limitMs: number): Promise<void> {
    this.#draining ??= this.#drain(limitMs);
    return this.#draining;
  }

  async #drain(limitMs: number): Promise<void> {
    const endMs = performance.now() + limitMs;
    const leftMs = (): number => Math.max(0, endMs - performance.now());
    const consumer = await this.stop(limitMs);
    await this.#finishRunning(leftMs());
    await consumer?.close();
  }

  /** Stops consuming, and returns what has not started; what runs goes on, on the channel of what this resolves with. */
  stop(limitMs: number): Promise<ChannelConsumer | undefined> {
    this.#isStopping = true;
    this.#stopping ??= this.#stop(limitMs);
    return this.#stopping;
  }

  async #stop(limitMs: number): Promise<ChannelConsumer | undefined> {
    const endMs = performance.now() + limitMs;
    this.#options.supervisor.detach(this);
    this.#pausing.endWaiting();
    // A consumer that is just being started must be stopped, too.
    if (this.#restoring) await settleWithin(this.#restoring, Math.min(limitMs, ANSWER_LIMIT_MS));
    const consumer = this.#consumer;
    const leftMs = Math.max(0, endMs - performance.now());
    // A peer that does not answer must not keep us; a channel that died meanwhile has no consumer to cancel.
    if (consumer) await settleWithin(consumer.adjust(), Math.min(leftMs, ANSWER_LIMIT_MS));
    consumer?.giveBack();
    return consumer;
  }

  async #finishRunning(limitMs: number): Promise<void> {
    const count = await this.#inFlight.untilIdle(limitMs);
    if (count === 0) return;
    const text = `queue "${this.queue}": ${count} handler(s) still run at the end of the drain timeout; their messages go back to the queue`;
    this.#options.observer({ kind: 'warning', text });
  }

  async #handle(consumer: ChannelConsumer, delivery: Delivery): Promise<void> {
    this.#inFlight.begin();
    this.#options.leftovers?.note(delivery);
    let settlement: Settlement = 'reject';
    try {
      settlement = await this.#options.handle(delivery);
    } catch (error) {
      const where = `handling a delivery of queue "${this.queue}"`;
      this.#options.observer({ kind: 'internal.failure', where, error });
    }
    try {
      // On the channel it came from.
      consumer.settle(delivery, settlement);
    } finally {
      this.#inFlight.end();
    }
  }

  /** The broker ended the consumer, for example because the queue was deleted: everything is put back. */
  #onCancelled(consumer: ChannelConsumer): void {
    if (this.#consumer !== consumer) return;
    this.topology.forgetQueue(this.queue);
    this.#recover(
      new ConnectionError('CONNECTION_LOST', `the broker cancelled the consumer of queue "${this.queue}"`),
    );
    void consumer.close();
  }

  #onChannelClosed(consumer: ChannelConsumer, error: Error | undefined): void {
    if (this.#consumer !== consumer || error === undefined) return;
    this.topology.forgetQueue(this.queue);
    this.#recover(error);
  }

  #recover(error: Error): void {
    this.#forget();
    if (this.#isStopping) return;
    this.#options.observer({ kind: 'consumer.lost', queue: this.queue, error });
    void this.#options.supervisor.reattach(this);
  }

  #forget(): void {
    this.#consumer?.drop();
    this.#consumer = undefined;
  }
}

/** A queue of ours may go with the consumers of others just before it is consumed; the next attempt declares it again. */
const isRefusal = (error: unknown, isOurs: boolean): boolean =>
  error instanceof TopologyError || (!isOurs && error instanceof BrokerError && error.amqpCode !== undefined);
