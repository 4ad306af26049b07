import { randomUUID } from 'node:crypto';
import type { Deadline, Deadlines, Timed } from '../connection/deadlines.js';
import { onAbort } from '../connection/on-abort.js';
import type { Delivery } from '../connection/port.js';
import type { OutcomeListener, PublishWatcher } from '../connection/publication.js';
import { ConnectionError, PublishError } from '../errors.js';
import { CallClock } from './call-clock.js';
import type { ReplyAddress, ReplyListener } from './reply-address.js';
import type { RpcRequest } from './rpc-request.js';

/** What a call waits for, and what may come instead. */
export type CallProgress =
  | { readonly kind: 'reply'; readonly delivery: Delivery }
  | { readonly kind: 'failed'; readonly error: unknown }
  /** A reply without a correlation id, where another call might have been meant. */
  | { readonly kind: 'ambiguous' }
  | { readonly kind: 'timeout' };

const TIMEOUT: CallProgress = { kind: 'timeout' };
const AMBIGUOUS: CallProgress = { kind: 'ambiguous' };

export interface CallSurroundings {
  readonly deadlines: Deadlines;
  /** A reply that is not this call's. */
  onStranger(address: ReplyAddress, delivery: Delivery): void;
  /** A reply that may be this call's, or another one's. */
  onAmbiguous(request: RpcRequest): void;
}

/** For requests with any number of replies. */
export interface ReplyCollector {
  readonly onReply: (delivery: Delivery) => void;
  /** No reply can come any more, or the caller has aborted. */
  readonly onFailed: (error: unknown) => void;
}

/** One rpc on its way: listens at its addresses from the first attempt to the end, also between two attempts. */
export class PendingCall implements PublishWatcher, OutcomeListener, ReplyListener, Timed {
  readonly request: RpcRequest;
  readonly clock: CallClock;
  /** The same on every attempt. */
  readonly messageId = randomUUID();
  /** How often the request has left. */
  sent = 0;
  /** Why a later attempt could not be made. */
  setback: Error | undefined;
  readonly #around: CallSurroundings;
  readonly #addresses: ReplyAddress[] = [];
  #stopListening: (() => void) | undefined;
  #final: CallProgress | undefined;
  #returned = 0;
  #ambiguous = false;
  #ended = false;
  #collector: ReplyCollector | undefined;
  #onSettled: (() => void) | undefined;
  /** While somebody waits: whom to tell, until when, and whether what is ambiguous is of interest. */
  #wake: ((progress: CallProgress) => void) | undefined;
  #deadline: Deadline | undefined;
  #mayRetry = true;

