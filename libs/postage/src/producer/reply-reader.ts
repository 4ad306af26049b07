import { CALL_HEADERS } from '../connection/call-headers.js';
import { checkReadable } from '../connection/incoming-headers.js';
import type { Delivery } from '../connection/port.js';
import { RemoteError, RemoteException } from '../errors.js';
import type { Codec } from '../wire/codec.js';
import { rpcResultFrom, type RpcResult } from '../wire/rpc-result.js';
import type { ReplyQueue } from './reply-queue.js';
import type { MessagingRuntime } from './runtime.js';

/** Makes results of replies, with the errors that the application knows. */
export class ReplyReader {
  readonly #runtime: Pick<MessagingRuntime, 'debug' | 'errors' | 'observer'>;
  readonly #codec: Codec;

  constructor(runtime: Pick<MessagingRuntime, 'debug' | 'errors' | 'observer'>, codec: Codec) {
    this.#runtime = runtime;
    this.#codec = codec;
  }

  /** @throws {MalformedMessageError} it is no result message, can not be decoded, or is too large */
  read<V>(delivery: Delivery): RpcResult<V> {
    const { debug, observer, errors } = this.#runtime;
    const { exchange, routingKey, redelivered, content, properties } = delivery;
    checkReadable(delivery);
    const body = this.#codec.decodeBody(content, properties.contentType);
    if (debug) {
      const at = { queue: routingKey, exchange, routingKey, redelivered, sizeBytes: content.length };
      observer({ kind: 'message.received', at, body });
    }
    const { fingerprint } = body;
    return rpcResultFrom<V>(body, {
      failure: ({ message }) => errors.recreate(new RemoteError(message, fingerprint, nameIn(delivery))),
      exception: ({ value, message }) => errors.recreate(new RemoteException(value, message, fingerprint)),
    });
  }

  /** One reply of several that can not be read is no reason to lose the others. */
  readInto<V>(queue: ReplyQueue<V>, delivery: Delivery): void {
    try {
      queue.push(this.read<V>(delivery));
    } catch (reason) {
      const error = reason instanceof Error ? reason : new Error(String(reason));
      this.#runtime.observer({ kind: 'reply.malformed', queue: queue.name, error });
    }
  }
}

/** The class name of a refusal, which the result itself has no place for. */
const nameIn = ({ properties }: Delivery): string | undefined => {
  const name = properties.headers?.[CALL_HEADERS.errorName];
  return typeof name === 'string' ? name : undefined;
};
