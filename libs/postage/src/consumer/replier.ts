import { randomUUID } from 'node:crypto';
import type { PostageConnection } from '../connection/connection.js';
import type { Delivery } from '../connection/port.js';
import { EMPTY_TOPOLOGY } from '../topology/binding.js';
import type { Observer } from '../observability/observer.js';
import type { MessageBody } from '../wire/body.js';
import type { Codec } from '../wire/codec.js';
import type { FingerprintDict } from '../wire/fingerprint.js';
import { Message, MessageResult, MessageResultError, MessageResultException } from '../wire/message.js';
import type { AnyResult } from './invocation.js';

/** A caller's patience is not known to a replier; a reply that can not be sent for this long is given up. */
const REPLY_DEADLINE_MS = 30_000;

export interface ReplierOptions {
  readonly connection: PostageConnection;
  readonly codec: Codec;
  readonly fingerprint: FingerprintDict;
  readonly observer: Observer;
  readonly debug: boolean;
}

/** Sends replies: to the default exchange, with the request's `reply_to` as key, and its correlation id when it had one. */
export class Replier {
  readonly #options: ReplierOptions;

  constructor(options: ReplierOptions) {
    this.#options = options;
  }

  /**
   * Resolves once the broker has the reply; with an error when the result could not be encoded, and that was the answer.
   * @throws {PublishError} UNROUTABLE: the caller's queue is gone, it does not wait any more
   */
  async reply(request: Delivery, result: AnyResult): Promise<Error | undefined> {
    const { replyTo, correlationId } = request.properties;
    if (replyTo === undefined) return undefined;
    const { connection, fingerprint, observer, debug } = this.#options;
    const body = { ...result.body, fingerprint };
    const { content, contentType, sent, failure } = this.#encode(request, body);
    const properties = {
      contentType,
      deliveryMode: 1,
      ...(correlationId === undefined ? {} : { correlationId }),
    };
    // Finds a reply again that the broker returns.
    const messageId = randomUUID();
    if (debug) observer({ kind: 'message.sent', exchange: '', routingKey: replyTo, body: sent });
    await connection.publish({
      message: {
        exchange: '',
        routingKey: replyTo,
        content,
        properties: { ...properties, messageId },
        mandatory: true,
      },
      topology: EMPTY_TOPOLOGY,
      deadlineMs: REPLY_DEADLINE_MS,
    });
    return failure;
  }

  /** A result that can not be encoded is answered as the exception that this is. */
  #encode(request: Delivery, body: MessageBody): EncodedReply {
    const codec = this.#options.codec.forReplyTo(request.properties.contentType);
    const { contentType } = codec;
    try {
      return { content: codec.encode(body), contentType, sent: body, failure: undefined };
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error));
      const sent = { ...MessageResultException.from(failure).body, fingerprint: this.#options.fingerprint };
      return { content: codec.encode(sent), contentType, sent, failure };
    }
  }
}

interface EncodedReply {
  readonly content: Buffer;
  readonly contentType: string;
  readonly sent: MessageBody;
  readonly failure: Error | undefined;
}

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
