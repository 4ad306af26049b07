import type { PostageConnection } from '../connection/connection.js';
import { checkReadable } from '../connection/incoming-headers.js';
import type { Delivery } from '../connection/port.js';
import type { GenericConsumer, OwnQueueOptions } from '../consumer/generic-consumer.js';
import type { Observer } from '../observability/observer.js';
import type { QueueBinding } from '../topology/binding.js';
import type { Compatibility } from '../topology/queue.js';
import type { MessageBody } from '../wire/body.js';
import type { Codec } from '../wire/codec.js';
import type { FingerprintDict } from '../wire/fingerprint.js';
import { Address } from './address.js';
import { describeApplication, type ApplicationDescription } from './application-description.js';
import type { ApplicationSettings } from './application-options.js';
import {
  checkGroup,
  checkIdentity,
  fanOutKeysOf,
  isControlQueue,
  memberBindings,
  queuesOf,
  type Identity,
} from './application-topology.js';
import { CommandFeed } from './command-feed.js';
import { controlHandlers, isControl } from './control-handlers.js';
import { Groups } from './groups.js';
import type { ApplicationLifecycle } from './lifecycle.js';
import { Presence } from './presence.js';

export interface ApplicationMemberOptions {
  readonly settings: ApplicationSettings;
  readonly fingerprint: FingerprintDict;
  readonly connection: PostageConnection;
  readonly consumer: GenericConsumer;
  readonly codec: Codec;
  readonly compatibility: Compatibility;
  readonly observer: Observer;
  readonly lifecycle: ApplicationLifecycle;
}

/** Commands are small; what is larger is not even decoded to see whether it is one. */
const MAX_CONTROL_BYTES = 64 * 1024;

/** This process as a component that others can address. */
export class ApplicationMember {
  readonly fingerprint: FingerprintDict;
  readonly #options: ApplicationMemberOptions;
  readonly #identity: Identity;
  readonly #groups: Groups;
  readonly #feed: CommandFeed;
  readonly #presence: Presence | undefined;
  #isLeaving = false;

  /** Adds its queues and handlers to the consumer, which must not have started. @throws {InvalidOptionError} */
  constructor(options: ApplicationMemberOptions) {
    const { settings, connection, consumer, codec, compatibility, observer, fingerprint } = options;
    const { exchange, presence, groups: initial } = settings;
    const identity = checkIdentity(fingerprint);
    initial.forEach((group, index) => checkGroup(identity, group, `application.groups[${index}]`));
    this.#options = options;
    this.fingerprint = fingerprint;
    this.#identity = identity;
    this.#presence =
      presence && new Presence({ ...presence, connection, codec, fingerprint, groups: () => this.groups });
    const feed = new CommandFeed({
      connection,
      exchange,
      fingerprint,
      queue: queuesOf(identity).uid,
      keys: () => fanOutKeysOf(identity, this.groups),
      onDelivery: this.#receiver(),
    });
    this.#feed = feed;
    const onChange = (): void => this.#presence?.update();
    const parts = { identity, exchange, compatibility, consumer, feed, connection, observer };
    this.#groups = new Groups({ ...parts, initial, onChange });
    this.#addQueues();
  }

