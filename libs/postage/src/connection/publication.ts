import { PublishError, type PublishErrorCode } from '../errors.js';
import type { Topology } from '../topology/types.js';
import { deferred, type Deferred } from './deferred.js';
import type { Deadline, Deadlines, Timed } from './deadlines.js';
import { onAbort } from './on-abort.js';
import type { OutgoingMessage } from './port.js';
import type { InLine } from './waiting-line.js';

/** A message to publish, what must exist for it, and how long anybody cares. */
export interface PublishRequest {
  readonly message: OutgoingMessage;
  /** Declared before the message is sent, once per connection. */
  readonly topology: Topology;
  /** Limit for all of it: connecting, declaring, sending, the broker's confirm. */
  readonly deadlineMs: number;
  /** Waits for a connection whatever the policy of the application says: an answer that somebody else waits for. @default false */
  readonly alwaysWaits?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly watcher?: PublishWatcher | undefined;
}

/** Who sends, where it may lose its interest, and wants to know whether a message has left. */
export interface PublishWatcher {
  /** Asked before the message leaves: false when nobody cares any more, and it fails as ABORTED. */
  isWanted(): boolean;
  onSent(): void;
  /** No queue took it; also where its deadline has passed meanwhile. */
  onReturned(): void;
}

/** Told once what has become of a message: for those who need no promise of it. */
export interface OutcomeListener {
  onConfirmed(): void;
  /** What the promise would have been rejected with. It may be told while all of a lane are: it must not publish, or abort others. */
  onFailed(error: unknown): void;
}

/** What a publication tells whoever sends it. */
export interface PublicationOwner {
  readonly deadlines: Deadlines;
  /** How long it may wait to be sent, in milliseconds. */
  readonly maxWaitingMs: number;
  onSettled(publication: Publication): void;
  /** Why it still waits, for the error at the deadline. */
  whyWaiting(): unknown;
}

/** Where a publication stands: in the line of those that wait, or of those that the broker has not confirmed. */
export type Place = 'nowhere' | 'waiting' | 'unconfirmed';

/** One publish on its way: settles exactly once, and its deadline and its listener at the signal go with it. */
export class Publication implements InLine<Publication>, Timed {
  /** Its neighbours, where it stands. */
  previous: Publication | undefined;
  next: Publication | undefined;
  place: Place = 'nowhere';
  /** Sent to the broker: from here on nobody can call it back. */
  sent = false;
  readonly #owner: PublicationOwner;
  readonly #listener: OutcomeListener | undefined;
  #request: PublishRequest;
  #deadline: Deadline;
  #stopListening: (() => void) | undefined;
  #outcome: 'open' | 'confirmed' | 'failed' = 'open';
  #error: unknown;
  #promised: Deferred<void> | undefined;

  /** @param listener told of the outcome, whether or not anybody asks for the promise */
  constructor(request: PublishRequest, owner: PublicationOwner, listener?: OutcomeListener) {
    this.#request = request;
    this.#owner = owner;
    this.#listener = listener;
    this.#deadline = owner.deadlines.add(Math.min(request.deadlineMs, owner.maxWaitingMs), this);
    if (request.signal)
      this.#stopListening = onAbort(request.signal, (reason) => this.fail('ABORTED', reason));
  }

  /** Made for those who ask for it: of one that nobody has, nobody would catch the rejection. */
  get promise(): Promise<void> {
    this.#promised ??= deferred();
    if (this.#outcome === 'confirmed') this.#promised.resolve();
    else if (this.#outcome === 'failed') this.#promised.reject(this.#error);
    return this.#promised.promise;
  }

  get request(): PublishRequest {
    return this.#request;
  }

  get settled(): boolean {
    return this.#outcome !== 'open';
  }

  succeed(): void {
    if (!this.#finish('confirmed')) return;
    this.#promised?.resolve();
    this.#listener?.onConfirmed();
  }

  fail(code: PublishErrorCode, cause?: unknown): void {
    if (this.settled) return;
    this.failWith(publishError(code, this.request, cause));
    // The broker's word may be a long time coming: nobody needs the bytes for that.
    const { message } = this.#request;
    this.#request = { ...this.#request, message: { ...message, content: NOTHING } };
  }

  failWith(error: unknown): void {
    if (!this.#finish('failed')) return;
    this.#error = error;
    this.#promised?.reject(error);
    this.#listener?.onFailed(error);
  }

  /** Its time to be sent is over, or all of its time. */
  onTimeUp(): void {
    if (!this.sent) return this.fail('NOT_CONNECTED', this.#owner.whyWaiting());
    const { maxWaitingMs, deadlines } = this.#owner;
    const leftMs = this.request.deadlineMs - maxWaitingMs;
    if (leftMs <= 0) return this.fail('OUTCOME_UNKNOWN');
    // It was sent within its time to wait: the confirm may come until the deadline.
    this.#deadline = deadlines.add(leftMs, { onTimeUp: () => this.fail('OUTCOME_UNKNOWN') });
  }

  #finish(outcome: 'confirmed' | 'failed'): boolean {
    if (this.settled) return false;
    this.#outcome = outcome;
    this.#deadline.cancel();
    this.#stopListening?.();
    this.#owner.onSettled(this);
    return true;
  }
}

const NOTHING = Buffer.alloc(0);

export const publishError = (
  code: PublishErrorCode,
  { message: { exchange, routingKey, properties } }: PublishRequest,
  cause?: unknown,
): PublishError => {
  const target = { exchange, routingKey, messageId: properties.messageId };
  return new PublishError(code, target, cause === undefined ? undefined : { cause });
};
