import { ConnectionError, type PublishError } from '../errors.js';
import type { Attachment } from './attachment.js';
import { Deadlines } from './deadlines.js';
import type { Declarations } from './declarations.js';
import type { ChannelPort, Link } from './port.js';
import { Publication, publishError, type OutcomeListener, type PublishRequest } from './publication.js';
import { PublishBuffer } from './publish-buffer.js';
import { PublishLane, type LaneSurroundings } from './publish-lane.js';
import type { PublishingPolicy } from './publish-policy.js';
import type { LaneChannel } from './publish-track.js';
import type { ConnectionState } from './state.js';
import type { Supervisor } from './supervisor.js';

/** Exchanges beyond so many share a channel: a connection has only so many. */
export const MAX_OWN_CHANNELS = 32;

/**
 * Publishes with confirms, those to one exchange in the order of the calls. While there is no channel, or the socket is full,
 * or the broker blocks publishers, messages wait in line; each leaves the line at its own deadline.
 *
 * A channel ends with the first message that the broker refuses, and of the others on it nobody knows: each exchange has
 * a channel of its own, so that one that is missing takes no other down. AMQP promises an order only within one exchange.
 * @see https://www.rabbitmq.com/docs/semantics
 */
export class Publisher implements Attachment, LaneSurroundings {
  readonly supervisor: Supervisor;
  readonly declarations: Declarations;
  readonly buffer: PublishBuffer;
  readonly deadlines = new Deadlines();
  readonly #policy: PublishingPolicy;
  readonly #lanes = new Map<string, PublishLane>();
  /** Of the default exchange, and of others where a connection has no channel left. */
  #shared: ChannelPort | undefined;
  /** Of those that come too late for one of their own. */
  #overflow: Promise<ChannelPort> | undefined;
  #ownChannels = 0;
  readonly #defaultLane: PublishLane;
  #blocked = false;
  #offline = false;