  /** The address of this process alone. */
  get address(): Address {
    return Address.unique(this.#identity.pid, this.#identity.host);
  }

  /** The groups it is in. */
  get groups(): readonly string[] {
    return this.#groups.names;
  }

  /**
   * From then on messages to that group come here, and those to one of the group in turn. Survives reconnects.
   * @returns whether it was not in it before
   * @throws {InvalidOptionError} it is no name for a group
   * @throws {TopologyError} the broker refused its queue or bindings
   */
  join(group: string): Promise<boolean> {
    return this.#groups.join(group);
  }

  /** @returns whether it was in it @throws {InvalidOptionError} it is no name for a group */
  leave(group: string): Promise<boolean> {
    return this.#groups.leave(group);
  }

  /** What it answers to `describe`. */
  describe(): ApplicationDescription {
    const { settings, consumer } = this.#options;
    const { fingerprint, groups } = this;
    return describeApplication({ fingerprint, groups, version: settings.version, consumer });
  }

  /** Hears commands however busy it is, and tells others that it is there; when the consumer has started. */
  async start(): Promise<void> {
    await this.#feed.start();
    if (!this.#isLeaving) this.#presence?.start();
  }

  /** Others need not wait for it any more: from now on only `quit` and `restart` are heard. Never rejects. */
  async sayGoodbye(): Promise<void> {
    this.#isLeaving = true;
    await this.#presence?.stop();
  }

  /** Hears no more commands. Never rejects. */
  async stop(): Promise<void> {
    await this.#feed.close();
  }

  /** Before the consumer starts: the groups that it is in by then. */
  prepare(): void {
    const { settings, consumer } = this.#options;
    const bindings = this.#groups.begin();
    if (bindings.length > 0)
      consumer.addQueues([[settings.exchange, bindings]], noteworthy(namesOf(bindings)));
  }

  #addQueues(): void {
    const { settings, consumer, compatibility } = this.#options;
    const { uid } = queuesOf(this.#identity);
    const bindings = memberBindings(this.#identity, compatibility);
    const options = { privateQueues: [uid], ...noteworthy(namesOf(bindings)) };
    consumer.addQueues([[settings.exchange, bindings]], options);
    // Through the exchange such commands come by the feed, too, and sooner.
    const isFor = (delivery: Delivery, queue: string): boolean => !this.#feed.takes(delivery, queue);
    for (const handler of this.#handlers()) consumer.register({ ...handler, isFor });
    consumer.register(this.#feed.handler);
  }

  /** What fan-out keys bring: commands are handled, all else comes by the queue of this process. */
  #receiver(): (delivery: Delivery) => void {
    const { consumer, observer, codec } = this.#options;
    const handlers = this.#handlers();
    const { uid } = queuesOf(this.#identity);
    const dispatcher = consumer.dispatcherFor({ queue: { name: uid }, isPrivate: true, handlers });
    return (delivery) => {
      const body = readSmall(delivery, codec);
      if (body === undefined) return;
      this.#feed.pass(body);
      if (!isControl(body, handlers) || !this.#feed.isFirst(delivery)) return;
      if (this.#isLeaving && !this.#isHeardAtTheEnd(body)) return;
      dispatcher.handle(delivery).catch((error: unknown) => {
        observer({ kind: 'internal.failure', where: 'handling a command', error });
      });
    };
  }

  /** Who has said good-bye answers no more; but a quit may overrule a restart, and what is refused is logged. */
  #isHeardAtTheEnd({ name }: MessageBody): boolean {
    return this.#options.lifecycle.isToldToEnd && (name === 'quit' || name === 'restart');
  }

  #handlers(): ReturnType<typeof controlHandlers> {
    const { settings, fingerprint, lifecycle, observer, consumer } = this.#options;
    const { quit, restart } = settings;
    return controlHandlers({
      groups: { join: (group) => this.join(group), leave: (group) => this.leave(group) },
      lifecycle,
      guards: { quit, restart },
      observer,
      fingerprint,
      describe: () => this.describe(),
      isLeftover: (delivery) => consumer.isLeftover(delivery),
    });
  }
}

const namesOf = (bindings: readonly QueueBinding[]): readonly string[] =>
  bindings.map(([queue]) => (typeof queue === 'string' ? queue : queue.name));

/** Undefined: too large, or no message; whoever handles work tells that. */
const readSmall = (delivery: Delivery, codec: Codec): MessageBody | undefined => {
  const { content, properties } = delivery;
  if (content.length > MAX_CONTROL_BYTES) return undefined;
  try {
    checkReadable(delivery);
    return codec.decodeBody(content, properties.contentType);
  } catch {
    return undefined;
  }
};

/** Commands must not act on a process that was not there, and are heard while work is paused. */
const noteworthy = (queues: readonly string[]): OwnQueueOptions => ({
  watchedQueues: queues,
  commandQueues: queues.filter(isControlQueue),
});
