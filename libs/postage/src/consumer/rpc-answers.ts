import type { Delivery } from '../connection/port.js';
import { CallAbandonedError } from '../errors.js';
import { describeName, type MessageBody } from '../wire/body.js';
import { MessageResultException } from '../wire/message.js';
import type { CallAnswer } from './call-store.js';
import { describePattern } from './handlers.js';
import type { AnyResult, Occasion } from './invocation.js';
import type { EncodedAnswer, Replier } from './replier.js';
import type { Reporter } from './reporter.js';

export interface RpcAnswersOptions {
  /** Only this process consumes the queue: another member of the same address may have the handler that this one lacks. */
  readonly isPrivate: boolean;
  readonly replier: Replier;
  readonly reporter: Reporter;
}

/** The answers to the rpcs of one queue: made, sent, and reported where they reach nobody. Never rejects. */
export class RpcAnswers {
  readonly #options: RpcAnswersOptions;

  constructor(options: RpcAnswersOptions) {
    this.#options = options;
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
    const answer = this.encode(delivery, result);
    await this.#send(delivery, answer);
    return answer;
  }

  encode(delivery: Delivery, result: AnyResult): EncodedAnswer {
    const { replier, reporter } = this.#options;
    const answer = replier.encode(delivery, result);
    if (answer.failure)
      reporter.event({ kind: 'reply.unencodable', at: reporter.at(delivery), error: answer.failure });
    return answer;
  }

  /**
   * Not when the caller's time is over: it has been told that nobody answered.
   * @returns whether the broker has it
   */
  sendWanted({ delivery, call }: Occasion, answer: CallAnswer): Promise<boolean> {
    if (!call.isAbandoned) return this.#send(delivery, answer);
    this.#undeliverable(delivery, new CallAbandonedError());
    return Promise.resolve(false);
  }

  async #send(delivery: Delivery, answer: CallAnswer): Promise<boolean> {
    try {
      await this.#options.replier.send(delivery, answer);
      return true;
    } catch (error) {
      this.#undeliverable(delivery, error);
      return false;
    }
  }

  #undeliverable(delivery: Delivery, error: unknown): void {
    const { reporter } = this.#options;
    reporter.event({ kind: 'reply.undeliverable', at: reporter.at(delivery), error });
  }
}
