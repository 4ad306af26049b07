import { RpcException } from '@nestjs/microservices';
import { readWaitMs } from '../consumer/retry-options.js';
import { VERDICT, type Verdict } from '../consumer/verdict.js';

/**
 * What a handler throws to say itself what becomes of its message. An `RpcException`, so that Nest neither replaces nor logs
 * it, wherever in the pipeline it is thrown.
 */
abstract class HandlerVerdict extends RpcException {
  abstract readonly code: 'REJECT' | 'REQUEUE' | 'RETRY_LATER';
  abstract readonly [VERDICT]: Verdict;

  constructor(message: string, options?: ErrorOptions) {
    super(message);
    if (options !== undefined && 'cause' in options) this.cause = options.cause;
  }

  /** Nest hands over what this returns. */
  override getError(): this {
    return this;
  }
}

/**
 * No further run would help: the message is dead-lettered at once, whatever the policy says. The caller of an rpc gets an
 * error result with this text.
 */
export class Reject extends HandlerVerdict {
  override readonly name: string = 'Reject';
  readonly code = 'REJECT';
  readonly [VERDICT]: Verdict = { kind: 'reject' };

  constructor(message = 'the handler rejected the message', options?: ErrorOptions) {
    super(message, options);
  }
}

/**
 * Back to the queue at once, for this process or another one, as often as it takes: it counts as no attempt. Of a quorum
 * queue the delivery limit ends that. Every handler of the message runs again. An rpc stays unanswered until then.
 */
export class Requeue extends HandlerVerdict {
  override readonly name: string = 'Requeue';
  readonly code = 'REQUEUE';
  readonly [VERDICT]: Verdict = { kind: 'requeue' };

  constructor(message = 'the handler gave the message back to the queue', options?: ErrorOptions) {
    super(message, options);
  }
}

export interface RetryLaterOptions extends ErrorOptions {
  /** The wait, in milliseconds, without jitter. @default the next one of the policy */
  readonly delayMs?: number | undefined;
  /** For log and headers. */
  readonly reason?: string | undefined;
}

/**
 * To be handled again, even where the policy would not try again for such an error, and where there is none. It counts as an
 * attempt. The caller of an rpc gets an error result with the reason.
 * @throws {InvalidOptionError} `delayMs` is no whole number of milliseconds
 */
export class RetryLater extends HandlerVerdict {
  override readonly name: string = 'RetryLater';
  readonly code = 'RETRY_LATER';
  readonly delayMs: number | undefined;
  readonly [VERDICT]: Verdict;

  constructor(options: RetryLaterOptions = {}) {
    const { delayMs, reason = 'the handler wants to try again later' } = options;
    super(reason, options);
    this.delayMs = delayMs === undefined ? undefined : readWaitMs(delayMs, 'RetryLater: delayMs');
    this[VERDICT] = { kind: 'retry-later', delayMs: this.delayMs };
  }
}
