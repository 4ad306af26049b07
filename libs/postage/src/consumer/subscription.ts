import type { Declarations } from '../connection/declarations.js';
import type { ChannelPort, ConsumeOptions, Delivery, Link } from '../connection/port.js';
import type { Attachment } from '../connection/attachment.js';
import type { Supervisor } from '../connection/supervisor.js';
import { settleWithin } from '../connection/settle-within.js';
import { BrokerError, ConnectionError } from '../errors.js';
import type { Observer } from '../observability/observer.js';
import { explainConsuming } from '../topology/refusal-access.js';
import type { Binding, Topology } from '../topology/types.js';
import { InFlight } from './in-flight.js';
import type { QueueLeftovers } from './leftovers.js';
import { LiveTopology } from './live-topology.js';
import type { Settlement } from './outcome.js';

/** Of a run-time binding, where connection after connection goes away under it. */
const MAX_ATTEMPTS = 5;

export interface SubscriptionOptions {
  readonly queue: string;
  /** Declared before the queue is consumed; bindings may be added at run time. */
  readonly topology: Topology;
  readonly prefetch: number;
  readonly supervisor: Supervisor;
  readonly declarations: Declarations;
  readonly observer: Observer;
  /** Handles one delivery and says how to settle it; must not reject. */
  readonly handle: (delivery: Delivery) => Promise<Settlement>;
  /** Only this process consumes it, although it is not exclusive. */
  readonly isPrivate?: boolean | undefined;
  /** Where somebody wants to know what waited in the queue before the first consumer of this process. */
  readonly leftovers?: QueueLeftovers | undefined;
}

/** One consumed queue: its own channel, its own prefetch, its own deliveries in flight. */
export class Subscription implements Attachment {
  readonly queue: string;
  readonly #options: SubscriptionOptions;
  readonly #inFlight = new InFlight();
  readonly #topology: LiveTopology;
  #channel: ChannelPort | undefined;
  #consumerTag: string | undefined;
  #restoring: Promise<void> | undefined;
  #draining: Promise<void> | undefined;
  #stopping: Promise<ChannelPort | undefined> | undefined;
  #timesConsumed = 0;
  /** Came while draining: returned to the queue once there is no consumer any more. */
  readonly #unstarted: Delivery[] = [];

  constructor(options: SubscriptionOptions) {
    this.queue = options.queue;
    this.#options = options;
    this.#topology = new LiveTopology(options.topology);
  }

  /** Deliveries whose handlers have not finished. */
  get inFlight(): number {
    return this.#inFlight.count;
  }

  get attached(): boolean {
    return this.#consumerTag !== undefined;
  }

  /** What is declared for it, run-time bindings included. */
  get topology(): Topology {
    return this.#topology.whole;
  }

  start(): Promise<void> {
    return this.#options.supervisor.attach(this);
  }

  /** Declare, bind, qos, consume: all of it, on every new connection. */
  restore(link: Link): Promise<void> {
    this.#restoring = this.#restore(link);
    return this.#restoring;
  }

