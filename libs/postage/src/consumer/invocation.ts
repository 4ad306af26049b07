import type { Delivery } from '../connection/port.js';
import type { MessageBody } from '../wire/body.js';
import type { MessageResult, MessageResultError, MessageResultException } from '../wire/message.js';

export type AnyResult = MessageResult | MessageResultError | MessageResultException;

/** Answers an rpc: a value is a success, a `MessageResult*` is what it says. Once; a second call is logged and ignored. */
export type ReplyFunction = (result?: unknown) => void;

/** One run of one handler: its own copy of the body, where it came from, and the way to answer. */
export interface Invocation {
  readonly body: MessageBody;
  readonly delivery: Delivery;
  readonly queue: string;
  /** Answers an rpc; for messages it does nothing. */
  readonly reply: ReplyFunction;
}
