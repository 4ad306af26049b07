import { PUBLISH_PROBLEMS, whyNotConnected } from './errors/publish-problems.js';

/**
 * Every error of this library, in one tree. Match on `code`, never on text.
 *
 *   PostageError
 *   ├── InvalidOptionError           an option or argument is wrong                       INVALID_OPTION
 *   ├── TopologyError                the broker refused an exchange, queue or binding     TOPOLOGY_REFUSED
 *   ├── DuplicateHandlerError        two rpc handlers for one (type, name)                DUPLICATE_HANDLER
 *   ├── MalformedMessageError        bytes that are no Postage message                    MALFORMED_MESSAGE
 *   ├── EncodingError                a body that the encoder can not write                ENCODING_FAILED
 *   ├── BrokerError                  the broker closed a channel or refused an operation  BROKER_ERROR
 *   ├── ConnectionError              no connection: unreachable, refused, closed          see ConnectionErrorCode
 *   ├── PublishError                 a message did not (surely) reach a queue             see PublishErrorCode
 *   ├── PublishErrors                a message to several couples failed at several of them   the first one's
 *   ├── RpcTimeoutError              no answer in time                                    RPC_TIMEOUT
 *   ├── CallAbandonedError           to a handler: its caller does not wait any more      CALL_ABANDONED
 *   ├── RemoteError                  the replier answered with an error                   REMOTE_ERROR
 *   └── RemoteException              the replier answered with an exception               REMOTE_EXCEPTION
 *
 * Beside it, for handlers to throw, `RpcException`s of Nest (nest/handler-errors.ts): `Reject` (REJECT), `Requeue` (REQUEUE) and
 * `RetryLater` (RETRY_LATER).
 */
export type ConnectionErrorCode =
  | 'CONNECTION_FAILED'
  | 'CONNECTION_LOST'
  | 'CONNECTION_CLOSED'
  | 'ACCESS_REFUSED'
  | 'VHOST_REFUSED'
  | 'TLS_FAILED'
  | 'LIMIT_REACHED'
  | 'PROVIDER_FAILED';

export type PublishErrorCode =
  | 'NOT_CONNECTED'
  | 'UNROUTABLE'
  | 'NACKED'
  | 'OUTCOME_UNKNOWN'
  | 'EXCHANGE_NOT_FOUND'
  | 'ACCESS_REFUSED'
  | 'BUFFER_FULL'
  | 'ABORTED';

export type PostageErrorCode =
  | 'INVALID_OPTION'
  | 'TOPOLOGY_REFUSED'
  | 'DUPLICATE_HANDLER'
  | 'MALFORMED_MESSAGE'
  | 'ENCODING_FAILED'
  | 'BROKER_ERROR'
  | ConnectionErrorCode
  | PublishErrorCode
  | 'RPC_TIMEOUT'
  | 'CALL_ABANDONED'
  | 'REMOTE_ERROR'
  | 'REMOTE_EXCEPTION';