  async #restore(link: Link): Promise<void> {
    const { declarations, prefetch, observer, queue } = this.#options;
    this.#forget();
    await declarations.ensure(this.#topology.whole);
    if (this.#stopping) return;
    const channel = await link.openChannel();
    this.#channel = channel;
    channel.onClosed((error) => this.#onChannelClosed(channel, error));
    await channel.prefetch(prefetch);
    // A drain waits for this to end, and closes the channel.
    if (this.#stopping) return;
    await this.#lookForLeftovers(channel);
    const onDelivery = (delivery: Delivery | null): void => this.#onDelivery(channel, delivery);
    const consumerTag = await channel.consume(queue, onDelivery, this.#consumeOptions).catch(explainOrThrow);
    this.#timesConsumed += 1;
    if (this.#channel !== channel) {
      throw new ConnectionError(
        'CONNECTION_LOST',
        `the consumer of queue "${queue}" ended as soon as it began`,
      );
    }
    this.#consumerTag = consumerTag;
    observer({ kind: 'consumer.attached', queue, prefetch });
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

  async #lookForLeftovers(channel: ChannelPort): Promise<void> {
    const { leftovers, queue, isPrivate, observer } = this.#options;
    if (leftovers === undefined) return;
    const status = await channel.checkQueue(queue);
    leftovers.found(status, this.#timesConsumed > 0);
    if (isPrivate !== true || this.#timesConsumed > 0 || status.consumerCount === 0) return;
    const text = `another process consumes "${queue}", the queue of this process alone: each of them gets only some of the messages. Give them different hosts or process ids in their fingerprints`;
    observer({ kind: 'warning', text });
  }

  /**
   * Adds what a run-time binding needs, now and after every reconnect.
   * @throws {InvalidOptionError} it contradicts what is there
   * @throws {TopologyError} the broker refused it
   */
  async extend(topology: Topology): Promise<void> {
    const takeBack = this.#topology.add(topology);
    try {
      await this.#whenConnected(() => this.#options.declarations.ensure(this.#topology.whole));
    } catch (error) {
      takeBack();
      throw error;
    }
  }

  async removeBinding(unwanted: Binding): Promise<void> {
    this.#topology.remove(unwanted);
    await this.#whenConnected(() => this.#options.declarations.unbind(unwanted));
  }

  /** Does something at the broker; when the connection goes away meanwhile, on the next one. */
  async #whenConnected(operation: () => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      await this.#options.supervisor.ready();
      try {
        return await operation();
      } catch (error) {
        if (!isPassing(error) || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  /** Stops consuming, returns what has not started, waits for what runs (at most `limitMs`), then closes the channel. */
  drain(limitMs: number): Promise<void> {
    this.#draining ??= this.#drain(limitMs);
    return this.#draining;
  }

  async #drain(limitMs: number): Promise<void> {
    const endMs = performance.now() + limitMs;
    const leftMs = (): number => Math.max(0, endMs - performance.now());
    const channel = await this.stop(limitMs);
    await this.#finishRunning(leftMs());
    await channel?.close();
  }

  /** Stops consuming, and returns what has not started; what runs goes on, on the channel that this resolves with. */
  stop(limitMs: number): Promise<ChannelPort | undefined> {
    this.#stopping ??= this.#stop(limitMs);
    return this.#stopping;
  }

  async #stop(limitMs: number): Promise<ChannelPort | undefined> {
    const endMs = performance.now() + limitMs;
    this.#options.supervisor.detach(this);
    // A consumer that is just being started must be stopped, too.
    if (this.#restoring) await settleWithin(this.#restoring, limitMs);
    const channel = this.#channel;
    const consumerTag = this.#consumerTag;
    this.#consumerTag = undefined;
    const leftMs = Math.max(0, endMs - performance.now());
    // A peer that does not answer must not keep us; a channel that died meanwhile has no consumer to cancel.
    if (channel && consumerTag !== undefined) await settleWithin(channel.cancel(consumerTag), leftMs);
    // Not before: as long as there is a consumer, the broker would hand them out again and again.
    for (const { deliveryTag } of this.#unstarted.splice(0)) channel?.reject(deliveryTag, true);
    return channel;
  }

  async #finishRunning(limitMs: number): Promise<void> {
    const count = await this.#inFlight.untilIdle(limitMs);
    if (count === 0) return;
    const text = `queue "${this.queue}": ${count} handler(s) still run at the end of the drain timeout; their messages go back to the queue`;
    this.#options.observer({ kind: 'warning', text });
  }

  #onDelivery(channel: ChannelPort, delivery: Delivery | null): void {
    if (delivery === null) return this.#onCancelled(channel);
    if (this.#stopping) {
      this.#unstarted.push(delivery);
      return;
    }
    void this.#handle(channel, delivery);
  }

  async #handle(channel: ChannelPort, delivery: Delivery): Promise<void> {
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
      settle(channel, delivery, settlement);
    } finally {
      this.#inFlight.end();
    }
  }

  /** The broker ended the consumer, for example because the queue was deleted: everything is put back. */
  #onCancelled(channel: ChannelPort): void {
    if (this.#channel !== channel) return;
    this.#options.declarations.forgetQueue(this.queue);
    this.#recover(
      new ConnectionError('CONNECTION_LOST', `the broker cancelled the consumer of queue "${this.queue}"`),
    );
    void channel.close();
  }

  #onChannelClosed(channel: ChannelPort, error: Error | undefined): void {
    if (this.#channel !== channel || error === undefined) return;
    this.#options.declarations.forgetQueue(this.queue);
    this.#recover(error);
  }

  #recover(error: Error): void {
    this.#forget();
    if (this.#stopping) return;
    this.#options.observer({ kind: 'consumer.lost', queue: this.queue, error });
    void this.#options.supervisor.reattach(this);
  }

  #forget(): void {
    this.#channel = undefined;
    this.#consumerTag = undefined;
  }
}

/** A right that is missing is a reason for the start to fail: it would be refused again and again. */
const explainOrThrow = (error: unknown): never => {
  throw explainConsuming(error) ?? error;
};

/** The connection went away: a broker that refuses says so with a code. */
const isPassing = (error: unknown): boolean =>
  (error instanceof ConnectionError && !error.permanent) ||
  (error instanceof BrokerError && error.amqpCode === undefined);

/** On the channel it came from: after a reconnect the broker has redelivered it, and this is a no-op. */
const settle = (channel: ChannelPort, { deliveryTag }: Delivery, settlement: Settlement): void => {
  if (!channel.isOpen) return;
  if (settlement === 'ack') channel.ack(deliveryTag, false);
  else channel.reject(deliveryTag, settlement === 'requeue');
};
