import { randomUUID } from 'node:crypto';
import type { PostageConnection } from '../connection/connection.js';
import { deferred } from '../connection/deferred.js';
import type { Delivery, MessageProperties } from '../connection/port.js';
import { ConnectionError, PublishError, RpcTimeoutError, type PublishTarget } from '../errors.js';
import type { Observer } from '../observability/observer.js';
import type { Topology } from '../topology/types.js';
import { ReplyPool, type ReplyAddress } from './reply-pool.js';

/** One rpc, ready to be sent: the body does not change between attempts. */
export interface RpcRequest {
  readonly target: PublishTarget;
  readonly topology: Topology;
  readonly content: Buffer;
  readonly properties: MessageProperties;
  readonly mandatory: boolean;
  /** Of each attempt. */
  readonly timeoutMs: number;
  readonly maxRetry: number;
  readonly publishTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** For the error of a timeout. */
  readonly type: string;
  readonly command: string;
}

interface Attempt {
  readonly address: ReplyAddress;
  /** The same on every attempt of one call. */
  readonly messageId: string;
  /** Nobody waits for the reply any longer than this; undefined: for as long as the caller likes. */
  readonly expirationMs: number | undefined;
}

/** Sends rpcs and waits for their replies. */
export class RpcCaller {
  readonly #connection: PostageConnection;
  readonly #observer: Observer;
  readonly pool: ReplyPool;

  constructor(connection: PostageConnection, observer: Observer, maxReplyQueues: number) {
    this.#connection = connection;
    this.#observer = observer;
    this.pool = new ReplyPool(connection.consuming, maxReplyQueues);
  }

  /**
   * Resolves with the reply as it came.
   * @throws {RpcTimeoutError} no reply within any attempt
   * @throws {PublishError} UNROUTABLE, NACKED, NOT_CONNECTED, EXCHANGE_NOT_FOUND, ABORTED
   * @throws {ConnectionError} the connection that the reply would have come on was lost, or closed by us
   */
  async call(request: RpcRequest): Promise<Delivery> {
    const startedMs = performance.now();
    const messageId = randomUUID();
    const address = this.pool.tryAcquire() ?? (await this.#acquire(request));
    let attempts = 0;
    let clean = false;
    try {
      while (attempts <= request.maxRetry) {
        attempts += 1;
        const reply = await this.#attempt(request, address, messageId);
        if (reply === 'timeout') continue;
        // After a retry a second reply may still be on its way: the queue must not serve another call.
        clean = attempts === 1;
        return reply;
      }
    } finally {
      this.pool.release(address, clean);
    }
    const elapsedMs = Math.round(performance.now() - startedMs);
    const { target, type, command } = request;
    throw new RpcTimeoutError({ ...target, messageId, type, command, attempts, elapsedMs });
  }

  /**
   * Sends one attempt and hands back the queue that its replies will come to; the caller reads and retires it.
   * @param onReply set before the request leaves
   */
  async open(request: RpcRequest, onReply: (delivery: Delivery) => void): Promise<ReplyAddress> {
    const address = this.pool.tryAcquire() ?? (await this.#acquire(request));
    const messageId = randomUUID();
    address.onReply = (delivery) => {
      if (isReplyTo(messageId, delivery)) onReply(delivery);
      else this.#onStranger(address, delivery);
    };
    let lost: Error | undefined;
    address.onLost = (error) => {
      lost = error;
    };
    try {
      await this.#publish(request, { address, messageId, expirationMs: undefined });
      // Replies to a queue that is gone come to nobody.
      if (lost) throw lostReplyPath(lost);
    } catch (error) {
      this.pool.release(address, false);
      throw error;
    }
    return address;
  }

  #publish(request: RpcRequest, { address, messageId, expirationMs }: Attempt): Promise<void> {
    const { target, content, properties, mandatory, topology, publishTimeoutMs, timeoutMs, signal } = request;
    const own = { messageId, correlationId: messageId, replyTo: address.name };
    const expiration = shorter(properties.expiration, expirationMs);
    const message = {
      exchange: target.exchange,
      routingKey: target.routingKey,
      content,
      mandatory,
      properties: { ...properties, ...own, ...(expiration === undefined ? {} : { expiration }) },
    };
    const deadlineMs = Math.min(publishTimeoutMs, timeoutMs);
    return this.#connection.publish({ message, topology, deadlineMs, signal });
  }

  async #attempt(
    request: RpcRequest,
    address: ReplyAddress,
    messageId: string,
  ): Promise<Delivery | 'timeout'> {
    const { promise, resolve, reject } = deferred<Delivery | 'timeout'>();
    // Before publishing: a reply may overtake the broker's confirm.
    address.onReply = (delivery) => {
      if (isReplyTo(messageId, delivery)) resolve(delivery);
      else this.#onStranger(address, delivery);
    };
    address.onLost = (error) => reject(lostReplyPath(error));
    const onAbort = (): void =>
      reject(new PublishError('ABORTED', request.target, { cause: request.signal?.reason }));
    request.signal?.addEventListener('abort', onAbort, { once: true });
    const attempt = { address, messageId, expirationMs: request.timeoutMs };
    this.#publish(request, attempt).catch((error: unknown) => {
      // Sent, but not confirmed: the reply may come all the same.
      if (!(error instanceof PublishError && error.code === 'OUTCOME_UNKNOWN')) reject(error);
    });
    // After the publish has set its own: where nothing could be sent, that is what the caller hears, not a timeout.
    const timer = setTimeout(resolve, request.timeoutMs, 'timeout');
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      request.signal?.removeEventListener('abort', onAbort);
    }
  }

  /** The first wait of a call: for a connection, and for one of the pool's queues. */
  async #acquire({ target, timeoutMs, signal }: RpcRequest): Promise<ReplyAddress> {
    const giveUp = new AbortController();
    const onAbort = (): void => giveUp.abort(new PublishError('ABORTED', target, { cause: signal?.reason }));
    const onTimeout = (): void => {
      const cause = this.#connection.consuming.lastError;
      giveUp.abort(new PublishError('NOT_CONNECTED', target, { cause }));
    };
    const timer = setTimeout(onTimeout, timeoutMs);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted) onAbort();
    try {
      return await this.pool.acquire(giveUp.signal);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  #onStranger(address: ReplyAddress, { properties }: Delivery): void {
    this.#observer({ kind: 'reply.late', queue: address.name, correlationId: properties.correlationId });
  }
}

/** A peer need not echo a correlation id; one that does must echo ours. */
const isReplyTo = (messageId: string, { properties }: Delivery): boolean =>
  properties.correlationId === undefined || properties.correlationId === messageId;

const shorter = (own: string | undefined, limitMs: number | undefined): string | undefined => {
  if (limitMs === undefined) return own;
  return String(own === undefined ? limitMs : Math.min(Number(own), limitMs));
};

const lostReplyPath = (error: Error): Error =>
  error instanceof ConnectionError && error.code === 'CONNECTION_CLOSED'
    ? error
    : new ConnectionError(
        'CONNECTION_LOST',
        'the connection that the reply would have come on was lost; whether the call was handled is unknown',
        { cause: error },
      );
