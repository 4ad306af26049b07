import type { PostageConnection } from '../connection/connection.js';
import type { Delivery } from '../connection/port.js';
import { PublishError, RpcTimeoutError } from '../errors.js';
import type { Observer } from '../observability/observer.js';
import { AddressDesk, factsOf } from './address-desk.js';
import { EchoRecord } from './echo-record.js';
import { PendingCall, type CallListeners, type CallProgress, type ReplyCollector } from './pending-call.js';
import type { ReplyAddress } from './reply-address.js';
import { ReplyAddresses } from './reply-addresses.js';
import { CallClock } from './call-clock.js';
import { expirationOf, publicationOf, type RpcRequest, type Sending } from './rpc-request.js';
import type { RpcSnapshot } from './rpc-snapshot.js';

export interface RpcCallerOptions {
  readonly connection: PostageConnection;
  readonly observer: Observer;
  /** How many calls may wait for replies at once. */
  readonly maxCalls: number;
  /** How long an unused reply address is kept, in milliseconds. */
  readonly idleMs: number;
}

/** An address whose replies are for somebody else to read: first `collect`, then `send`, at last `release`. */
export interface OpenReplies {
  readonly name: string;
  /** Hands on every reply, and why no further one can come. */
  collect(collector: ReplyCollector): void;
  /**
   * Sends the request, once. It expires with the timeout of the request where `expires` is true, else never.
   * Rejects as a publish does; OUTCOME_UNKNOWN: replies may come all the same.
   */
  send(expires: boolean): Promise<void>;
  /** Gives the address back; idempotent. */
  release(): void;
}

/** Sends rpcs and waits for their replies. */
export class RpcCaller {
  readonly #connection: PostageConnection;
  readonly #addresses: ReplyAddresses;
  readonly #desk: AddressDesk;
  readonly #echo = new EchoRecord();
  readonly #listeners: CallListeners;
  #lateReplies = 0;

  constructor({ connection, observer, maxCalls, idleMs }: RpcCallerOptions) {
    const onLate = ({ name }: ReplyAddress, { properties }: Delivery): void => {
      this.#lateReplies += 1;
      observer({ kind: 'reply.late', queue: name, correlationId: properties.correlationId });
    };
    const onAmbiguous = ({ name }: ReplyAddress, { target }: RpcRequest): void => {
      this.#echo.note(target, false);
      this.#lateReplies += 1;
      observer({ kind: 'reply.ambiguous', queue: name });
    };
    this.#connection = connection;
    this.#addresses = new ReplyAddresses({ connection, observer, maxCalls, idleMs, onLate });
    this.#desk = new AddressDesk(this.#addresses);
    this.#listeners = { onStranger: onLate, onAmbiguous };
  }

  get snapshot(): RpcSnapshot {
    const { slots, queues, direct } = this.#addresses;
    return {
      pending: slots.taken,
      waiting: slots.waiting,
      lateReplies: this.#lateReplies,
      replyQueues: queues,
      directReplies: direct,
    };
  }

