/** What happened, as data. Logging and metrics are observers of it; core code never logs. */
export type PostageEvent =
  | {
      readonly kind: 'connection.ready';
      readonly role: string;
      readonly address: string;
      readonly attempts: number;
    }
  | {
      readonly kind: 'connection.lost';
      readonly role: string;
      readonly address: string;
      readonly error: Error | undefined;
    }
  | {
      readonly kind: 'connection.failed';
      readonly role: string;
      readonly error: Error;
      readonly attempt: number;
      /** Undefined: it is not tried again by itself. */
      readonly retryInMs: number | undefined;
    }
  | { readonly kind: 'connection.blocked'; readonly role: string; readonly reason: string }
  | { readonly kind: 'connection.unblocked'; readonly role: string }
  | { readonly kind: 'consumer.attached'; readonly queue: string; readonly prefetch: number }
  | { readonly kind: 'consumer.lost'; readonly queue: string; readonly error: Error }
  /** Nothing is handed out any more until it is resumed. */
  | { readonly kind: 'consumer.paused'; readonly queue: string }
  | { readonly kind: 'consumer.resumed'; readonly queue: string }
  | {
      readonly kind: 'message.malformed';
      readonly at: DeliveryFacts;
      readonly error: Error;
      /** `dead-letter`: a copy goes to a dead-letter queue of ours. */
      readonly next: 'dead-letter' | 'reject';
    }
  | { readonly kind: 'message.unhandled'; readonly at: DeliveryFacts; readonly message: MessageFacts }
  | {
      readonly kind: 'message.filtered';
      readonly at: DeliveryFacts;
      readonly message: MessageFacts;
      readonly handler: string;
      readonly error: unknown;
    }
  /** It did as `context.signal` said. */
  | {
      readonly kind: 'handler.aborted';
      readonly at: DeliveryFacts;
      readonly message: MessageFacts;
      readonly handler: string;
      readonly error: unknown;
    }
  | ({
      readonly kind: 'handler.failed';
      readonly at: DeliveryFacts;
      readonly message: MessageFacts;
      readonly handler: string;
      readonly error: unknown;
    } & WhatFollows)
  /** It was to be tried again, but its time to live was over when its turn came: no handler runs. */
  | {
      readonly kind: 'retry.expired';
      readonly at: DeliveryFacts;
      readonly message: MessageFacts;
      readonly attempt: number;
      readonly next: 'dead-letter' | 'reject';
    }
  /** A message could not be put where it was to wait or stay; it goes back to its queue instead. */
  | {
      readonly kind: 'copy.failed';
      readonly at: DeliveryFacts;
      readonly purpose: 'retry' | 'dead-letter';
      /** Where the copy was to go. */
      readonly queue: string;
      readonly error: unknown;
    }
  | {
      readonly kind: 'reply.repeated';
      readonly at: DeliveryFacts;
      readonly message: MessageFacts;
      readonly handler: string;
    }
  | { readonly kind: 'reply.unencodable'; readonly at: DeliveryFacts; readonly error: Error }
  | { readonly kind: 'reply.undeliverable'; readonly at: DeliveryFacts; readonly error: unknown }
  | { readonly kind: 'reply.late'; readonly queue: string; readonly correlationId: string | undefined }
  /** Dropped: it carries no correlation id, and any call of that queue may have been meant. */
  | { readonly kind: 'reply.ambiguous'; readonly queue: string }
  /** A request that has come before: its handler does not run again. */
  | {
      readonly kind: 'call.repeated';
      readonly at: DeliveryFacts;
      readonly message: MessageFacts;
      readonly handler: string;
      /** What the first one is doing; `elsewhere`: in another process, which answers. */
      readonly state: 'running' | 'answered' | 'elsewhere';
    }
  | { readonly kind: 'reply.malformed'; readonly queue: string; readonly error: Error }
  | {
      readonly kind: 'message.sent';
      readonly exchange: string;
      readonly routingKey: string;
      readonly body: unknown;
    }
  | { readonly kind: 'message.received'; readonly at: DeliveryFacts; readonly body: unknown }
  /** This process ends, or is replaced, because a message says so. */
  | {
      readonly kind: 'control.accepted';
      readonly command: string;
      readonly at: DeliveryFacts;
      readonly fingerprint: unknown;
    }
  | {
      readonly kind: 'control.refused';
      readonly command: string;
      readonly at: DeliveryFacts;
      readonly fingerprint: unknown;
      readonly reason: string;
    }
  | { readonly kind: 'group.joined'; readonly group: string }
  | { readonly kind: 'group.left'; readonly group: string }
  | { readonly kind: 'internal.failure'; readonly where: string; readonly error: unknown }
  | { readonly kind: 'warning'; readonly text: string };

/** What becomes of a message after a handler has failed at it. */
export interface WhatFollows {
  /** Which run of the handler it was, 1 for the first. */
  readonly attempt: number;
  /**
   * - `retry`: it waits in the broker, and is handled again;
   * - `dead-letter`: a copy goes to a dead-letter queue of ours;
   * - `reject`: the broker gets it back, for the queue's dead-letter exchange, if there is one;
   * - `requeue`: it goes back to the queue, for all of its handlers;
   * - `answer`: it is an rpc, and its caller is told.
   */
  readonly next: 'retry' | 'dead-letter' | 'reject' | 'requeue' | 'answer';
  /** With `retry`. */
  readonly retryInMs?: number | undefined;
}

/** Where a message came from; of one that is tried again: where it came from at first. */
export interface DeliveryFacts {
  readonly queue: string;
  readonly exchange: string;
  readonly routingKey: string;
  readonly sizeBytes: number;
  readonly redelivered: boolean;
}

/** What a message says of itself. */
export interface MessageFacts {
  readonly category: string;
  readonly type: string;
  readonly name: unknown;
  readonly fingerprint: unknown;
}

/** Told of everything that happens; whatever it throws is swallowed. */
export type Observer = (event: PostageEvent) => void;

export const silent: Observer = () => undefined;

/** An observer that never throws: a broken logger must not cost a message. */
export const guarded =
  (observer: Observer): Observer =>
  (event) => {
    try {
      observer(event);
    } catch {
      // There is nobody left to tell.
    }
  };

/** Tells several observers, each whether or not another one throws. */
export const combine = (...observers: readonly Observer[]): Observer => {
  const safe = observers.map(guarded);
  return (event) => {
    for (const observer of safe) observer(event);
  };
};