/** The base of every error that this library throws. */
export abstract class PostageError extends Error {
  constructor(
    readonly code: PostageErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** An option or argument is wrong; `option` names it as the caller wrote it, for example `flags.messageTtlMs`. */
export class InvalidOptionError extends PostageError {
  override readonly name = 'InvalidOptionError';
  constructor(
    readonly option: string,
    problem: string,
    options?: ErrorOptions,
  ) {
    super('INVALID_OPTION', `${option}: ${problem}`, options);
  }
}

/** What the broker refused, and what to do about it. */
export interface TopologyRefusal {
  /** For example `queue "echo-queue"`. */
  readonly entity: string;
  /** The argument that differs, when the broker named one, for example `durable` or `x-message-ttl`. */
  readonly argument?: string | undefined;
  /** What we asked for. */
  readonly wanted?: string | undefined;
  /** What the broker has. */
  readonly actual?: string | undefined;
  /** What to do. */
  readonly remedy: string;
  /** AMQP reply code: 403, 404, 405, 406 or 530. */
  readonly amqpCode?: number | undefined;
}

/** The broker refused to declare, check or bind an entity. */
export class TopologyError extends PostageError implements TopologyRefusal {
  override readonly name = 'TopologyError';
  readonly entity: string;
  readonly argument: string | undefined;
  readonly wanted: string | undefined;
  readonly actual: string | undefined;
  readonly remedy: string;
  readonly amqpCode: number | undefined;

  constructor(problem: string, refusal: TopologyRefusal, options?: ErrorOptions) {
    super('TOPOLOGY_REFUSED', `${refusal.entity}: ${problem}. ${refusal.remedy}`, options);
    this.entity = refusal.entity;
    this.argument = refusal.argument;
    this.wanted = refusal.wanted;
    this.actual = refusal.actual;
    this.remedy = refusal.remedy;
    this.amqpCode = refusal.amqpCode;
  }
}

/** Two rpc handlers claim the same (type, name): only one of them could ever answer. */
export class DuplicateHandlerError extends PostageError {
  override readonly name = 'DuplicateHandlerError';
  constructor(
    readonly pattern: string,
    readonly handlers: readonly [string, string],
  ) {
    super(
      'DUPLICATE_HANDLER',
      `${pattern} has two rpc handlers, ${handlers[0]} and ${handlers[1]}, but an rpc is answered by exactly one. Remove one of them, or give it another name.`,
    );
  }
}

/** Bytes that are not a message: too large, not decodable, or a field is missing or of the wrong kind. */
export class MalformedMessageError extends PostageError {
  override readonly name = 'MalformedMessageError';
  constructor(
    /** The field at fault, for example `body.category`, or `body` when the bytes as a whole are. */
    readonly field: string,
    problem: string,
    options?: ErrorOptions,
  ) {
    super('MALFORMED_MESSAGE', `${field} ${problem}`, options);
  }
}

/** A body that the encoder can not write, for example one with a cycle. */
export class EncodingError extends PostageError {
  override readonly name = 'EncodingError';
  constructor(
    readonly contentType: string,
    options?: ErrorOptions,
  ) {
    const reason = options?.cause instanceof Error ? `: ${options.cause.message}` : '';
    super('ENCODING_FAILED', `the message can not be encoded as ${contentType}${reason}`, options);
  }
}

/** The broker closed a channel or refused an operation, with its AMQP reply code (404, 406, ...). */
export class BrokerError extends PostageError {
  override readonly name = 'BrokerError';
  constructor(
    readonly amqpCode: number | undefined,
    replyText: string,
    options?: ErrorOptions,
  ) {
    super('BROKER_ERROR', replyText, options);
  }
}

/** There is no usable connection, and why. */
export class ConnectionError extends PostageError {
  override readonly name = 'ConnectionError';
  constructor(
    override readonly code: ConnectionErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(code, message, options);
  }

  /** Whether trying again can not help before somebody changes something: a configuration, a right, a certificate. */
  get permanent(): boolean {
    return PERMANENT.has(this.code);
  }
}

const PERMANENT = new Set<string>(['ACCESS_REFUSED', 'VHOST_REFUSED', 'TLS_FAILED', 'CONNECTION_CLOSED']);

/** Where a message was going when its publish failed. */
export interface PublishTarget {
  readonly exchange: string;
  readonly routingKey: string;
  readonly messageId?: string | undefined;
}

/** A message did not reach a queue, or not surely: `code` tells which. */
export class PublishError extends PostageError implements PublishTarget {
  override readonly name = 'PublishError';
  readonly exchange: string;
  readonly routingKey: string;
  readonly messageId: string | undefined;

  constructor(
    override readonly code: PublishErrorCode,
    target: PublishTarget,
    options?: ErrorOptions,
  ) {
    super(
      code,
      `message to exchange "${target.exchange}" with key "${target.routingKey}": ${PUBLISH_PROBLEMS[code]}${whyNotConnected(code, options?.cause)}`,
      options,
    );
    this.exchange = target.exchange;
    this.routingKey = target.routingKey;
    this.messageId = target.messageId;
  }
}

/** A message goes to several couples, and more than one of its publishes failed. `code` is that of the first failure. */
export class PublishErrors extends PostageError {
  override readonly name = 'PublishErrors';
  constructor(
    /** One for each couple that failed, in the order of the couples. */
    readonly errors: readonly [PostageError, ...PostageError[]],
    couples: number,
  ) {
    const all = errors.map(({ message }) => message).join(' | ');
    super(errors[0].code, `${errors.length} of ${couples} publishes failed: ${all}`, { cause: errors[0] });
  }
}

/** What a timed-out call was about. */
export interface RpcTimeoutFacts extends PublishTarget {
  readonly type: string;
  readonly command: string;
  /** How often it was sent; 0 when all the time went by before it could be sent. */
  readonly attempts: number;
  readonly elapsedMs: number;
  /** More than that there was no reply, if there is more to say. */
  readonly reason?: string | undefined;
}

/** No answer to an rpc within its timeout, retries included. */
export class RpcTimeoutError extends PostageError {
  override readonly name = 'RpcTimeoutError';
  constructor(readonly facts: RpcTimeoutFacts) {
    const { type, command, exchange, routingKey, attempts, elapsedMs, reason } = facts;
    const why = reason === undefined ? '' : `: ${reason}`;
    super(
      'RPC_TIMEOUT',
      `no reply to ${type} "${command}" (exchange "${exchange}", key "${routingKey}") after ${attempts} attempt(s) in ${elapsedMs} ms${why}`,
    );
  }
}

/** The reason of `context.signal` when the caller's deadline has passed: nobody waits for the answer any more. */
export class CallAbandonedError extends PostageError {
  override readonly name = 'CallAbandonedError';
  constructor() {
    super('CALL_ABANDONED', 'the deadline of the call has passed: its caller does not wait any more');
  }
}

/** The replier answered with an error result: an expected refusal, with a message. */
export class RemoteError extends PostageError {
  override readonly name = 'RemoteError';
  constructor(
    message: string,
    /** The replier's fingerprint, `{}` when it sent none (as Python Postage does). */
    readonly fingerprint: Readonly<Record<string, unknown>> = {},
    /** The class name of the refusal over there, for example `NotFoundException`; undefined when the replier did not tell. */
    readonly remoteName?: string | undefined,
  ) {
    super('REMOTE_ERROR', message);
  }
}

/** The replier answered with an exception result: its handler threw. */
export class RemoteException extends PostageError {
  override readonly name = 'RemoteException';
  constructor(
    /** The class name of the exception over there, for example `KeyError`. */
    readonly remoteName: string,
    message: string,
    /** The replier's fingerprint, `{}` when it sent none (as Python Postage does). */
    readonly fingerprint: Readonly<Record<string, unknown>> = {},
  ) {
    super('REMOTE_EXCEPTION', message);
  }
}
