import type { Causation } from '../connection/causation.js';
import type { Delivery } from '../connection/port.js';
import type { MessageBody } from '../wire/body.js';
import type { MessageResult, MessageResultError, MessageResultException } from '../wire/message.js';
import type { CallSignal } from './call-signal.js';
import type { History } from './retry-history.js';

export type AnyResult = MessageResult | MessageResultError | MessageResultException;

/** Answers an rpc: a value is a success, a `MessageResult*` is what it says. Once; a second call is logged and ignored. */
export type ReplyFunction = (result?: unknown) => void;

/** What all handlers of one delivery share. */
export interface Occasion {
  readonly delivery: Delivery;
  /** How the message came about. */
  readonly cause: Causation;
  /** Whether anybody still needs the work. */
  readonly call: CallSignal;
  /** What happened to the message before; undefined where this is the first run that anybody knows of. */
  readonly history?: History | undefined;
}

/** One run of one handler: its own copy of the body, where it came from, and the way to answer. */
export interface Invocation extends Occasion {
  readonly body: MessageBody;
  readonly queue: string;
  /** Answers an rpc; for messages it does nothing. */
  readonly reply: ReplyFunction;
}
