import { randomUUID } from 'node:crypto';
import { CALL_HEADERS } from '../connection/call-headers.js';
import type { PostageConnection } from '../connection/connection.js';
import type { Delivery, MessageProperties } from '../connection/port.js';
import { EMPTY_TOPOLOGY } from '../topology/binding.js';
import type { Observer } from '../observability/observer.js';
import type { MessageBody } from '../wire/body.js';
import type { Codec } from '../wire/codec.js';
import type { FingerprintDict } from '../wire/fingerprint.js';
import { JsonEncoder } from '../wire/json-encoder.js';
import { Message, MessageResult, MessageResultError, MessageResultException } from '../wire/message.js';
import type { CallAnswer } from './call-store.js';
import type { AnyResult } from './invocation.js';

/** A caller's patience is not known to a replier; a reply that can not be sent for this long is given up. */
const REPLY_DEADLINE_MS = 30_000;
/** @see https://www.rabbitmq.com/docs/direct-reply-to */
const DIRECT_REPLY = 'amq.rabbitmq.reply-to.';

export interface ReplierOptions {
  readonly connection: PostageConnection;
  readonly codec: Codec;
  readonly fingerprint: FingerprintDict;
  readonly observer: Observer;
  readonly debug: boolean;
}

/** An answer, ready to be sent. */
export interface EncodedAnswer extends CallAnswer {
  /** For debugging; unknown where only the bytes of an earlier answer are at hand. */
  readonly body?: MessageBody | undefined;
  /** Why the result could not be encoded; this is the answer then. */
  readonly failure?: Error | undefined;
}

/** Sends replies: to the default exchange, with the request's `reply_to` as key, and its correlation id when it had one. */
export class Replier {
  readonly #options: ReplierOptions;

  constructor(options: ReplierOptions) {
    this.#options = options;
  }

  /** What the caller can read: in its own encoding. A result that can not be encoded is answered as the exception that this is. */
  encode(request: Delivery, result: AnyResult): EncodedAnswer {
    const codec = this.#options.codec.forReplyTo(request.properties.contentType);
    const { contentType } = codec;
    const { fingerprint } = this.#options;
    const body = { ...result.body, fingerprint };
    const errorName = result instanceof MessageResultError ? result.errorName : undefined;
    try {
      return { content: codec.encode(body), contentType, errorName, body };
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error));
      const instead = { ...MessageResultException.from(failure).body, fingerprint };
      return { ...encodePlain(codec, instead), body: instead, failure };
    }
  }

  /**
   * Resolves once the broker has the reply; at once where nobody wants one.
   * @throws {PublishError} UNROUTABLE: the caller's queue is gone, it does not wait any more
   */
  send(request: Delivery, answer: EncodedAnswer): Promise<void> {
    const { replyTo } = request.properties;
    if (replyTo === undefined) return Promise.resolve();
    const { connection, observer, debug } = this.#options;
    if (debug) observer({ kind: 'message.sent', exchange: '', routingKey: replyTo, body: answer.body });
    return connection.publish({
      message: {
        exchange: '',
        routingKey: replyTo,
        content: answer.content,
        properties: propertiesOf(request, answer),
        // The broker returns direct replies as unroutable, and delivers them all the same.
        mandatory: !replyTo.startsWith(DIRECT_REPLY),
      },
      topology: EMPTY_TOPOLOGY,
      deadlineMs: REPLY_DEADLINE_MS,
      alwaysWaits: true,
    });
  }
}

/** An exception has nothing that could not be written; an encoder that can not write even that is replaced by JSON. */
const encodePlain = (codec: Pick<Codec, 'contentType' | 'encode'>, body: MessageBody): CallAnswer => {
  try {
    return { content: codec.encode(body), contentType: codec.contentType };
  } catch {
    const json = new JsonEncoder();
    return { content: json.encode(body), contentType: json.contentType };
  }
};

const propertiesOf = (
  { properties: { correlationId } }: Delivery,
  { contentType, errorName }: CallAnswer,
): MessageProperties => ({
  contentType,
  deliveryMode: 1,
  // Finds a reply again that the broker returns.
  messageId: randomUUID(),
  correlationId,
  headers: errorName === undefined ? undefined : { [CALL_HEADERS.errorName]: errorName },
});

/** What a handler returned or replied with, as a result message. */
export const toResult = (value: unknown): AnyResult => {
  if (
    value instanceof MessageResult ||
    value instanceof MessageResultError ||
    value instanceof MessageResultException
  ) {
    return value;
  }
  if (value instanceof Message) return new MessageResult(value.body);
  return new MessageResult(value);
};
