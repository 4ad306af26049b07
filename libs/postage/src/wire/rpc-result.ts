import { RemoteError, RemoteException, type RpcTimeoutError } from '../errors.js';
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
  readonly #toError: ToError<RpcFailure>;

  constructor(
    /** Why. */
    readonly message: string,
    /** The reply as it came. */
    readonly body: MessageBody,
    toError: ToError<RpcFailure> = ({ message: text, body: { fingerprint } }) =>
      new RemoteError(text, fingerprint),
  ) {
    this.#toError = toError;
  }

  /** @throws {RemoteError} always, with the message; or the error that was registered for its name */
  unwrap(): never {
    throw this.#toError(this);
  }
}

/** The replier's handler threw, or the call timed out (`value` is then `TimeoutError`). */
export class RpcException {
  readonly ok = false;
  readonly type = 'exception';
  readonly #toError: ToError<RpcException>;

  /** The class name of the exception, for example `KeyError`. */
  readonly value: string;
  /** Its text. */
  readonly message: string;

  constructor(
    { value, message }: { readonly value: string; readonly message: string },
    /** The reply as it came. */
    readonly body: MessageBody,
    toError: ToError<RpcException> = (result) =>
      new RemoteException(result.value, result.message, result.body.fingerprint),
  ) {
    this.value = value;
    this.message = message;
    this.#toError = toError;
  }

  /**
   * @throws {RemoteException} with the exception's name and text; or the error that was registered for its name
   * @throws {RpcTimeoutError} no replier said so, but nobody answered in time
   */
  unwrap(): never {
    throw this.#toError(this);
  }
}

/** What `unwrap` throws. */
export type ToError<R> = (result: R) => Error;

/** How the failures of one reply are made into errors. */
export interface ErrorMakers {
  readonly failure?: ToError<RpcFailure> | undefined;
  readonly exception?: ToError<RpcException> | undefined;
}

/**
 * Makes a result of a reply. `V` is what the caller knows the replier to answer; nothing checks it.
 * @throws {MalformedMessageError} the reply is no result message
 */
export function rpcResultFrom<V = unknown>(body: MessageBody, makers: ErrorMakers = {}): RpcResult<V> {
  const content = parseResult<V>(body);
  switch (content.type) {
    case 'success':
      return new RpcSuccess(content.value, content.message, body);
    case 'error':
      return new RpcFailure(content.message, body, makers.failure);
    case 'exception':
      return new RpcException(content, body, makers.exception);
    default:
      return assertNever(content);
  }
}

/** The exception result `TimeoutError`, which no replier sent: Postage's way to say that nobody answered in time. */
export const timeoutResult = (error: RpcTimeoutError): RpcException => {
  const { message } = error;
  const { body } = new MessageResultException(TIMEOUT, message);
  return new RpcException({ value: TIMEOUT, message }, body, () => error);
};

const TIMEOUT = 'TimeoutError';

const assertNever = (content: never): never => {
  throw new TypeError(`unknown result ${JSON.stringify(content)}`);
};
