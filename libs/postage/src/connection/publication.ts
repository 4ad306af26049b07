import { PublishError, type PublishErrorCode } from '../errors.js';
import type { Topology } from '../topology/types.js';
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

/** What a publication tells whoever sends it. */
export interface PublicationOwner {
  /** How long it may wait to be sent, in milliseconds. */
  readonly maxWaitingMs: number;
  onSettled(publication: Publication): void;
  /** Why it still waits, for the error at the deadline. */
  whyWaiting(): unknown;
}

/** One publish on its way: settles exactly once, and its timer and listener go with it. */
export class Publication implements InLine<Publication> {
  readonly promise: Promise<void>;
  /** Its neighbours, while it waits. */
  previous: Publication | undefined;
  next: Publication | undefined;
  isWaiting = false;
  /** Sent to the broker: from here on nobody can call it back. */
  sent = false;
  readonly #owner: PublicationOwner;
  #request: PublishRequest;
  #resolve!: () => void;
  #reject!: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #stopListening: (() => void) | undefined;
  #settled = false;

  constructor(request: PublishRequest, owner: PublicationOwner) {
    this.#request = request;
    this.#owner = owner;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#timer = setTimeout(onTime, Math.min(request.deadlineMs, owner.maxWaitingMs), this);
    if (request.signal)
      this.#stopListening = onAbort(request.signal, (reason) => this.fail('ABORTED', reason));
  }

  get request(): PublishRequest {
    return this.#request;
  }

  get settled(): boolean {
    return this.#settled;
  }

  succeed(): void {
    if (this.#finish()) this.#resolve();
  }

  fail(code: PublishErrorCode, cause?: unknown): void {
    if (this.#settled) return;
    this.failWith(publishError(code, this.request, cause));
    // The broker's word may be a long time coming: nobody needs the bytes for that.
    const { message } = this.#request;
    this.#request = { ...this.#request, message: { ...message, content: NOTHING } };
  }

  failWith(error: unknown): void {
    if (this.#finish()) this.#reject(error);
  }

  /** Its time to be sent is over, or all of its time. */
  timeIsUp(): void {
    if (!this.sent) return this.fail('NOT_CONNECTED', this.#owner.whyWaiting());
    const leftMs = this.request.deadlineMs - this.#owner.maxWaitingMs;
    // It was sent within its time to wait: the confirm may come until the deadline.
    if (leftMs > 0) this.#timer = setTimeout(onDeadline, leftMs, this);
    else this.fail('OUTCOME_UNKNOWN');
  }

  #finish(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    clearTimeout(this.#timer);
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

const onTime = (publication: Publication): void => publication.timeIsUp();
const onDeadline = (publication: Publication): void => publication.fail('OUTCOME_UNKNOWN');
