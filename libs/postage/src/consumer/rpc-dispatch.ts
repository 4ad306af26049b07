import type { Delivery } from '../connection/port.js';
import { CallAbandonedError } from '../errors.js';
import { describeName, type MessageBody } from '../wire/body.js';
import { MessageResultException } from '../wire/message.js';
import type { CallMemory } from './call-memory.js';
import type { CallAnswer } from './call-store.js';
import { filterBody } from './filters.js';
import { describePattern, type Handler } from './handlers.js';
import type { AnyResult, Occasion, ReplyFunction } from './invocation.js';
import type { RunningCall } from './recent-calls.js';
import { toResult, type EncodedAnswer, type Replier } from './replier.js';
import { factsOf, type Reporter } from './reporter.js';

export interface RpcDispatcherOptions {
  readonly queue: string;
  /** Exclusive to this process: another member of the same address may have the handler that this one lacks. */
  readonly isPrivate: boolean;
  readonly replier: Replier;
  readonly reporter: Reporter;
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

/** Answers rpcs: each once, whatever happens. Never rejects. */
export class RpcDispatcher {
  readonly #options: RpcDispatcherOptions;

  constructor(options: RpcDispatcherOptions) {
    this.#options = options;
  }

  /** Resolves when the handler is done and the broker has the answer. */
  async handle(occasion: Occasion, body: MessageBody, handler: Handler): Promise<void> {
    const { delivery, call } = occasion;
    const { memory, queue } = this.#options;
    const met = await memory?.meet(queue, delivery, call.remainingMs);
    if (met === undefined || met.kind === 'first') {
      const remembered = met?.run;
      try {
        return await this.#filterAndRun({ occasion, body, handler, remembered });
      } finally {
        // Whoever waits for it must not wait for ever, whatever went wrong.
        memory?.ended(remembered, undefined);
      }
    }
    this.#options.reporter.event({
      kind: 'call.repeated',
      at: this.#options.reporter.at(delivery),
      message: factsOf(body),
      handler: handler.label,
      state: met.kind,
    });
    if (met.kind === 'running') await this.#join(occasion, met.call);
    else if (met.kind === 'answered') await this.#sendWanted(occasion, met.answer);
  }

  async refuseUnhandled(delivery: Delivery, body: MessageBody): Promise<void> {
    const pattern = { category: body.category, type: body.type, name: describeName(body.name) };
    const text = `nobody handles ${describePattern(pattern)}`;
    await this.refuse(delivery, new MessageResultException('NoHandlerError', text));
  }

  /**
   * On a private queue that a fan-out key leads to, another member may have the handler, or the encoder: one that has
   * none keeps quiet, or its refusal would be the first reply. A message to the queue by its own name was meant for this
   * process alone.
   */
  async refuse(delivery: Delivery, result: AnyResult): Promise<EncodedAnswer | undefined> {
    if (this.#options.isPrivate && delivery.exchange !== '') return undefined;
    const answer = this.#encode(delivery, result);
    await this.#send(delivery, answer);
    return answer;
  }

  /** The answer to the first request reaches the second's caller too, where both have the same address. */
  async #join(occasion: Occasion, call: RunningCall): Promise<void> {
    const sent = await call.answered;
    if (sent === undefined) return;
    const { replyTo, correlationId } = occasion.delivery.properties;
    const isSame = replyTo === call.replyTo && correlationId === call.correlationId;
    if (!isSame || !sent.isDelivered) await this.#sendWanted(occasion, sent.answer);
  }

  async #filterAndRun(run: Run): Promise<void> {
    const { occasion, body, handler, remembered } = run;
    const { delivery } = occasion;
    const filtered = await filterBody(body, handler.filters);
    if ('body' in filtered) return this.#run({ ...run, body: filtered.body });
    const failure = { delivery, body, handler, error: filtered.refusal };
    this.#options.reporter.failure('message.filtered', failure);
    const answer = await this.refuse(delivery, MessageResultException.from(filtered.refusal));
    this.#options.memory?.ended(remembered, answer && { answer, isDelivered: true });
  }

  /** The first answer counts, whether it comes through the reply function or as the handler's result. */
  async #run(run: Run): Promise<void> {
    const { occasion, body, handler } = run;
    let answered: Promise<void> | undefined;
    const reply: ReplyFunction = (result) => {
      if (answered) this.#repeated(run);
      else answered = this.#answer(run, toResult(result));
    };
    try {
      const value = await handler.invoke({ ...occasion, body, queue: this.#options.queue, reply });
      if (answered === undefined || value !== undefined)
        reply(handler.repliesItself && value === undefined ? noReply(handler) : value);
    } catch (error) {
      const { delivery, call } = occasion;
      const gaveUp = call.isReaction(error);
      const kind = gaveUp ? 'handler.aborted' : 'handler.failed';
      this.#options.reporter.failure(kind, { delivery, body, handler, error });
      // After an answer there is nobody left to tell. One that gave up has not decided anything: a repeated call runs again.
      answered ??= this.#answer(run, this.#options.toFailure(error), !gaveUp);
    }
    await answered;
  }

  #repeated({ occasion, body, handler }: Run): void {
    const { reporter } = this.#options;
    const at = reporter.at(occasion.delivery);
    reporter.event({ kind: 'reply.repeated', at, message: factsOf(body), handler: handler.label });
  }

  async #answer({ occasion, remembered }: Run, result: AnyResult, isFinal = true): Promise<void> {
    const { memory } = this.#options;
    const answer = this.#encode(occasion.delivery, result);
    // At once: a repeated call may come while this answer is on its way. The reply does not wait for the store.
    const stored = isFinal ? memory?.answered(remembered, answer) : undefined;
    const isDelivered = await this.#sendWanted(occasion, answer);
    memory?.ended(remembered, { answer, isDelivered });
    await stored;
  }

  #encode(delivery: Delivery, result: AnyResult): EncodedAnswer {
    const { replier, reporter } = this.#options;
    const answer = replier.encode(delivery, result);
    if (answer.failure)
      reporter.event({ kind: 'reply.unencodable', at: reporter.at(delivery), error: answer.failure });
    return answer;
  }

  /** Not when the caller's time is over: it has been told that nobody answered. */
  async #sendWanted({ delivery, call }: Occasion, answer: CallAnswer): Promise<boolean> {
    if (!call.isAbandoned) return this.#send(delivery, answer);
    const { reporter } = this.#options;
    const error = new CallAbandonedError();
    reporter.event({ kind: 'reply.undeliverable', at: reporter.at(delivery), error });
    return false;
  }

  async #send(delivery: Delivery, answer: CallAnswer): Promise<boolean> {
    const { replier, reporter } = this.#options;
    try {
      await replier.send(delivery, answer);
      return true;
    } catch (error) {
      reporter.event({ kind: 'reply.undeliverable', at: reporter.at(delivery), error });
      return false;
    }
  }
}

const noReply = ({ label }: Handler): MessageResultException =>
  new MessageResultException(
    'NoReplyError',
    `${label} ended without calling its reply function and returned nothing`,
  );