  constructor(request: RpcRequest, around: CallSurroundings) {
    this.request = request;
    this.clock = new CallClock(request);
    this.#around = around;
    if (request.signal)
      this.#stopListening = onAbort(request.signal, (cause) =>
        this.fail(new PublishError('ABORTED', { ...request.target, messageId: this.messageId }, { cause })),
      );
  }

  isWanted(): boolean {
    return !this.#ended;
  }

  onSent(): void {
    this.sent += 1;
  }

  /** As long as another attempt may have reached somebody, a reply may come. */
  onReturned(): void {
    this.#returned += 1;
    if (this.#returned < this.sent) return;
    this.fail(new PublishError('UNROUTABLE', { ...this.request.target, messageId: this.messageId }));
  }

  /** Who hears what the broker says to an attempt: the call itself to its first one. */
  outcomeOf(attempt: number): OutcomeListener {
    if (attempt === 1) return this;
    return { onConfirmed: () => this.onConfirmed(), onFailed: (error) => this.#onLaterFailed(error) };
  }

  /** The reply says more. */
  onConfirmed(): void {}

  onFailed(error: unknown): void {
    // Sent, but not confirmed: the reply may come all the same.
    if (!isOutcomeUnknown(error)) this.fail(error);
  }

  /** An earlier attempt was taken, and may be being handled: the reply to that one may come. */
  #onLaterFailed(error: unknown): void {
    if (isOutcomeUnknown(error)) return;
    if (error instanceof PublishError && error.code !== 'ABORTED') this.setback = error;
    else this.fail(error);
  }

  /** There is a reply, or it has failed. */
  get isSettled(): boolean {
    return this.#final !== undefined;
  }

  /** Where it listens since the last attempt, and where replies are to be sent to. */
  get replyTo(): string {
    return this.#addresses.at(-1)?.name ?? '';
  }

  /** Before the request leaves: a reply may overtake the broker's confirm. */
  listenAt(address: ReplyAddress): void {
    // It came too late: the call is over, and would never give it back.
    if (this.#ended) return address.release();
    this.#addresses.push(address);
    address.listener = this;
  }

  /** Hands on every reply, until the end; only where all its addresses are its own. */
  collect(collector: ReplyCollector): void {
    this.#collector = collector;
    // It may have failed before there was anybody to tell.
    if (this.#final?.kind === 'failed') collector.onFailed(this.#final.error);
  }

  /** Done with `work`, which does not reject, as soon as the call is settled, or when the time is over. */
  orSettled(work: Promise<void>, limitMs: number): Promise<void> {
    if (this.#final) return Promise.resolve();
    return new Promise((resolve) => {
      const deadline = this.#around.deadlines.add(limitMs, { onTimeUp: resolve });
      const done = (): void => {
        deadline.cancel();
        resolve();
      };
      this.#onSettled = done;
      void work.then(done);
    });
  }

  fail(error: unknown): void {
    if (this.#ended || this.#final) return;
    this.#finish({ kind: 'failed', error });
    this.#collector?.onFailed(error);
  }

  /** For the next attempt: the end, when there is one already or within the limit; else what else there is to know, where it is not too late to try again. */
  next(limitMs: number, mayRetry = true): Promise<CallProgress> {
    if (this.#final) return Promise.resolve(this.#final);
    // What was ambiguous before belongs to an attempt that is over.
    this.#ambiguous = false;
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#mayRetry = mayRetry;
      this.#deadline = this.#around.deadlines.add(limitMs, this);
    });
  }

  onTimeUp(): void {
    this.#tell(this.#ambiguous && this.#mayRetry ? AMBIGUOUS : TIMEOUT);
  }

  /** Throws what has ended it before anything was sent. */
  throwIfFailed(): void {
    if (this.#final?.kind === 'failed') throw this.#final.error;
  }

  /** Gives its addresses back. */
  end(): void {
    this.#ended = true;
    this.#deadline?.cancel();
    this.#stopListening?.();
    for (const address of this.#addresses.splice(0)) address.release();
  }

  /** A peer need not echo a correlation id; one that does must echo ours. */
  onReply(address: ReplyAddress, delivery: Delivery): void {
    // An empty one is none.
    const correlationId = delivery.properties.correlationId || undefined;
    if (correlationId !== undefined && correlationId !== this.messageId)
      this.#around.onStranger(address, delivery);
    else if (this.#collector) this.#collector.onReply(delivery);
    else this.#answered(address, delivery);
  }

  onLost(error: Error): void {
    this.fail(lostReplyPath(error, this.request));
  }

  /** It has been sent, and to no other address yet: the reply to that one would count. */
  get isInQuestion(): boolean {
    return this.#final === undefined && this.sent > 0 && this.#addresses.length === 1;
  }

  /** Of several calls, all but one are still to have their own replies: to send them again now would have them handled twice. */
  onAmbiguous(isAlone: boolean): void {
    this.#around.onAmbiguous(this.request);
    this.#ambiguous = true;
    if (isAlone && this.#wake && this.#mayRetry) this.onTimeUp();
  }

  #answered(address: ReplyAddress, delivery: Delivery): void {
    // Two attempts may both be answered.
    if (this.#final) this.#around.onStranger(address, delivery);
    else this.#finish({ kind: 'reply', delivery });
  }

  #finish(progress: CallProgress): void {
    if (this.#final) return;
    this.#final = progress;
    this.#onSettled?.();
    this.#tell(progress);
  }

  /** Whoever waits, if anybody does. */
  #tell(progress: CallProgress): void {
    const wake = this.#wake;
    if (wake === undefined) return;
    this.#wake = undefined;
    this.#deadline?.cancel();
    wake(progress);
  }
}

const isOutcomeUnknown = (error: unknown): boolean =>
  error instanceof PublishError && error.code === 'OUTCOME_UNKNOWN';

/** The truth about a call whose reply has nowhere to come to any more. */
export const lostReplyPath = (error: Error, { type, command, target }: RpcRequest): Error =>
  error instanceof ConnectionError && error.code === 'CONNECTION_CLOSED'
    ? error
    : new ConnectionError(
        'CONNECTION_LOST',
        `the connection that the reply to ${type} "${command}" (exchange "${target.exchange}", key "${target.routingKey}") would have come on was lost; whether the call was handled is unknown`,
        { cause: error },
      );
