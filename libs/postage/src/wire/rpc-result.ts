import { RemoteError, RemoteException } from '../errors.js';
import type { MessageBody } from './body.js';
import { MessageResultException } from './message.js';
import { parseResult } from './result.js';

/**
 * How an rpc ended: a value to look at, not an error to catch.
 *
 * ```ts
 * const result = await echo.rpcSum(5, 6);
 * if (result.ok) console.log(result.value);
 * else console.error(result.type, result.message);
 * ```
 */
export type RpcResult<V = unknown> = RpcSuccess<V> | RpcFailure | RpcException;

/** The call worked. */
export class RpcSuccess<V> {
  readonly ok = true;
  readonly type = 'success';

  constructor(
    /** What the handler answered, as it was decoded. */
    readonly value: V,
    /** A remark of the handler, normally empty. */
    readonly message: string,
    /** The reply as it came; in Python's words `reply.body['content']['value']`. */
    readonly body: MessageBody,
  ) {}

  /** The value. */
  unwrap(): V {
    return this.value;
  }
}

/** The replier answered with an error: an expected refusal. */
export class RpcFailure {
  readonly ok = false;
  readonly type = 'error';
  readonly value = null;

  constructor(
    /** Why. */
    readonly message: string,
    /** The reply as it came. */
    readonly body: MessageBody,
  ) {}

  /** @throws {RemoteError} always, with the message */
  unwrap(): never {
    throw new RemoteError(this.message, this.body.fingerprint);
  }
}

/** The replier's handler threw, or the call timed out (`value` is then `TimeoutError`). */
export class RpcException {
  readonly ok = false;
  readonly type = 'exception';

  constructor(
    /** The class name of the exception, for example `KeyError`. */
    readonly value: string,
    /** Its text. */
    readonly message: string,
    /** The reply as it came. */
    readonly body: MessageBody,
  ) {}

  /** @throws {RemoteException} always, with the exception's name and text */
  unwrap(): never {
    throw new RemoteException(this.value, this.message, this.body.fingerprint);
  }
}

/**
 * Makes a result of a reply. `V` is what the caller knows the replier to answer; nothing checks it.
 * @throws {MalformedMessageError} the reply is no result message
 */
export function rpcResultFrom<V = unknown>(body: MessageBody): RpcResult<V> {
  const content = parseResult<V>(body);
  switch (content.type) {
    case 'success':
      return new RpcSuccess(content.value, content.message, body);
    case 'error':
      return new RpcFailure(content.message, body);
    case 'exception':
      return new RpcException(content.value, content.message, body);
    default:
      return assertNever(content);
  }
}

/** An exception result that no replier sent, for example `rpcException('TimeoutError', '...')` after the last retry. */
export const rpcException = (name: string, message: string): RpcException =>
  new RpcException(name, message, new MessageResultException(name, message).body);

const assertNever = (content: never): never => {
  throw new TypeError(`unknown result ${JSON.stringify(content)}`);
};