  constructor(supervisor: Supervisor, declarations: Declarations, policy: PublishingPolicy) {
    this.supervisor = supervisor;
    this.declarations = declarations;
    this.#policy = policy;
    this.buffer = new PublishBuffer(policy);
    this.#defaultLane = this.#addLane('');
    supervisor.onState((state) => this.#onState(state));
  }

  /** How many publishes have not settled yet. */
  get pending(): number {
    let sent = 0;
    for (const lane of this.#lanes.values()) sent += lane.unsettled;
    return this.buffer.count + sent;
  }

  get maxWaitingMs(): number {
    return this.#policy.maxWaitingMs;
  }

  /**
   * Resolves once the broker has confirmed.
   * @throws {PublishError} see its codes
   * @throws {TopologyError} the broker refused to declare the exchange
   * @throws {ConnectionError} the broker refused credentials or vhost, or the connection was closed by us
   */
  publish(request: PublishRequest): Promise<void> {
    const accepted = this.#accept(request);
    return accepted instanceof Publication ? accepted.promise : Promise.reject(accepted);
  }

  /** The same without a promise: the listener is told, of a refusal at once. */
  post(request: PublishRequest, listener: OutcomeListener): void {
    const accepted = this.#accept(request, listener);
    if (!(accepted instanceof Publication)) listener.onFailed(accepted);
  }

  /** Sends it or lets it wait; an error: why neither. */
  #accept(request: PublishRequest, listener?: OutcomeListener): Publication | PublishError {
    const { exchange, content } = request.message;
    const lane = this.#lanes.get(exchange) ?? this.#addLane(exchange);
    if (lane.isFree) return lane.sendNow(request, listener);
    if (this.#offline && request.alwaysWaits !== true)
      return publishError('NOT_CONNECTED', request, this.supervisor.lastError);
    if (this.buffer.hasRoomFor(content.length)) return lane.line(request, listener);
    return publishError('BUFFER_FULL', request);
  }

  async restore(link: Link): Promise<void> {
    // At once: reply addresses may want all channels that are left.
    const channel = await link.openChannel();
    channel.onClosed((error) => {
      if (this.#shared !== channel) return;
      this.#shared = undefined;
      if (error !== undefined) void this.supervisor.reattach(this);
    });
    this.#shared = channel;
    this.#defaultLane.use({ channel, isShared: true });
    for (const lane of this.#lanes.values()) lane.wake();
  }

  lost(error: Error): void {
    this.#shared = undefined;
    this.#overflow = undefined;
    this.#ownChannels = 0;
    for (const lane of this.#lanes.values()) lane.lost(error);
    // After a loss they wait for the next connection, within their deadlines; after our own close there is none.
    if (error instanceof ConnectionError && error.code === 'CONNECTION_CLOSED')
      this.#failWaiting((publication) => publication.failWith(error));
  }

  /** Resolves when every publish has settled; each does so within its own deadline. */
  async flush(): Promise<void> {
    const wanted = (): readonly Promise<void>[] =>
      [...this.#lanes.values()].flatMap((lane) => [...lane.wanted()]);
    // Whoever hears of the end of one may send another.
    for (let all = wanted(); all.length > 0; all = wanted()) await Promise.allSettled(all);
  }

  isBlocked(): boolean {
    return this.#blocked;
  }

  async channelFor(link: Link, exchange: string): Promise<LaneChannel> {
    // While it is lost, the room that it has left on the connection is its own.
    this.#requireShared();
    if (exchange !== '') {
      try {
        return this.#ownChannels < MAX_OWN_CHANNELS
          ? { channel: await this.#openOwn(link), isShared: false }
          : { channel: await this.#openOverflow(link), isShared: true };
      } catch (error) {
        if (this.supervisor.link !== link) throw error;
        // None is left on this connection.
      }
    }
    return { channel: this.#requireShared(), isShared: true };
  }

  #requireShared(): ChannelPort {
    if (this.#shared !== undefined) return this.#shared;
    throw new ConnectionError('CONNECTION_LOST', 'the channel for publishing was lost');
  }

  async #openOwn(link: Link): Promise<ChannelPort> {
    // Before it is open: many may ask at once.
    this.#ownChannels += 1;
    const release = (): void => {
      if (this.supervisor.link === link) this.#ownChannels -= 1;
    };
    try {
      const channel = await link.openChannel();
      channel.onClosed(release);
      return channel;
    } catch (error) {
      release();
      throw error;
    }
  }

  #openOverflow(link: Link): Promise<ChannelPort> {
    const forget = (): void => {
      if (this.#overflow === opening) this.#overflow = undefined;
    };
    const open = async (): Promise<ChannelPort> => {
      const channel = await link.openChannel();
      channel.onClosed(forget);
      return channel;
    };
    const opening = this.#overflow ?? open();
    this.#overflow = opening;
    opening.catch(forget);
    return opening;
  }

  #addLane(exchange: string): PublishLane {
    const lane = new PublishLane(exchange, this);
    this.#lanes.set(exchange, lane);
    return lane;
  }

  #failWaiting(fail: Parameters<PublishLane['failWaiting']>[0]): void {
    for (const lane of this.#lanes.values()) lane.failWaiting(fail);
  }

  #onState(state: ConnectionState): void {
    const wasBlocked = this.#blocked;
    this.#blocked = state.kind === 'ready' && state.blocked !== undefined;
    if (this.#policy.offline === 'fail') this.#failWhenOffline(state);
    if (wasBlocked && !this.#blocked) for (const lane of this.#lanes.values()) lane.wake();
  }

  #failWhenOffline(state: ConnectionState): void {
    if (state.kind === 'waiting' || state.kind === 'failed') {
      // A connection that was refused is tried again with the next message.
      this.#offline = state.kind === 'waiting';
      this.#failWaiting((publication) => {
        if (publication.request.alwaysWaits !== true) publication.fail('NOT_CONNECTED', state.error);
      });
    } else if (state.kind !== 'connecting') this.#offline = false;
  }
}
