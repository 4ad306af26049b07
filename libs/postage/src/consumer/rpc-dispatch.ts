import type { MessageBody } from '../wire/body.js';
import { MessageResultException } from '../wire/message.js';
import type { CallMemory, FirstOrNot } from './call-memory.js';
import { filterBody } from './filters.js';
import type { Handler } from './handlers.js';
import type { AnyResult, Occasion, ReplyFunction } from './invocation.js';
import type { Settlement } from './outcome.js';
import type { RunningCall } from './recent-calls.js';
import { toResult } from './replier.js';
import { factsOf } from './reporter.js';
import { RpcAnswers, type RpcAnswersOptions } from './rpc-answers.js';
import { verdictOf } from './verdict.js';

export interface RpcDispatcherOptions extends RpcAnswersOptions {
  readonly queue: string;
  /** Undefined: repeated calls are handled like any other. */
  readonly memory: CallMemory | undefined;
  /** What a failed handler's caller is told. */
  readonly toFailure: (error: unknown) => AnyResult;
}

/** One call on its way through its handler. */
interface Run {
  readonly occasion: Occasion;
  readonly body: MessageBody;
  readonly handler: Handler;
  /** How it is remembered; undefined where nobody could know it again. */
  readonly remembered: RunningCall | undefined;
}

/** A call that is known already, and whose. */
interface Repetition {
  readonly handler: Handler;
  readonly met: Exclude<FirstOrNot, { readonly kind: 'first' }>;
}

/** Answers rpcs: each once, whatever happens. Never rejects. */
export class RpcDispatcher {
  readonly answers: RpcAnswers;
  readonly #options: RpcDispatcherOptions;

  constructor(options: RpcDispatcherOptions) {
    this.#options = options;
    this.answers = new RpcAnswers(options);
  }

  /** Resolves when the handler is done and the broker has the answer. */
  handle(occasion: Occasion, body: MessageBody, handler: Handler): Promise<Settlement> {
    const { delivery, call } = occasion;
    const { memory, queue } = this.#options;
    const met = memory?.meet(queue, delivery, call.remainingMs) ?? NOT_REMEMBERED;
    const begin = (known: FirstOrNot): Promise<Settlement> =>
      known.kind === 'first'
        ? this.#filterAndRun({ occasion, body, handler, remembered: known.run })
        : this.#repeat(occasion, body, { handler, met: known });
    return met instanceof Promise ? met.then(begin) : begin(met);
  }

  /** A call that is known already. */
  async #repeat(occasion: Occasion, body: MessageBody, { handler, met }: Repetition): Promise<Settlement> {
    const { memory } = this.#options;
    try {
      this.#repeatedCall(occasion, body, { handler, state: met.kind });
      if (met.kind === 'answered') {
        const isDelivered = await this.answers.sendWanted(occasion, met.answer);
        memory?.ended(met.run, { answer: met.answer, isDelivered });
      } else if (met.kind === 'running' && !(await this.#join(occasion, met.call))) {
        // There was no answer after all: its turn.
        return await this.handle(occasion, body, handler);
      }
      return 'ack';
    } finally {
      occasion.call.end();
    }
  }

