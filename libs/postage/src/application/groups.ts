import type { PostageConnection } from '../connection/connection.js';
import type { GenericConsumer } from '../consumer/generic-consumer.js';
import { ConnectionError } from '../errors.js';
import type { Observer } from '../observability/observer.js';
import type { Compatibility } from '../topology/queue.js';
import type { Exchange } from '../topology/types.js';
import { Address, checkPart } from './address.js';
import { checkGroup, groupBindings, groupQueueOf, queuesOf, type Identity } from './application-topology.js';
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
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: GroupsOptions) {
    this.#options = options;
    this.#names = new Set(options.initial);
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
    const { identity, exchange, compatibility, consumer, feed, observer } = this.#options;
    const { own, shared } = groupBindings(identity, group, compatibility);
    const { key } = Address.group(identity.name, group);
    // First what only one of the group gets: a member that fails here has not half joined.
    try {
      const watchedQueues = shared.map(([queue]) => (typeof queue === 'string' ? queue : queue.name));
      await consumer.addQueuesNow([[exchange, shared]], { watchedQueues });
      await feed.add(key, async () => {
        await consumer.addQueuesNow([[exchange, [own]]]);
        // From here on a new connection binds the feed to it, too.
        this.#names.add(group);
      });
    } catch (error) {
      this.#names.delete(group);
      await this.#stopConsuming(group);
      throw error;
    }
    observer({ kind: 'group.joined', group });
    this.#options.onChange();
    return true;
  }

  async #leave(group: string): Promise<boolean> {
    if (!this.#names.delete(group)) return false;
    const { identity, exchange, consumer, feed, observer } = this.#options;
    const { key } = Address.group(identity.name, group);
    // First the way that drops work.
    await feed.remove(key);
    await consumer.queueUnbind(exchange, queuesOf(identity).uid, key);
    await this.#stopConsuming(group);
    observer({ kind: 'group.left', group });
    this.#options.onChange();
    return true;
  }

  /** The queue is for those who stay: with what waits in it, and with its binding. */
  async #stopConsuming(group: string): Promise<void> {
    const { identity, compatibility, consumer } = this.#options;
    const { shared } = groupBindings(identity, group, compatibility);
    for (const [queue] of shared) await consumer.removeQueue(typeof queue === 'string' ? queue : queue.name);
    if (compatibility === 'python') await this.#unbindIfLast(group);
  }

  /** Python's group queues do not end with their last member: messages would go on piling up there. */
  async #unbindIfLast(group: string): Promise<void> {
    const { identity, exchange, connection } = this.#options;
    const queue = groupQueueOf(identity, group);
    const { key } = Address.groupRoundRobin(identity.name, group);
    const channel = await (await connection.consuming.ready()).openChannel();
    try {
      const { consumerCount } = await channel.checkQueue(queue);
      if (consumerCount > 0) return;
      await channel.unbindQueue({ exchange: exchange.name, queue, key, arguments: {} });
      connection.consumingDeclarations.forgetQueue(queue);
    } catch (error) {
      // It is gone already, or the connection is: then there is nothing to unbind, or nobody to do it.
      if (error instanceof ConnectionError && error.code === 'CONNECTION_CLOSED') throw error;
    } finally {
      await channel.close();
    }
  }
}
