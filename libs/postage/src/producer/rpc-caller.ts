import type { PostageConnection } from '../connection/connection.js';
import type { Delivery } from '../connection/port.js';
import type { PublishRequest } from '../connection/publication.js';
import { PublishError, RpcTimeoutError } from '../errors.js';
import type { Observer } from '../observability/observer.js';
import { AddressDesk, factsOf } from './address-desk.js';
import { EchoRecord } from './echo-record.js';
import {
  PendingCall,
  type CallProgress,
  type CallSurroundings,
  type ReplyCollector,
} from './pending-call.js';
import type { ReplyAddress } from './reply-address.js';
import { ReplyAddresses } from './reply-addresses.js';
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
  readonly #around: CallSurroundings;
  #lateReplies = 0;

  constructor({ connection, observer, maxCalls, idleMs }: RpcCallerOptions) {
    const onLate = ({ name }: ReplyAddress, { properties }: Delivery): void => {
      this.#lateReplies += 1;
      observer({ kind: 'reply.late', queue: name, correlationId: properties.correlationId });
    };
    const onAmbiguous = ({ name }: ReplyAddress): void => {
      this.#lateReplies += 1;
      observer({ kind: 'reply.ambiguous', queue: name });
    };
    this.#connection = connection;
    this.#addresses = new ReplyAddresses({ connection, observer, maxCalls, idleMs, onLate, onAmbiguous });
    this.#desk = new AddressDesk(this.#addresses);
    this.#around = {
      deadlines: connection.deadlines,
      onStranger: onLate,
      onAmbiguous: ({ target }) => this.#echo.note(target, false),
    };
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
   * @throws {BrokerError} the broker refuses a reply queue where there is nothing else, for example beyond a limit of queues
   */
  async call(request: RpcRequest): Promise<Delivery> {
    const call = new PendingCall(request, this.#around);
    let hasSlot = false;
    try {
      call.throwIfFailed();
      // Mostly there is a slot, and an address: then the reply is all that is waited for.
      if (!this.#desk.tryTakeSlot()) await this.#desk.takeSlot(request, call.clock);
      hasSlot = true;
      if (!this.#tryListen(call)) await this.#listenAlone(call);
      const count = call.clock.begin();
      for (let attempt = 1; attempt <= count; attempt += 1) {
        const progress = await this.#attempt(call, attempt, attempt < count);
        if (progress.kind === 'failed') throw progress.error;
        if (progress.kind === 'reply') {
          this.#echo.note(request.target, Boolean(progress.delivery.properties.correlationId));
          return progress.delivery;
        }
        // The first address is listened at as before: a reply with our correlation id may yet come there. Where no other
        // is to be had in the time of this attempt, or in half of that of the next one, it has to do.
        if (progress.kind === 'ambiguous') {
          const limitMs = Math.max(call.clock.leftOf(attempt), request.timeoutMs / 2);
          await call.orSettled(this.#listenAlone(call).catch(ignore), limitMs);
        }
      }
      throw this.#notAnswered(call);
    } finally {
      if (hasSlot) this.#desk.releaseSlot();
      call.end();
    }
  }

  #tryListen(call: PendingCall): boolean {
    const address = this.#desk.tryTake(call.messageId, this.#echo.has(call.request.target));
    if (address) call.listenAt(address);
    return address !== undefined;
  }

  /** At an address that no earlier call has used. */
  async #listenAlone(call: PendingCall): Promise<void> {
    call.listenAt(await this.#desk.take(call.request, call.clock, 'once'));
  }

  /** Sends the request, unless that is of no use any more, and waits. */
  #attempt(call: PendingCall, attempt: number, mayRetry: boolean): Promise<CallProgress> {
    const { request, clock, replyTo } = call;
    const limitMs = clock.leftOf(attempt);
    // Before it is sent: where it can not be sent at all, the end of the attempt comes before that of the publish.
    const progress = call.next(limitMs, mayRetry);
    // The reply may have come while another address was waited for.
    if (call.isSettled) return progress;
    const expirationMs = expirationOf(request, limitMs);
    const publication = publicationFor(call, { replyTo, attempt, expirationMs, remainingMs: clock.leftMs });
    this.#connection.post(publication, call.outcomeOf(attempt));
    return progress;
  }

  /** The truth about a call whose time is over: it may not even have been sent. */
  #notAnswered({ request, clock, messageId, sent, setback }: PendingCall): Error {
    const obstacle = sent === 0 ? this.#addresses.obstacle('once') : undefined;
    if (obstacle) return new PublishError('NOT_CONNECTED', request.target, { cause: obstacle.cause });
    const unsent = sent === 0 ? 'it was not sent, since its time was over before it could be' : undefined;
    const reason = setback === undefined ? unsent : `a later attempt failed: ${setback.message}`;
    return new RpcTimeoutError({ ...factsOf(request, clock), messageId, attempts: sent, reason });
  }

  /** An address for a request with any number of replies; the caller releases it. */
  async open(request: RpcRequest, path: 'once' | 'queue'): Promise<OpenReplies> {
    const call = new PendingCall(request, this.#around);
    const { clock } = call;
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
          const publication = publicationFor(call, { replyTo, attempt: 1, expirationMs, remainingMs });
          return this.#connection.publish(publication);
        },
        release: once(end),
      };
    } catch (error) {
      end();
      throw error;
    }
  }
}

const publicationFor = (call: PendingCall, own: Omit<Sending, 'messageId'>): PublishRequest => {
  const { replyTo, attempt, remainingMs, expirationMs } = own;
  const sending = { replyTo, attempt, remainingMs, expirationMs, messageId: call.messageId };
  return publicationOf(call.request, sending, call);
};

const ignore = (): void => undefined;

const once = (action: () => void): (() => void) => {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    action();
  };
};
