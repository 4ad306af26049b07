import { checkFinite, unwritable } from '../../connection/outgoing-headers.js';
import type {
  ChannelPort,
  ConfirmListener,
  ConsumeOptions,
  Delivery,
  OutgoingMessage,
  PublishFailure,
  QueueStatus,
  ReturnedMessage,
} from '../../connection/port.js';
import { BrokerError } from '../../errors.js';
import type { Binding, Exchange, Queue } from '../../topology/types.js';
import type { ChannelCarrier } from './channel-carrier.js';
import { Confirms } from './confirms.js';
import { ConsumerListeners } from './consumer-listeners.js';
import { Ending } from './ending.js';
import { Listeners } from './listeners.js';
import { acceptMessage, type BrokerMessage } from './message.js';
import { PendingAnswers } from './pending-answers.js';
import { PublishWindow } from './publish-window.js';
import { internalError } from './refusals.js';
import { endSessions, Session } from './session.js';

const NACKED: PublishFailure = { kind: 'nacked' };

/** A channel of a `MemoryBroker`, on the client's side. */
export class MemoryChannel implements ChannelPort {
  readonly session: Session;
  readonly #carrier: ChannelCarrier;
  readonly #pending = new PendingAnswers();
  readonly #consumers: ConsumerListeners;
  readonly #confirms: Confirms;
  readonly #returns: Listeners<ReturnedMessage>;
  readonly #drains: Listeners<void>;
  readonly #window = new PublishWindow();
  readonly #ending: Ending;
  #open = true;
  #closing: Promise<void> | undefined;

  constructor(carrier: ChannelCarrier) {
    const { network, vhost, report } = carrier;
    this.#carrier = carrier;
    this.#consumers = new ConsumerListeners(report);
    this.#confirms = new Confirms(report);
    this.#returns = new Listeners(report);
    this.#drains = new Listeners(report);
    this.#ending = new Ending(network, report);
    this.session = new Session(vhost, carrier, {
      delivered: (tag, delivery) => this.#receive(() => this.#consumers.deliver(tag, delivery)),
      cancelled: (tag) => this.#receive(() => this.#consumers.cancel(tag)),
      returned: (message) => this.#receive(() => this.#returns.notify(message)),
    });
  }

  get isOpen(): boolean {
    return this.#open;
  }

  assertExchange(exchange: Exchange): Promise<void> {
    return this.#ask(({ vhost }) => vhost.exchanges.declare(exchange));
  }

  async checkExchange(name: string): Promise<void> {
    await this.#ask(({ vhost }) => vhost.exchanges.require(name));
  }

  deleteExchange(name: string): Promise<void> {
    return this.#ask(({ vhost }) => vhost.exchanges.delete(name));
  }

  assertQueue(queue: Queue): Promise<QueueStatus> {
    return this.#ask((session) => session.assertQueue(queue));
  }

  checkQueue(name: string): Promise<QueueStatus> {
    return this.#ask((session) => session.checkQueue(name));
  }

  deleteQueue(name: string): Promise<void> {
    return this.#ask((session) => session.deleteQueue(name));
  }

  bindQueue(binding: Binding): Promise<void> {
    return this.#ask((session) => session.bindQueue(binding));
  }

  unbindQueue(binding: Binding): Promise<void> {
    return this.#ask((session) => session.unbindQueue(binding));
  }

  prefetch(count: number): Promise<void> {
    return this.#ask((session) => session.prefetch(count));
  }

  consume(
    queue: string,
    onDelivery: (delivery: Delivery | null) => void,
    options: ConsumeOptions = {},
  ): Promise<string> {
    return this.#ask((session) => {
      const tag = session.consume(queue, options);
      this.#carrier.network.send(() => this.#consumers.add(tag, onDelivery));
      session.start(tag);
      return tag;
    });
  }

  async cancel(consumerTag: string): Promise<void> {
    await this.#ask((session) => session.cancel(consumerTag));
    this.#consumers.remove(consumerTag);
  }

  publish(outgoing: OutgoingMessage, onConfirm: ConfirmListener): boolean {
    if (!this.#open) throw closed();
    const message = accept(outgoing);
    const publish = this.#confirms.expect(onConfirm);
    this.#window.written();
    this.#carrier.beforePublish();
    this.#carrier.write(() => {
      if (this.#window.read()) this.#receive(() => this.#drains.notify());
      this.#perform((session) => {
        const failure = session.publish(message, outgoing.mandatory) ? undefined : NACKED;
        this.#receive(() => this.#confirms.settle(publish, failure));
      });
    });
    return !this.#window.full;
  }

  ack(deliveryTag: number, multiple: boolean): void {
    if (this.#open) this.#carrier.write(() => this.#perform((session) => session.ack(deliveryTag, multiple)));
  }

  reject(deliveryTag: number, requeue: boolean): void {
    if (this.#open)
      this.#carrier.write(() => this.#perform((session) => session.reject(deliveryTag, requeue)));
  }

  onReturn(listener: (message: ReturnedMessage) => void): void {
    this.#returns.add(listener);
  }

  onDrain(listener: () => void): void {
    this.#drains.add(listener);
  }

  onClosed(listener: (error: Error | undefined) => void): void {
    this.#ending.onReached(listener);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** The channel is gone: whoever still waits for something hears so. */
  end(error: Error | undefined): void {
    this.#open = false;
    this.#consumers.clear();
    this.#pending.rejectAll(
      error === undefined ? closed() : new BrokerError(undefined, error.message, { cause: error }),
    );
    this.#confirms.failAll(error ?? closed());
    this.#ending.reach(this.#closing === undefined ? error : undefined);
  }

  #close(): Promise<void> {
    if (!this.#open) return Promise.resolve();
    this.#open = false;
    const { network } = this.#carrier;
    return new Promise((resolve) => {
      // Past a blocked link: nobody should have to wait for resources to close something.
      network.send(() => {
        endSessions([this.session]);
        network.send(() => {
          this.end(undefined);
          resolve();
        });
      });
    });
  }

  #ask<T>(question: (session: Session) => T): Promise<T> {
    if (!this.#open) return Promise.reject(closed());
    return this.#pending.open<T>((resolve, reject) => {
      this.#carrier.write(() => {
        const refuse = (error: BrokerError): void => this.#carrier.network.send(() => reject(error));
        this.#perform((session) => {
          const answer = question(session);
          this.#carrier.network.send(() => resolve(answer));
        }, refuse);
      });
    });
  }

  /** On the broker's side. A refusal ends the channel. */
  #perform(work: (session: Session) => void, refuse?: (error: BrokerError) => void): void {
    if (!this.session.open) return;
    try {
      work(this.session);
    } catch (error) {
      const refusal = error instanceof BrokerError ? error : internalError(error);
      refuse?.(refusal);
      this.#carrier.refused(this, refusal);
    }
  }

  #receive(arrival: () => void): void {
    this.#carrier.network.send(() => {
      if (this.#open) arrival();
    });
  }
}

const closed = (): BrokerError => new BrokerError(undefined, 'the channel is closed');

const accept = (outgoing: OutgoingMessage): BrokerMessage => {
  checkFinite(outgoing);
  try {
    return acceptMessage(outgoing);
  } catch (error) {
    throw unwritable(error);
  }
};
