import type { Delivery } from '../connection/port.js';
import type {
  DeliveryFacts,
  MessageFacts,
  Observer,
  PostageEvent,
  WhatFollows,
} from '../observability/observer.js';
import type { MessageBody } from '../wire/body.js';
import type { Handler } from './handlers.js';
import { historyOf } from './retry-history.js';

/** Events of one queue that are about a delivery and one of its handlers. */
type HandlerEventKind = 'message.filtered' | 'handler.aborted';

/** Tells observers what becomes of the deliveries of one queue. */
export class Reporter {
  readonly #queue: string;
  readonly #observer: Observer;

  constructor(queue: string, observer: Observer) {
    this.#queue = queue;
    this.#observer = observer;
  }

  event(event: PostageEvent): void {
    this.#observer(event);
  }

  failure(kind: HandlerEventKind, { delivery, body, handler, error }: HandlerFailure): void {
    this.#observer({ kind, at: this.at(delivery), message: factsOf(body), handler: handler.label, error });
  }

  failed({ delivery, body, handler, error }: HandlerFailure, what: WhatFollows): void {
    const [at, message] = [this.at(delivery), factsOf(body)];
    this.#observer({ kind: 'handler.failed', at, message, handler: handler.label, error, ...what });
  }

  unhandled(delivery: Delivery, body: MessageBody): void {
    this.#observer({ kind: 'message.unhandled', at: this.at(delivery), message: factsOf(body) });
  }

  at(delivery: Delivery): DeliveryFacts {
    const { redelivered, content } = delivery;
    const { exchange, routingKey } = historyOf(delivery, this.#queue) ?? delivery;
    return { queue: this.#queue, exchange, routingKey, redelivered, sizeBytes: content.length };
  }
}

export interface HandlerFailure {
  readonly delivery: Delivery;
  readonly body: MessageBody;
  readonly handler: Handler;
  readonly error: unknown;
}

export const factsOf = ({ category, type, name, fingerprint }: MessageBody): MessageFacts => ({
  category,
  type,
  name,
  fingerprint,
});
