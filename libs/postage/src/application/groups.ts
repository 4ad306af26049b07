import type { PostageConnection } from '../connection/connection.js';
import type { ChannelPort } from '../connection/port.js';
import type { GenericConsumer } from '../consumer/generic-consumer.js';
import { BrokerError, ConnectionError } from '../errors.js';
import type { Observer } from '../observability/observer.js';
import type { Compatibility } from '../topology/queue.js';
import type { QueueBinding } from '../topology/binding.js';
import type { Exchange } from '../topology/types.js';
import { Address, checkPart } from './address.js';
import {
  checkGroup,
  groupBindings,
  groupQueueOf,
  isControlQueue,
  queuesOf,
  type Identity,
} from './application-topology.js';
import type { CommandFeed } from './command-feed.js';

export interface GroupsOptions {
  readonly identity: Identity;
  readonly exchange: Exchange;
  readonly compatibility: Compatibility;
  readonly consumer: GenericConsumer;
  readonly feed: CommandFeed;
  readonly connection: PostageConnection;
  readonly observer: Observer;
  /** From the start on. */
  readonly initial: readonly string[];
  readonly onChange: () => void;
}

/** The groups that this process is in. One change at a time, in the order they were asked for. */
export class Groups {
  readonly #options: GroupsOptions;
  readonly #names: Set<string>;
  #hasBegun = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: GroupsOptions) {
    this.#options = options;
    this.#names = new Set(options.initial);
  }

  /** From now on changes are made at the broker. @returns what the groups of now need there */
  begin(): readonly QueueBinding[] {
    this.#hasBegun = true;
    const { identity, compatibility } = this.#options;
    return this.names.flatMap((group) => {
      const { own, shared } = groupBindings(identity, group, compatibility);
      return [own, ...shared];
    });
  }

  get names(): readonly string[] {
    return [...this.#names];
  }

  /**
   * From then on messages to the group come here too, and messages to one of the group in turn.
   * @returns whether it was not in it before
   * @throws {InvalidOptionError} `group` is no name for a group
   * @throws {TopologyError} the broker refused it
   */
  join(group: string): Promise<boolean> {
    const name = checkGroup(this.#options.identity, group, 'group_name');
    return this.#inTurn(() => this.#join(name));
  }

  /** @returns whether it was in it @throws {InvalidOptionError} `group` is no name for a group */
  leave(group: string): Promise<boolean> {
    const name = checkPart(group, 'group_name');
    return this.#inTurn(() => this.#leave(name));
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(change);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #join(group: string): Promise<boolean> {
    if (this.#names.has(group)) return false;
    if (!this.#hasBegun) {
      this.#names.add(group);
      return true;
    }
    const { identity, exchange, compatibility, consumer, feed, observer } = this.#options;
    const { own, shared } = groupBindings(identity, group, compatibility);
    const { key } = Address.group(identity.name, group);
    // First what only one of the group gets: a member that fails here has not half joined.
    try {
      const watchedQueues = shared.map(([queue]) => (typeof queue === 'string' ? queue : queue.name));
      const commandQueues = watchedQueues.filter(isControlQueue);
      await consumer.addQueuesNow([[exchange, shared]], { watchedQueues, commandQueues });
      if (compatibility === 'python') await this.#atBroker(group, (queue) => queue.bind());
      await feed.add(key, async () => {
        await consumer.addQueuesNow([[exchange, [own]]]);
        // From here on a new connection binds the feed to it, too.
        this.#names.add(group);
      });
    } catch (error) {
      this.#names.delete(group);
      // Why it could not join says more than what came of that.
      await this.#stopConsuming(group).catch(() => undefined);
      throw error;
    }
    observer({ kind: 'group.joined', group });
    this.#options.onChange();
    return true;
  }

  async #leave(group: string): Promise<boolean> {
    if (!this.#names.delete(group)) return false;
    if (!this.#hasBegun) return true;
    const { identity, feed, observer } = this.#options;
    const { key } = Address.group(identity.name, group);
    try {
      // First the way that drops work.
      await feed.remove(key);
    } finally {
      await this.#leaveQueues(group, key);
    }
    observer({ kind: 'group.left', group });
    this.#options.onChange();
    return true;
  }

  /** Whatever goes wrong with one: the next connection binds neither of them. */
  async #leaveQueues(group: string, key: string): Promise<void> {
    const { identity, exchange, consumer } = this.#options;
    try {
      await consumer.queueUnbind(exchange, queuesOf(identity).uid, key);
    } finally {
      await this.#stopConsuming(group);
    }
  }

  /** The queue is for those who stay: with what waits in it, and with its binding. */
  async #stopConsuming(group: string): Promise<void> {
    const { identity, compatibility, consumer } = this.#options;
    const { shared } = groupBindings(identity, group, compatibility);
    for (const [queue] of shared) await consumer.removeQueue(typeof queue === 'string' ? queue : queue.name);
    if (compatibility === 'python') await this.#unbindIfLast(group);
  }

  /**
   * Python's group queues do not end with their last member: messages would go on piling up there. Somebody may join at the
   * same moment: who joins binds once more when it consumes, who leaves binds again what somebody consumes by then.
   */
  async #unbindIfLast(group: string): Promise<void> {
    await this.#atBroker(group, async (queue) => {
      if (await queue.isConsumed()) return;
      await queue.unbind();
      if (await queue.isConsumed()) await queue.bind();
    });
  }

  /** It may have gone, or the connection with it: then there is nothing to do, or nobody to do it. */
  async #atBroker(group: string, work: (queue: GroupQueue) => Promise<void>): Promise<void> {
    const { identity, exchange, connection } = this.#options;
    const name = groupQueueOf(identity, group);
    const { key } = Address.groupRoundRobin(identity.name, group);
    const binding = { exchange: exchange.name, queue: name, key, arguments: {} };
    let channel: ChannelPort | undefined;
    try {
      const link = await connection.consuming.ready();
      const open = await link.openChannel();
      channel = open;
      await work({
        isConsumed: async () => (await open.checkQueue(name)).consumerCount > 0,
        bind: () => open.bindQueue(binding),
        unbind: () => open.unbindQueue(binding),
      });
    } catch (error) {
      if (!isGone(error)) throw error;
    } finally {
      connection.consumingDeclarations.forgetQueue(name);
      await channel?.close();
    }
  }
}

/** A queue that members share, as it is at the broker. */
interface GroupQueue {
  isConsumed(): Promise<boolean>;
  bind(): Promise<void>;
  unbind(): Promise<void>;
}

/** A queue that is not there any more, or a connection: anything else is a refusal, and somebody has to hear of it. */
const isGone = (error: unknown): boolean =>
  error instanceof ConnectionError ||
  (error instanceof BrokerError && (error.amqpCode === undefined || error.amqpCode === 404));