  /**
   * Resolves with the reply as it came.
   * @throws {RpcTimeoutError} no reply within any attempt
   * @throws {PublishError} UNROUTABLE, NACKED, NOT_CONNECTED, EXCHANGE_NOT_FOUND, ACCESS_REFUSED, ABORTED
   * @throws {ConnectionError} the connection that the reply would have come on was lost, or closed by us
   */
  async call(request: RpcRequest): Promise<Delivery> {
    const clock = new CallClock(request);
    const call = new PendingCall(request, this.#listeners);
    try {
      call.throwIfFailed();
      if (!this.#desk.tryTakeSlot()) await this.#desk.takeSlot(request, clock);
      try {
        return await this.#run(request, call, clock);
      } finally {
        this.#desk.releaseSlot();
      }
    } finally {
      call.end();
    }
  }

  async #run(request: RpcRequest, call: PendingCall, clock: CallClock): Promise<Delivery> {
    const { target } = request;
    const listen = async (path: 'correlated' | 'once'): Promise<string> => {
      const address = await this.#desk.take(request, clock, path);
      call.listenAt(address);
      return address.name;
    };
    let replyTo = await listen(this.#addresses.pathFor(this.#echo.has(target)));
    const { count, leftOf } = clock.attempts();
    for (let attempt = 1; attempt <= count; attempt += 1) {
      const limitMs = leftOf(attempt);
      const expirationMs = expirationOf(request, limitMs);
      const remainingMs = clock.leftMs;
      // The reply may have come while another address was waited for.
      if (!call.isSettled) this.#send(request, call, { replyTo, attempt, expirationMs, remainingMs });
      const progress = await progressWithin(call, limitMs, attempt < count);
      if (progress.kind === 'failed') throw progress.error;
      if (progress.kind === 'reply') {
        this.#echo.note(target, Boolean(progress.delivery.properties.correlationId));
        return progress.delivery;
      }
      // The first address is listened at as before: a reply with our correlation id may yet come there. Where no other
      // is to be had, it has to do.
      if (progress.kind === 'ambiguous')
        replyTo = await call.unlessSettled(
          listen('once').catch(() => replyTo),
          replyTo,
        );
    }
    throw this.#notAnswered(request, call, clock);
  }

  /** The truth about a call whose time is over: it may not even have been sent. */
  #notAnswered(request: RpcRequest, call: PendingCall, clock: CallClock): Error {
    const { messageId, sent, setback } = call;
    const obstacle = sent === 0 ? this.#addresses.obstacle('once') : undefined;
    if (obstacle) return new PublishError('NOT_CONNECTED', request.target, { cause: obstacle.cause });
    const unsent = sent === 0 ? 'it was not sent, since its time was over before it could be' : undefined;
    const reason = setback === undefined ? unsent : `a later attempt failed: ${setback.message}`;
    return new RpcTimeoutError({ ...factsOf(request, clock), messageId, attempts: sent, reason });
  }

  #send(request: RpcRequest, call: PendingCall, attempt: Omit<Sending, 'messageId'>): void {
    this.#publish(request, call, attempt).catch((error: unknown) => {
      const isPublishError = error instanceof PublishError && error.code !== 'ABORTED';
      // Sent, but not confirmed: the reply may come all the same.
      if (isPublishError && error.code === 'OUTCOME_UNKNOWN') return;
      // An earlier attempt was taken, and may be being handled: the reply to that one may come.
      if (isPublishError && attempt.attempt > 1) call.setback = error;
      else call.fail(error);
    });
  }

  #publish(request: RpcRequest, call: PendingCall, own: Omit<Sending, 'messageId'>): Promise<void> {
    const { replyTo, attempt, remainingMs, expirationMs } = own;
    const sending = { replyTo, attempt, remainingMs, expirationMs, messageId: call.messageId };
    return this.#connection.publish(publicationOf(request, sending, call));
  }

  /** An address for a request with any number of replies; the caller releases it. */
  async open(request: RpcRequest, path: 'once' | 'queue'): Promise<OpenReplies> {
    const clock = new CallClock(request);
    const call = new PendingCall(request, this.#listeners);
    let end = (): void => call.end();
    try {
      call.throwIfFailed();
      await this.#desk.takeSlot(request, clock);
      end = () => {
        call.end();
        this.#desk.releaseSlot();
      };
      const address = await this.#desk.take(request, clock, path);
      call.listenAt(address);
      const { name: replyTo } = address;
      return {
        name: replyTo,
        collect: (collector) => call.collect(collector),
        send: (expires) => {
          const expirationMs = expires ? expirationOf(request, clock.leftMs) : undefined;
          const remainingMs = expires ? clock.leftMs : undefined;
          return this.#publish(request, call, { replyTo, attempt: 1, expirationMs, remainingMs });
        },
        release: once(end),
      };
    } catch (error) {
      end();
      throw error;
    }
  }
}

/** What becomes of a call within one attempt; where it is the last one, something ambiguous changes nothing. */
const progressWithin = (call: PendingCall, limitMs: number, mayRetry: boolean): Promise<CallProgress> =>
  mayRetry ? call.next(limitMs) : finalProgressWithin(call, limitMs);

const finalProgressWithin = async (call: PendingCall, limitMs: number): Promise<CallProgress> => {
  const endMs = performance.now() + limitMs;
  let progress = await call.next(limitMs);
  while (progress.kind === 'ambiguous') progress = await call.next(endMs - performance.now());
  return progress;
};

const once = (action: () => void): (() => void) => {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    action();
  };
};
