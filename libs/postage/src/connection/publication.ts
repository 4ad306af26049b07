import { PublishError, type PublishErrorCode } from '../errors.js';
import type { Topology } from '../topology/types.js';
import { onAbort } from './on-abort.js';
import type { OutgoingMessage } from './port.js';

/** A message to publish, what must exist for it, and how long anybody cares. */
export interface PublishRequest {
  readonly message: OutgoingMessage;
  /** Declared before the message is sent, once per connection. */
  readonly topology: Topology;
  /** Limit for all of it: connecting, declaring, sending, the broker's confirm. */
  readonly deadlineMs: number;
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

/** One publish on its way: settles exactly once, and its timer and listener go with it. */
export class Publication {
  readonly promise: Promise<void>;
  readonly request: PublishRequest;
  /** Sent to the broker: from here on nobody can call it back. */
  sent = false;
  #resolve!: () => void;
  #reject!: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #stopListening: (() => void) | undefined;
  #settled = false;

  constructor(
    request: PublishRequest,
    readonly onSettled: (publication: Publication) => void,
    /** Why it still waits, for the error at the deadline. */
    readonly whyWaiting: () => unknown,
  ) {
    this.request = request;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#timer = setTimeout(onDeadline, request.deadlineMs, this);
    if (request.signal)
      this.#stopListening = onAbort(request.signal, (reason) => this.fail('ABORTED', reason));
  }

  get settled(): boolean {
    return this.#settled;
  }

  succeed(): void {
    if (this.#finish()) this.#resolve();
  }

  fail(code: PublishErrorCode, cause?: unknown): void {
    const { exchange, routingKey, properties } = this.request.message;
    const target = { exchange, routingKey, messageId: properties.messageId };
    this.failWith(new PublishError(code, target, cause === undefined ? undefined : { cause }));
  }

  failWith(error: unknown): void {
    if (this.#finish()) this.#reject(error);
  }

  #finish(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    clearTimeout(this.#timer);
    this.#stopListening?.();
    this.onSettled(this);
    return true;
  }
}

const onDeadline = (publication: Publication): void => {
  if (publication.sent) publication.fail('OUTCOME_UNKNOWN');
  else publication.fail('NOT_CONNECTED', publication.whyWaiting());
};
