import type { Declarations } from '../connection/declarations.js';
import type { ChannelPort, Delivery, Link } from '../connection/port.js';
import type { Attachment } from '../connection/attachment.js';
import type { Supervisor } from '../connection/supervisor.js';
import { ConnectionError } from '../errors.js';
import type { Observer } from '../observability/observer.js';
import type { Binding, Topology } from '../topology/types.js';
import type { Settlement } from './outcome.js';

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
}

/** One consumed queue: its own channel, its own prefetch, its own deliveries in flight. */
export class Subscription implements Attachment {
  readonly queue: string;
  readonly #options: SubscriptionOptions;
  readonly #inFlight = new Set<Promise<void>>();
  #topology: Topology;
  #channel: ChannelPort | undefined;
  #consumerTag: string | undefined;
  #draining: Promise<void> | undefined;

  constructor(options: SubscriptionOptions) {
    this.queue = options.queue;
    this.#options = options;
    this.#topology = options.topology;
  }

  /** Deliveries whose handlers have not finished. */
  get inFlight(): number {
    return this.#inFlight.size;
  }

  get attached(): boolean {
    return this.#consumerTag !== undefined;
  }

  get bindings(): readonly Binding[] {
    return this.#topology.bindings;
  }

  start(): Promise<void> {
    return this.#options.supervisor.attach(this);
  }

  /** Declare, bind, qos, consume: all of it, on every new connection. */
  async restore(link: Link): Promise<void> {
    const { declarations, prefetch, observer, queue } = this.#options;
    this.#forget();
    await declarations.ensure(this.#topology);
    const channel = await link.openChannel();
    this.#channel = channel;
    channel.onClosed((error) => this.#onChannelClosed(channel, error));
    await channel.prefetch(prefetch);
    this.#consumerTag = await channel.consume(queue, (delivery) => this.#onDelivery(channel, delivery));
    observer({ kind: 'consumer.attached', queue, prefetch });
  }

  lost(): void {
    this.#forget();
  }

  /** Adds what a run-time binding needs, now and after every reconnect. */
  async extend(topology: Topology): Promise<void> {
    const before = this.#topology;
    this.#topology = {
      exchanges: [...before.exchanges, ...topology.exchanges],
      queues: before.queues,
      bindings: [...before.bindings, ...topology.bindings],
    };
    try {
      await this.#options.supervisor.ready();
      await this.#options.declarations.ensure(this.#topology);
    } catch (error) {
      if (!(error instanceof ConnectionError) || error.permanent) {
        this.#topology = before;
        throw error;
      }
      // The connection went away meanwhile; with the next one `restore` declares it.
      await this.#options.supervisor.ready();
    }
  }

  async removeBinding(unwanted: Binding): Promise<void> {
    const rest = this.#topology.bindings.filter((binding) => !sameBinding(binding, unwanted));
    this.#topology = { ...this.#topology, bindings: rest };
    await this.#options.declarations.unbind(unwanted);
  }

  /** Stops consuming, returns what has not started, waits for what runs (at most `limitMs`), then closes the channel. */
  drain(limitMs: number): Promise<void> {
    this.#draining ??= this.#drain(limitMs);
    return this.#draining;
  }

  async #drain(limitMs: number): Promise<void> {
    this.#options.supervisor.detach(this);
    const channel = this.#channel;
    const consumerTag = this.#consumerTag;
    this.#consumerTag = undefined;
    // A channel that died meanwhile has no consumer to cancel.
    if (consumerTag !== undefined) await channel?.cancel(consumerTag).catch(() => undefined);
    await this.#finishRunning(limitMs);
    await channel?.close();
  }

  async #finishRunning(limitMs: number): Promise<void> {
    if (this.#inFlight.size === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<'late'>((resolve) => {
      timer = setTimeout(resolve, limitMs, 'late');
    });
    const result = await Promise.race([Promise.all(this.#inFlight), limit]);
    clearTimeout(timer);
    if (result === 'late') {
      const text = `queue "${this.queue}": ${this.#inFlight.size} handler(s) still ran after ${limitMs} ms; their messages go back to the queue`;
      this.#options.observer({ kind: 'warning', text });
    }
  }

  #onDelivery(channel: ChannelPort, delivery: Delivery | null): void {
    if (delivery === null) return this.#onCancelled(channel);
    if (this.#draining) return channel.reject(delivery.deliveryTag, true);
    const work = this.#options.handle(delivery).then(
      (settlement) => settle(channel, delivery, settlement),
      (error: unknown) => {
        this.#options.observer({
          kind: 'internal.failure',
          where: `handling a delivery of queue "${this.queue}"`,
          error,
        });
        settle(channel, delivery, 'reject');
      },
    );
    this.#inFlight.add(work);
    void work.finally(() => this.#inFlight.delete(work));
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
    if (this.#draining) return;
    this.#options.observer({ kind: 'consumer.lost', queue: this.queue, error });
    void this.#options.supervisor.reattach(this);
  }

  #forget(): void {
    this.#channel = undefined;
    this.#consumerTag = undefined;
  }
}

/** On the channel it came from: after a reconnect the broker has redelivered it, and this is a no-op. */
const settle = (channel: ChannelPort, { deliveryTag }: Delivery, settlement: Settlement): void => {
  if (!channel.isOpen) return;
  if (settlement === 'ack') channel.ack(deliveryTag, false);
  else channel.reject(deliveryTag, settlement === 'requeue');
};

const sameBinding = (a: Binding, b: Binding): boolean =>
  a.exchange === b.exchange &&
  a.queue === b.queue &&
  a.key === b.key &&
  JSON.stringify(a.arguments) === JSON.stringify(b.arguments);
