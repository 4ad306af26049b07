import { BrokerError, ConnectionError } from '../errors.js';
import { explainRefusal, isPermanentRefusal } from '../topology/refusal.js';
import type { Binding, Exchange, Queue, Topology } from '../topology/types.js';
import type { ChannelPort, Link } from './port.js';
import { settleWithin } from './settle-within.js';
import type { Attachment } from './attachment.js';

/**
 * What has been declared on the present connection: every entity once, exchanges before queues before bindings. A new
 * connection starts from nothing, since the broker may have forgotten what was transient.
 */
export class Declarations implements Attachment {
  /** By their names: every publish asks for one. */
  readonly #exchanges = new Set<string>();
  /** Queues and bindings, by their keys. */
  readonly #declared = new Set<string>();
  #link: Link | undefined;
  /** Settles with the end of the present link, and why. */
  #ended: Promise<Error | undefined> | undefined;
  #channel: ChannelPort | undefined;
  #last: Promise<void> = Promise.resolve();

  async restore(link: Link): Promise<void> {
    this.lost();
    this.#link = link;
    // At once: others may want all channels that are left.
    this.#channel = await link.openChannel();
    this.#ended = new Promise((resolve) => link.onClosed(resolve));
  }

  lost(): void {
    this.#exchanges.clear();
    this.#declared.clear();
    this.#channel = undefined;
    this.#link = undefined;
  }

  has(exchange: string): boolean {
    return exchange === '' || this.#exchanges.has(exchange);
  }

  /** Makes the next `ensure` declare a queue and its bindings anew: the broker deleted it. */
  forgetQueue(queue: string): void {
    this.#declared.delete(queueKey(queue));
    for (const key of this.#declared) {
      if (key.startsWith(bindingPrefix(queue))) this.#declared.delete(key);
    }
  }

  forgetExchange(exchange: string): void {
    this.#exchanges.delete(exchange);
  }

  /**
   * Declares what is not declared yet. Calls are served one after the other, so that two callers never interleave.
   * @throws {TopologyError} the broker refused an entity
   */
  ensure(topology: Topology): Promise<void> {
    const work = this.#last.then(() => this.#ensure(topology));
    this.#last = work.catch(() => undefined);
    return work;
  }

  async #ensure({ exchanges, queues, bindings }: Topology): Promise<void> {
    for (const exchange of exchanges) {
      if (this.#exchanges.has(exchange.name)) continue;
      await this.#perform(exchange, (channel) => declareExchange(channel, exchange));
      this.#exchanges.add(exchange.name);
    }
    for (const queue of queues) {
      await this.#once(queueKey(queue.name), queue, (channel) => declareQueue(channel, queue));
    }
    const assumed = new Set(queues.filter(({ declare }) => declare === 'assume').map(({ name }) => name));
    for (const binding of bindings) {
      if (assumed.has(binding.queue)) continue;
      await this.#once(bindingKey(binding), binding, (channel) => channel.bindQueue(binding));
    }
  }

  /** Removes a binding; the broker does not mind when it is not there. */
  async unbind(binding: Binding): Promise<void> {
    this.#declared.delete(bindingKey(binding));
    await this.#perform(binding, (channel) => channel.unbindQueue(binding));
  }

  async #once(
    key: string,
    entity: Queue | Binding,
    declare: (channel: ChannelPort) => Promise<void>,
  ): Promise<void> {
    if (this.#declared.has(key)) return;
    await this.#perform(entity, declare);
    this.#declared.add(key);
  }

  async #perform(
    entity: Exchange | Queue | Binding,
    operation: (channel: ChannelPort) => Promise<void>,
  ): Promise<void> {
    const ended = this.#ended;
    try {
      await operation(await this.#openChannel());
    } catch (error) {
      const refusal = await refusalIn(error, ended);
      throw refusal === undefined ? error : explainRefusal(refusal, entity);
    }
  }

  /** A refusal closes the channel it came on, as AMQP says; the next declaration opens another one. */
  async #openChannel(): Promise<ChannelPort> {
    if (this.#channel?.isOpen) return this.#channel;
    if (!this.#link) throw new ConnectionError('CONNECTION_LOST', 'the connection was lost while declaring');
    this.#channel = await this.#link.openChannel();
    return this.#channel;
  }
}

const declareExchange = async (channel: ChannelPort, exchange: Exchange): Promise<void> => {
  if (exchange.name === '' || exchange.declare === 'assume') return;
  if (exchange.declare === 'passive') await channel.checkExchange(exchange.name);
  else await channel.assertExchange(exchange);
};

const declareQueue = async (channel: ChannelPort, queue: Queue): Promise<void> => {
  if (queue.declare === 'assume') return;
  if (queue.declare === 'passive') await channel.checkQueue(queue.name);
  else await channel.assertQueue(queue);
};

const queueKey = (name: string): string => `queue ${name}`;
const bindingPrefix = (queue: string): string => `binding ${JSON.stringify(queue)} `;
const bindingKey = ({ queue, exchange, key, arguments: args }: Binding): string =>
  `${bindingPrefix(queue)}${JSON.stringify([exchange, key, args])}`;

/** A link that dies takes its channels along first; its own last word comes right behind. */
const LAST_WORD_MS = 500;

/**
 * What the broker refused, if it was a refusal. Most come with the channel's end; an unknown exchange type, and a kind of
 * queue that the broker does not permit, end the connection, and only its last word says why.
 */
const refusalIn = async (
  error: unknown,
  ended: Promise<Error | undefined> | undefined,
): Promise<Refusal | undefined> => {
  if (!(error instanceof BrokerError)) return undefined;
  if (error.amqpCode !== undefined) return { amqpCode: error.amqpCode, text: error.message, cause: error };
  const lastWord = await lastWordOf(ended);
  if (!(lastWord instanceof BrokerError) || !isPermanentRefusal(lastWord.amqpCode, lastWord.message))
    return undefined;
  return { amqpCode: lastWord.amqpCode, text: lastWord.message, cause: lastWord };
};

interface Refusal {
  readonly amqpCode: number | undefined;
  readonly text: string;
  readonly cause: unknown;
}

const lastWordOf = async (ended: Promise<Error | undefined> | undefined): Promise<unknown> => {
  let reason: Error | undefined;
  const listen = async (): Promise<void> => {
    reason = await ended;
  };
  await settleWithin(listen(), LAST_WORD_MS);
  return reason?.cause;
};