  /**
   * The answer to the first request reaches the second's caller too, where both have the same address. False: the first
   * run ended without one.
   */
  async #join(occasion: Occasion, call: RunningCall): Promise<boolean> {
    const sent = await call.answered;
    if (sent === undefined) return false;
    const { replyTo, correlationId } = occasion.delivery.properties;
    const isSame = replyTo === call.replyTo && correlationId === call.correlationId;
    if (!isSame || !sent.isDelivered) await this.answers.sendWanted(occasion, sent.answer);
    return true;
  }

  #filterAndRun(run: Run): Promise<Settlement> {
    return run.handler.filters.length === 0 ? this.#run(run) : this.#filterFirst(run);
  }

  async #filterFirst(run: Run): Promise<Settlement> {
    try {
      const filtered = await filterBody(run.body, run.handler.filters);
      if ('body' in filtered) return await this.#run({ ...run, body: filtered.body });
      await this.#refuse(run, filtered.refusal);
      return 'ack';
    } finally {
      this.#end(run);
    }
  }

  async #refuse({ occasion: { delivery }, body, handler, remembered }: Run, refusal: unknown): Promise<void> {
    this.#options.reporter.failure('message.filtered', { delivery, body, handler, error: refusal });
    const answer = await this.answers.refuse(delivery, MessageResultException.from(refusal));
    // A refusal is an answer like others: a claim of it in a store must not stay open.
    if (answer) await this.#options.memory?.answered(remembered, answer);
    this.#options.memory?.ended(remembered, answer && { answer, isDelivered: true });
  }

  /** The first answer counts, whether it comes through the reply function or as the handler's result. */
  async #run(run: Run): Promise<Settlement> {
    const { occasion, body, handler } = run;
    let answered: Promise<void> | undefined;
    const reply: ReplyFunction = (result) => {
      if (answered) this.#repeated(run);
      else answered = this.#answer(run, toResult(result));
    };
    try {
      const { delivery, cause, call } = occasion;
      const value = await handler.invoke({ delivery, cause, call, body, queue: this.#options.queue, reply });
      if (answered === undefined || value !== undefined)
        reply(handler.repliesItself && value === undefined ? noReply(handler) : value);
    } catch (error) {
      const isSentBack = answered === undefined && verdictOf(error)?.kind === 'requeue';
      const gaveUp = this.#failed(run, error, isSentBack ? 'requeue' : 'answer');
      // Another process may answer it, or this one later.
      if (isSentBack) return 'requeue';
      // After an answer there is nobody left to tell.
      if (answered === undefined && gaveUp) return await settlementOfGivenUp(occasion.call);
      answered ??= this.#answer(run, this.#options.toFailure(error));
    } finally {
      try {
        // Not before the broker has the answer.
        if (answered) await answered;
      } finally {
        this.#end(run);
      }
    }
    return 'ack';
  }

  /** Whoever waits for it must not wait for ever, whatever went wrong. Idempotent. */
  #end({ occasion, remembered }: Run): void {
    occasion.call.end();
    this.#options.memory?.ended(remembered, undefined);
  }

  /** True: it did as its signal said, and has decided nothing. */
  #failed(run: Run, error: unknown, next: 'answer' | 'requeue'): boolean {
    const { occasion, body, handler } = run;
    const { delivery, call } = occasion;
    const { reporter } = this.#options;
    const gaveUp = call.isReaction(error);
    const failure = { delivery, body, handler, error };
    if (gaveUp) reporter.failure('handler.aborted', failure);
    else reporter.failed(failure, { attempt: 1, next });
    return gaveUp;
  }

  #repeatedCall(
    { delivery }: Occasion,
    body: MessageBody,
    { handler, state }: { readonly handler: Handler; readonly state: 'running' | 'answered' | 'elsewhere' },
  ): void {
    const { reporter } = this.#options;
    const [at, message] = [reporter.at(delivery), factsOf(body)];
    reporter.event({ kind: 'call.repeated', at, message, handler: handler.label, state });
  }

  #repeated({ occasion, body, handler }: Run): void {
    const { reporter } = this.#options;
    const at = reporter.at(occasion.delivery);
    reporter.event({ kind: 'reply.repeated', at, message: factsOf(body), handler: handler.label });
  }

  async #answer({ occasion, remembered }: Run, result: AnyResult): Promise<void> {
    const { memory } = this.#options;
    const answer = this.answers.encode(occasion.delivery, result);
    // At once: a repeated call may come while this answer is on its way. The reply does not wait for the store.
    const stored = memory?.answered(remembered, answer);
    const isDelivered = await this.answers.sendWanted(occasion, answer);
    memory?.ended(remembered, { answer, isDelivered });
    if (stored) await stored;
  }
}

/** Where the deadline has passed nobody waits; a lost connection may come back, and somebody still wait for an answer. */
const settlementOfGivenUp = async (call: Occasion['call']): Promise<Settlement> => {
  if (!call.isAbandoned) await call.untilAnswerable();
  return call.isAbandoned ? 'ack' : 'requeue';
};

const NOT_REMEMBERED: FirstOrNot = { kind: 'first', run: undefined };

const noReply = ({ label }: Handler): MessageResultException =>
  new MessageResultException(
    'NoReplyError',
    `${label} ended without calling its reply function and returned nothing`,
  );
