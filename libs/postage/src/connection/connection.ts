import { silent, type Observer } from '../observability/observer.js';
import { resolveBackoff, type BackoffOptions } from './backoff.js';
import type { Deadlines } from './deadlines.js';
import { Declarations } from './declarations.js';
import { deferred } from './deferred.js';
import type { Driver } from './port.js';
import type { OutcomeListener, PublishRequest } from './publication.js';
import { resolvePublishing, type PublishingOptions } from './publish-policy.js';
import { Publisher } from './publisher.js';
import { settleWithin } from './settle-within.js';
import type { Startup } from './startup.js';
import type { ConnectionState } from './state.js';
import { Supervisor } from './supervisor.js';

const DEFAULT_FLUSH_LIMIT_MS = 60_000;

export interface PostageConnectionOptions {
  readonly driver: Driver;
  /** Shown by the broker's management, with the role appended. */
  readonly name: string;
  readonly reconnect?: BackoffOptions | undefined;
  /** Of the connection that consumes; the other one opens with the first message. */
  readonly startup?: Startup | undefined;
  readonly publishing?: PublishingOptions | undefined;
  readonly observer?: Observer | undefined;
  /** A number in [0, 1), for jitter. @default Math.random */
  readonly random?: (() => number) | undefined;
}

/** Both connections at one moment. */
export interface ConnectionSnapshot {
  readonly publishing: ConnectionState;
  readonly consuming: ConnectionState;
  /** Publishes that have not settled yet. */
  readonly pendingPublishes: number;
  /** Those of them that wait to be sent, and how large their bodies are together. */
  readonly waitingPublishes: number;
  readonly waitingBytes: number;
}

/**
 * Everything of one application that talks to one broker: a connection for publishing and one for consuming, so that a
 * broker that blocks publishers still gets our acks. Each opens when it is first needed.
 * @see https://www.rabbitmq.com/docs/connections and https://www.rabbitmq.com/docs/alarms
 */
export class PostageConnection {
  readonly publishing: Supervisor;
  readonly consuming: Supervisor;
  readonly consumingDeclarations = new Declarations();
  readonly #publisher: Publisher;
  #closed: Promise<void> | undefined;

  constructor(options: PostageConnectionOptions) {
    const supervise = (role: 'publish' | 'consume'): Supervisor =>
      new Supervisor({
        driver: options.driver,
        role,
        connectionName: `${options.name} (${role})`,
        backoff: resolveBackoff(options.reconnect),
        observer: options.observer ?? silent,
        random: options.random ?? Math.random,
        startup: role === 'consume' ? options.startup : undefined,
      });
    this.publishing = supervise('publish');
    this.consuming = supervise('consume');
    const declarations = new Declarations();
    this.publishing.preset(declarations);
    this.consuming.preset(this.consumingDeclarations);
    this.#publisher = new Publisher(this.publishing, declarations, resolvePublishing(options.publishing));
    // First of all: a connection has only so many channels, and reply addresses may want all that are left.
    this.publishing.preset(this.#publisher);
  }

  get snapshot(): ConnectionSnapshot {
    return {
      publishing: this.publishing.state,
      consuming: this.consuming.state,
      pendingPublishes: this.#publisher.pending,
      waitingPublishes: this.#publisher.buffer.count,
      waitingBytes: this.#publisher.buffer.bytes,
    };
  }

  /** Calls the listener on every change of either connection; returns the way to stop that. */
  onChange(listener: (snapshot: ConnectionSnapshot) => void): () => void {
    const notify = (): void => listener(this.snapshot);
    const stops = [this.publishing.onState(notify), this.consuming.onState(notify)];
    return () => stops.forEach((stop) => stop());
  }

  /** For what belongs to messages: where both have the same time, what was asked for first ends first. */
  get deadlines(): Deadlines {
    return this.#publisher.deadlines;
  }

  /** Publishes with a confirm. See `Publisher.publish` for what it throws. */
  publish(request: PublishRequest): Promise<void> {
    return this.#publisher.publish(request);
  }

  /** The same for those who need no promise of it. */
  post(request: PublishRequest, listener: OutcomeListener): void {
    this.#publisher.post(request, listener);
  }

  /** Opens the publishing connection ahead of the first publish. */
  async connectPublisher(): Promise<void> {
    await this.publishing.ready();
  }

  /**
   * Gives the broker another password or token for the connections that are open, which go on as they are: for tokens that
   * expire (OAuth 2). What is opened later asks its provider; options that are fixed do not change with this.
   * @throws {ConnectionError} the broker refused it, which ends the connection, or did not answer
   */
  async updateSecret(secret: string): Promise<void> {
    const { link: publishing } = this.publishing;
    const { link: consuming } = this.consuming;
    await Promise.all([publishing?.updateSecret?.(secret), consuming?.updateSecret?.(secret)]);
  }

  /**
   * Waits for outstanding confirms, then closes both connections. Idempotent; never rejects.
   * @param flushLimitMs how long that wait may take; each publish has its own deadline, too
   */
  close(flushLimitMs = DEFAULT_FLUSH_LIMIT_MS): Promise<void> {
    this.#closed ??= this.#close(flushLimitMs);
    return this.#closed;
  }

  async #close(flushLimitMs: number): Promise<void> {
    // Replies of handlers still go out while the consumers' connection is closing.
    await this.consuming.close();
    await settleWithin(this.#flush(), flushLimitMs);
    await this.publishing.close();
  }

  /** As long as there is something to send on, or it is just being opened: messages may have been the reason for that. */
  async #flush(): Promise<void> {
    const { publishing } = this;
    if (!isUsable(publishing.state)) return;
    const gone = deferred<void>();
    const stop = publishing.onState((state) => {
      if (!isUsable(state)) gone.resolve();
    });
    await Promise.race([this.#publisher.flush(), gone.promise]);
    stop();
  }
}

const isUsable = ({ kind }: ConnectionState): boolean => kind === 'ready' || kind === 'connecting';
