import { AsyncResource } from 'node:async_hooks';
import { TopologyError } from '../errors.js';
import type { Attachment } from './attachment.js';
import { Attachments } from './attachments.js';
import { Attempts } from './attempts.js';
import { endOf, LinkOpening } from './link-opening.js';
import { LoopLag } from './loop-lag.js';
import { pause } from './pause.js';
import { asError, closedError, isPermanent } from './permanence.js';
import type { Link } from './port.js';
import { Reattachments } from './reattachments.js';
import { settleWithin } from './settle-within.js';
import { endOfStart, UNLIMITED } from './startup.js';
import type { Blocked, ConnectionState } from './state.js';
import { StateCell } from './state-cell.js';
import type { SupervisorOptions } from './supervisor-options.js';

const CLOSE_LIMIT_MS = 2_000;

/**
 * Keeps one connection open: connects when it is first needed, restores all attachments as one unit, and starts over
 * with backoff whenever any of that fails or the link is lost.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #attachments = new Attachments();
  readonly #reattachments: Reattachments;
  readonly #attempts: Attempts;
  readonly #lag = new LoopLag();
  readonly #stop = new AbortController();
  /** Whoever happens to open the connection has nothing to do with what comes over it: no `AsyncLocalStorage` goes along. */
  readonly #origin = new AsyncResource('PostageConnection');
  readonly #state: StateCell;
  #link: Link | undefined;
  #running: Promise<Link> | undefined;
  #everReady = false;
  #lastError: Error | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    const { backoff, random, observer } = options;
    const report =
      (where: string) =>
      (error: unknown): void =>
        observer({ kind: 'internal.failure', where, error });
    this.#attempts = new Attempts(backoff, random);
    this.#state = new StateCell(report('a listener of the connection state'));
    this.#reattachments = new Reattachments({
      attachments: this.#attachments,
      backoff,
      random,
      stop: this.#stop.signal,
      link: () => this.link,
      onError: report('restoring a consumer or publisher'),
    });
  }

  get state(): ConnectionState {
    return this.#state.value;
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
    return this.state.kind === 'ready' ? this.#link : undefined;
  }

  /** Calls the listener on every change of state; returns the way to stop that. */
  onState(listener: (state: ConnectionState) => void): () => void {
    return this.#state.onChange(listener);
  }

  /**
   * Resolves with a ready link, and connects first where needed, for as long as that takes.
   * @throws {ConnectionError} closed, or refused for good before it was ever ready (credentials, vhost)
   * @throws {TopologyError} an attachment was refused before it was ever ready
   */
  ready(): Promise<Link> {
    if (this.#closed) return Promise.reject(closedError());
    if (this.#link && this.state.kind === 'ready') return Promise.resolve(this.#link);
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
    await this.#reattachments.reattach(attachment);
  }

  /** Idempotent; never rejects. Waiting callers are rejected with CONNECTION_CLOSED. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#stop.abort();
    this.#lag.stop();
    const link = this.#link;
    this.#link = undefined;
    // Whatever still opens is closed by `#open`.
    if (this.#running) await settleWithin(this.#running, CLOSE_LIMIT_MS);
    // First, so that those who wait hear that it was us, not that a channel ended.
    this.#attachments.lost(closedError());
    await link?.close();
    this.#state.set({ kind: 'closed' });
    this.#state.end();
  }

  /** @param lost why there is no connection any more, where there was one */
  #start(lost?: Error): Promise<Link> {
    // Not at once: a listener of the first change of state may ask for the connection, and must find this attempt.
    const running = Promise.resolve().then(() => this.#origin.runInAsyncScope(() => this.#run(lost)));
    const done = (): void => {
      if (this.#running === running) this.#running = undefined;
    };
    this.#running = running;
    running.then(done, done);
    return running;
  }

  async #run(lost: Error | undefined): Promise<Link> {
    const sinceMs = performance.now();
    if (lost) await this.#wait(0, this.#attempts.nextDelayMs(), lost);
    for (;;) {
      const link = await this.#attempt(this.#attempts.begin(), sinceMs);
      if (link) return link;
    }
  }

  /** One try: undefined when it failed and the wait for the next is over. */
  async #attempt(attempt: number, sinceMs: number): Promise<Link | undefined> {
    this.#throwIfClosed();
    this.#state.set({ kind: 'connecting', attempt });
    try {
      return await this.#open(attempt);
    } catch (error) {
      this.#throwIfClosed();
      await this.#failed(asError(error), attempt, performance.now() - sinceMs);
      return undefined;
    }
  }

  async #open(attempt: number): Promise<Link> {
    const { driver, connectionName, role, observer } = this.#options;
    const link = await driver.connect({ connectionName, signal: this.#stop.signal });
    const opening = new LinkOpening(link, this.#stop.signal);
    let blocked: Blocked | undefined;
    link.onClosed((error) => this.#onLinkClosed(link, error));
    link.onBlocked((reason) => {
      blocked = reason === undefined ? undefined : { reason, sinceMs: Date.now() };
      this.#onBlocked(link, blocked);
    });
    try {
      this.#throwIfClosed();
      this.#attachments.reset();
      // Until nothing is missing at the very moment in which the link becomes the current one.
      while (this.#attachments.missing()) await opening.putInPlace(this.#attachments);
      this.#throwIfClosed();
    } catch (error) {
      // Those that have been restored must not go on using it.
      this.#attachments.lost(asError(error));
      await link.close();
      throw error;
    } finally {
      opening.done();
    }
    this.#link = link;
    this.#everReady = true;
    this.#lastError = undefined;
    this.#attempts.succeeded();
    this.#lag.start();
    this.#state.set({ kind: 'ready', address: link.address, sinceMs: Date.now() });
    observer({ kind: 'connection.ready', role, address: link.address, attempts: attempt });
    // It may have been blocked before it was ready.
    if (blocked !== undefined) this.#onBlocked(link, blocked);
    return link;
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

  async #failed(error: Error, attempt: number, elapsedMs: number): Promise<void> {
    this.#lastError = error;
    const { observer, role, backoff, startup = UNLIMITED } = this.#options;
    const permanent = isPermanent(error);
    const failed = { error, isPermanent: permanent, attempt, elapsedMs };
    const end = this.#everReady ? undefined : endOfStart(startup, failed);
    if (end) {
      this.#state.set({ kind: 'failed', error: end });
      observer({ kind: 'connection.failed', role, error: end, attempt, retryInMs: undefined });
      this.#tryAgainLater();
      throw end;
    }
    const leftMs = this.#everReady ? Infinity : startup.timeoutMs - elapsedMs;
    const retryInMs = Math.min(permanent ? backoff.maxDelayMs : this.#attempts.nextDelayMs(), leftMs);
    observer({ kind: 'connection.failed', role, error, attempt, retryInMs });
    await this.#wait(attempt, retryInMs, error);
  }

  /** One that opens with its first use, and was refused: somebody may mend that, and nobody may use it before it is there. */
  #tryAgainLater(): void {
    if (this.#options.startup !== undefined) return;
    const again = async (): Promise<void> => {
      await pause(this.#options.backoff.maxDelayMs, this.#stop.signal, false);
      if (this.state.kind === 'failed') await this.#start();
    };
    again().catch(() => undefined);
  }

  async #wait(attempt: number, retryInMs: number, error: Error): Promise<void> {
    this.#state.set({ kind: 'waiting', attempt, retryInMs, error });
    await pause(retryInMs, this.#stop.signal);
  }

  #onLinkClosed(link: Link, error: Error | undefined): void {
    if (this.#link !== link || this.#closed) return;
    this.#link = undefined;
    const { observer, role } = this.#options;
    const reason = error ?? endOf(link);
    observer({ kind: 'connection.lost', role, address: link.address, error });
    const text = this.#lag.explain(role, link.heartbeatMs);
    if (text !== undefined) observer({ kind: 'warning', text });
    this.#attempts.lost();
    this.#attachments.lost(reason);
    this.#start(reason).catch(() => undefined);
  }

  #onBlocked(link: Link, blocked: Blocked | undefined): void {
    const { state } = this;
    if (this.#link !== link || state.kind !== 'ready') return;
    const { address, sinceMs } = state;
    const { observer, role } = this.#options;
    this.#state.set({ kind: 'ready', address, sinceMs, ...(blocked && { blocked }) });
    if (blocked) observer({ kind: 'connection.blocked', role, reason: blocked.reason });
    else observer({ kind: 'connection.unblocked', role });
  }

  #throwIfClosed(): void {
    if (this.#stop.signal.aborted) throw closedError();
  }
}
