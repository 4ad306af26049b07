import { BaseRpcContext } from '@nestjs/microservices';
import type { Delivery, MessageProperties } from '../connection/port.js';
import type { Invocation, ReplyFunction } from '../consumer/invocation.js';
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

  get exchange(): string {
    return this.delivery.exchange;
  }

  get routingKey(): string {
    return this.delivery.routingKey;
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
