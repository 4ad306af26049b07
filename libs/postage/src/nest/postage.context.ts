import { BaseRpcContext } from '@nestjs/microservices';
import type { Delivery, MessageProperties } from '../connection/port.js';
import type { Invocation, ReplyFunction } from '../consumer/invocation.js';
import { attemptOf } from '../consumer/retry-history.js';
import type { MessageBody } from '../wire/body.js';

/** Everything about the message a handler runs for: `@Ctx() context: PostageContext`. */
export class PostageContext extends BaseRpcContext<[Invocation]> {
  constructor(invocation: Invocation) {
    super([invocation]);
  }

  get #invocation(): Invocation {
    return this.args[0];
  }

  /** The whole message; this handler's own copy. */
  get body(): MessageBody {
    return this.#invocation.body;
  }

  get content(): MessageBody['content'] {
    return this.body.content;
  }

  /** Who sent it. */
  get fingerprint(): MessageBody['fingerprint'] {
    return this.body.fingerprint;
  }

  get category(): 'message' | 'rpc' {
    return this.body.category;
  }

  get type(): string {
    return this.body.type;
  }

  get name(): MessageBody['name'] {
    return this.body.name;
  }

  /** The queue it came from. */
  get queue(): string {
    return this.#invocation.queue;
  }

  /** Where the message was sent; of one that is tried again: at first. */
  get exchange(): string {
    return (this.#invocation.history ?? this.delivery).exchange;
  }

  /** The key it was sent with; of one that is tried again: at first. */
  get routingKey(): string {
    return (this.#invocation.history ?? this.delivery).routingKey;
  }

  /** Which run this is: 1 for the first, 2 after one failure. What the broker delivers again counts as one run. */
  get attempt(): number {
    return attemptOf(this.#invocation.history);
  }

  /** When a handler failed at the message for the first time; undefined in the first run. */
  get firstFailureAt(): Date | undefined {
    const timeMs = this.#invocation.history?.firstFailureMs;
    return timeMs === undefined ? undefined : new Date(timeMs);
  }

  /** Class and text of the last error; undefined in the first run. */
  get lastError(): string | undefined {
    return this.#invocation.history?.lastError;
  }

  /** The broker has delivered it before, to this process or another one. */
  get redelivered(): boolean {
    return this.delivery.redelivered;
  }

  /** AMQP basic properties. */
  get properties(): MessageProperties {
    return this.delivery.properties;
  }

  get headers(): Readonly<Record<string, unknown>> {
    return this.properties.headers ?? {};
  }

  /** As the broker delivered it. */
  get delivery(): Delivery {
    return this.#invocation.delivery;
  }

  /**
   * Aborts when nobody needs the work any more: the caller's deadline has passed, or the connection that the answer would
   * go out on is lost, or this application has closed its connections. Pass it on to whatever takes an `AbortSignal`.
   */
  get signal(): AbortSignal {
    return this.#invocation.call.signal;
  }

  /** How long the caller will still wait, in whole milliseconds, 0 when its time is over; undefined when it did not say. */
  get remainingMs(): number | undefined {
    return this.#invocation.call.remainingMs;
  }

  /** The message with which everything began that led to this one. What a handler sends carries it on. */
  get correlationId(): string {
    return this.#invocation.cause.correlationId;
  }

  /** The message whose handler sent this one; undefined when no handler did, or it did not say. */
  get causationId(): string | undefined {
    return this.#invocation.cause.causationId;
  }

  /** Answers an rpc before the handler ends; what follows still counts as work in flight. Does nothing for messages. */
  get reply(): ReplyFunction {
    return this.#invocation.reply;
  }
}
