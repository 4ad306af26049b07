import { AsyncResource } from 'node:async_hooks';
import { ConnectionError, TopologyError } from '../errors.js';
import type { Observer } from '../observability/observer.js';
import type { Attachment } from './attachment.js';
import { Attachments } from './attachments.js';
import { delayMs, type Backoff } from './backoff.js';
import { deferred } from './deferred.js';
import { pause } from './pause.js';
import { asError, closedError, isPermanent } from './permanence.js';
import type { Driver, Link } from './port.js';
import { settleWithin } from './settle-within.js';
import type { ConnectionState } from './state.js';

const CLOSE_LIMIT_MS = 2_000;

export interface SupervisorOptions {
  readonly driver: Driver;
  readonly role: 'publish' | 'consume';
  readonly connectionName: string;
  readonly backoff: Backoff;
  readonly observer: Observer;
  readonly random: () => number;
}

/**
 * Keeps one connection open: connects when it is first needed, restores all attachments as one unit, and starts over
 * with backoff whenever any of that fails or the link is lost.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #attachments = new Attachments();
  /** Being put back after the loss of their channel, and on which link. */
  readonly #reattaching = new Map<Attachment, Link>();
  readonly #listeners = new Set<(state: ConnectionState) => void>();
  readonly #stop = new AbortController();
  /** Whoever happens to open the connection has nothing to do with what comes over it: no `AsyncLocalStorage` goes along. */
  readonly #origin = new AsyncResource('PostageConnection');
  #state: ConnectionState = { kind: 'idle' };
  #link: Link | undefined;
  #running: Promise<Link> | undefined;
  #everReady = false;
  #lastError: Error | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** It was ready at least once: what is not ready now has been lost. */
  get wasReady(): boolean {
    return this.#everReady;
  }

  /** Why the last attempt failed; undefined once an attempt has succeeded. */
  get lastError(): Error | undefined {
    return this.#lastError;
  }

  /** The current link when it is ready, for those that must not wait. */
  get link(): Link | undefined {
    return this.#state.kind === 'ready' ? this.#link : undefined;
  }

  /** Calls the listener on every change of state; returns the way to stop that. */
  onState(listener: (state: ConnectionState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Resolves with a ready link, and connects first where needed, for as long as that takes.
   * @throws {ConnectionError} closed, or refused for good before it was ever ready (credentials, vhost)
   * @throws {TopologyError} an attachment was refused before it was ever ready
   */
  ready(): Promise<Link> {
    if (this.#closed) return Promise.reject(closedError());
    if (this.#link && this.#state.kind === 'ready') return Promise.resolve(this.#link);
    return this.#running ?? this.#start();
  }

  /** Adds an attachment without connecting: it is restored with the first connection, whenever that is. */
  preset(attachment: Attachment): void {
    this.#attachments.add(attachment);
  }

  /** Puts an attachment on the connection, now and after every reconnect; resolves once it is in place. */
  async attach(attachment: Attachment): Promise<void> {
    this.#attachments.add(attachment);
    try {
      const link = this.link;
      if (link === undefined) await this.ready();
      else await this.#restoreOn(link, attachment);
    } catch (error) {
      this.#attachments.delete(attachment);
      throw error;
    }
  }

  detach(attachment: Attachment): void {
    this.#attachments.delete(attachment);
  }

  /**
   * Puts one attachment back that lost its channel while the link lives on, until it is in place or removed. While the
   * whole connection is being restored, it is restored once more before that counts as ready.
   */
  async reattach(attachment: Attachment): Promise<void> {
    this.#attachments.misplace(attachment);
    const { link } = this;
    // Who is at it already on this link sees that there is more to do.
    if (link === undefined || this.#reattaching.get(attachment) === link) return;
    this.#reattaching.set(attachment, link);
    await this.#reattachTo(link, attachment);
    if (this.#reattaching.get(attachment) === link) this.#reattaching.delete(attachment);
  }

  async #reattachTo(link: Link, attachment: Attachment): Promise<void> {
    const { backoff, random, observer } = this.#options;
    for (let attempt = 1; !this.#attachments.isInPlace(attachment); attempt += 1) {
      await pause(delayMs(backoff, attempt, random()), this.#stop.signal);
      // A newer link has restored it with everything else.
      if (this.link !== link || !this.#attachments.has(attachment)) return;
      try {
        await this.#attachments.restore(link, attachment);
      } catch (error) {
        observer({ kind: 'internal.failure', where: 'restoring a consumer or publisher', error });
      }
    }
  }

  /** Idempotent; never rejects. Waiting callers are rejected with CONNECTION_CLOSED. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#stop.abort();
    const link = this.#link;
    this.#link = undefined;
    // A handshake with a silent peer can not be interrupted; whatever still opens is closed by `#open`.
    if (this.#running) await settleWithin(this.#running, CLOSE_LIMIT_MS);
    // First, so that those who wait hear that it was us, not that a channel ended.
    this.#attachments.lost(closedError());
    await link?.close();
    this.#become({ kind: 'closed' });
    this.#listeners.clear();
  }

  #start(): Promise<Link> {
    // Not at once: a listener of the first change of state may ask for the connection, and must find this attempt.
    const running = Promise.resolve().then(() => this.#origin.runInAsyncScope(() => this.#run()));
    const done = (): void => {
      if (this.#running === running) this.#running = undefined;
    };
    this.#running = running;
    running.then(done, done);
    return running;
  }

  async #run(): Promise<Link> {
    for (let attempt = 1; ; attempt += 1) {
      const link = await this.#attempt(attempt);
      if (link) return link;
    }
  }

  /** One try: undefined when it failed and the wait for the next is over. */
  async #attempt(attempt: number): Promise<Link | undefined> {
    this.#throwIfClosed();
    this.#become({ kind: 'connecting', attempt });
    try {
      return await this.#open(attempt);
    } catch (error) {
      this.#throwIfClosed();
      await this.#failed(asError(error), attempt);
      return undefined;
    }
  }

  async #open(attempt: number): Promise<Link> {
    const { driver, connectionName, role, observer } = this.#options;
    const link = await driver.connect({ connectionName, signal: this.#stop.signal });
    const death = deferred<never>();
    death.promise.catch(() => undefined);
    link.onClosed((error) => {
      death.reject(
        error ?? new ConnectionError('CONNECTION_LOST', `the connection to ${link.address} ended`),
      );
      this.#onLinkClosed(link, error);
    });
    link.onBlocked((reason) => this.#onBlocked(link, reason));
    try {
      this.#throwIfClosed();
      this.#attachments.reset();
      // Until nothing is missing at the very moment in which the link becomes the current one.
      while (this.#attachments.missing()) await this.#restoreOrDie(link, death.promise);
      this.#throwIfClosed();
    } catch (error) {
      // Those that have been restored must not go on using it.
      this.#attachments.lost(asError(error));
      await link.close();
      throw error;
    }
    this.#link = link;
    this.#everReady = true;
    this.#lastError = undefined;
    this.#become({ kind: 'ready', address: link.address, sinceMs: Date.now() });
    observer({ kind: 'connection.ready', role, address: link.address, attempts: attempt });
    return link;
  }

  /** When a refusal has ended the connection, it explains more than the connection's end. */
  async #restoreOrDie(link: Link, death: Promise<never>): Promise<void> {
    const restoring = this.#attachments.restoreAll(link);
    try {
      await Promise.race([restoring, death]);
    } catch (error) {
      let refusal: TopologyError | undefined;
      const looking = restoring.catch((reason: unknown) => {
        if (reason instanceof TopologyError) refusal = reason;
      });
      await settleWithin(looking, CLOSE_LIMIT_MS);
      throw refusal ?? error;
    }
  }

  async #restoreOn(link: Link, attachment: Attachment): Promise<void> {
    try {
      await this.#attachments.restore(link, attachment);
    } catch (error) {
      // When the link died meanwhile, the next one restores it with all others.
      if (this.link === link || error instanceof TopologyError) throw error;
      await this.ready();
    }
  }

  async #failed(error: Error, attempt: number): Promise<void> {
    this.#lastError = error;
    const { observer, role, backoff, random } = this.#options;
    const permanent = isPermanent(error);
    if (permanent && !this.#everReady) {
      this.#become({ kind: 'failed', error });
      observer({ kind: 'connection.failed', role, error, attempt, retryInMs: undefined });
      throw error;
    }
    const retryInMs = permanent ? backoff.maxDelayMs : delayMs(backoff, attempt, random());
    this.#become({ kind: 'waiting', attempt, retryInMs, error });
    observer({ kind: 'connection.failed', role, error, attempt, retryInMs });
    await pause(retryInMs, this.#stop.signal);
  }

  #onLinkClosed(link: Link, error: Error | undefined): void {
    if (this.#link !== link || this.#closed) return;
    this.#link = undefined;
    const { observer, role } = this.#options;
    const reason = error ?? new ConnectionError('CONNECTION_LOST', `the connection to ${link.address} ended`);
    observer({ kind: 'connection.lost', role, address: link.address, error });
    this.#attachments.lost(reason);
    this.#start().catch(() => undefined);
  }

  #onBlocked(link: Link, reason: string | undefined): void {
    if (this.#link !== link || this.#state.kind !== 'ready') return;
    const { address, sinceMs } = this.#state;
    const { observer, role } = this.#options;
    if (reason === undefined) {
      this.#become({ kind: 'ready', address, sinceMs });
      observer({ kind: 'connection.unblocked', role });
    } else {
      this.#become({ kind: 'ready', address, sinceMs, blocked: { reason, sinceMs: Date.now() } });
      observer({ kind: 'connection.blocked', role, reason });
    }
  }

  #become(state: ConnectionState): void {
    this.#state = state;
    for (const listener of this.#listeners) {
      try {
        listener(state);
      } catch (error) {
        this.#options.observer({
          kind: 'internal.failure',
          where: 'a listener of the connection state',
          error,
        });
      }
    }
  }

  #throwIfClosed(): void {
    if (this.#stop.signal.aborted) throw closedError();
  }
}
