import type { Delivery } from '../connection/port.js';
import type { DeliveryFacts, MessageFacts, Observer } from '../observability/observer.js';
import { describeName, type MessageBody } from '../wire/body.js';
import type { Codec } from '../wire/codec.js';
import { MessageResultException } from '../wire/message.js';
import { applyFilters } from './filters.js';
import { describePattern, type Handler, type HandlerTable } from './handlers.js';
import type { AnyResult, ReplyFunction } from './invocation.js';
import { settlementOf, type HandlerOutcome, type Settlement } from './outcome.js';
import { toResult, type Replier } from './replier.js';

export interface DispatcherOptions {
  readonly queue: string;
  /** Exclusive to this process: another member of the same address may have the handler that this one lacks. */
  readonly isPrivate: boolean;
  readonly table: HandlerTable;
  readonly codec: Codec;
  readonly replier: Replier;
  readonly observer: Observer;
  readonly debug: boolean;
  /** What a failed handler's caller is told. */
  readonly toFailure: (error: unknown) => AnyResult;
}

/** From a delivery to its settlement: decode, find the handlers, filter, run, answer. Never rejects. */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  #unhandledCount = 0;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  async handle(delivery: Delivery): Promise<Settlement> {
    const body = this.#decode(delivery);
    if (body instanceof Error) return this.#malformed(delivery, body);
    const { observer, debug, table } = this.#options;
    if (debug) observer({ kind: 'message.received', at: this.#facts(delivery), body });
    const handlers = table.find(body.category, body.type, body.name);
    return body.category === 'rpc'
      ? this.#handleRpc(delivery, body, handlers[0])
      : this.#handleMessage(delivery, body, handlers);
  }

  #decode({ content, properties }: Delivery): MessageBody | Error {
    try {
      return this.#options.codec.decodeBody(content, properties.contentType);
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  async #malformed(delivery: Delivery, error: Error): Promise<Settlement> {
    this.#options.observer({ kind: 'message.malformed', at: this.#facts(delivery), error });
    await this.#answerUnlessPrivate(delivery, MessageResultException.from(error));
    return 'reject';
  }

  async #handleMessage(
    delivery: Delivery,
    body: MessageBody,
    handlers: readonly Handler[],
  ): Promise<Settlement> {
    if (handlers.length === 0) {
      this.#unhandled(delivery, body);
      return 'ack';
    }
    // The last handler may have the original: only those before it need a copy.
    const runs = handlers.map((handler, index) =>
      this.#runHandler(delivery, index === handlers.length - 1 ? body : structuredClone(body), handler),
    );
    return settlementOf(await Promise.all(runs));
  }

  async #runHandler(delivery: Delivery, body: MessageBody, handler: Handler): Promise<HandlerOutcome> {
    const filtered = await this.#filter(delivery, body, handler);
    if ('refusal' in filtered) return 'filtered';
    try {
      const reply = (): void => undefined;
      await handler.invoke({ body: filtered.body, delivery, queue: this.#options.queue, reply });
      return 'handled';
    } catch (error) {
      this.#failed({ delivery, body, handler, error });
      return 'failed';
    }
  }

  async #handleRpc(delivery: Delivery, body: MessageBody, handler: Handler | undefined): Promise<Settlement> {
    if (handler === undefined) {
      this.#unhandled(delivery, body);
      const pattern = { category: body.category, type: body.type, name: describeName(body.name) };
      await this.#answerUnlessPrivate(
        delivery,
        new MessageResultException('NoHandlerError', `nobody handles ${describePattern(pattern)}`),
      );
      return 'ack';
    }
    const filtered = await this.#filter(delivery, body, handler);
    if ('refusal' in filtered) {
      await this.#answerUnlessPrivate(delivery, MessageResultException.from(filtered.refusal));
      return 'ack';
    }
    await this.#runRpc(delivery, filtered.body, handler);
    return 'ack';
  }

  /** The first answer counts, whether it comes through the reply function or as the handler's result. */
  async #runRpc(delivery: Delivery, body: MessageBody, handler: Handler): Promise<void> {
    let answered: Promise<void> | undefined;
    const reply: ReplyFunction = (result) => {
      if (answered)
        this.#options.observer({
          kind: 'reply.repeated',
          at: this.#facts(delivery),
          message: factsOf(body),
          handler: handler.label,
        });
      else answered = this.#answer(delivery, toResult(result));
    };
    try {
      const value = await handler.invoke({ body, delivery, queue: this.#options.queue, reply });
      if (answered === undefined)
        reply(handler.repliesItself && value === undefined ? noReply(handler) : value);
    } catch (error) {
      this.#failed({ delivery, body, handler, error });
      // After an answer there is nobody left to tell.
      if (answered === undefined) reply(this.#options.toFailure(error));
    }
    await answered;
  }

  async #filter(
    delivery: Delivery,
    body: MessageBody,
    handler: Handler,
  ): Promise<{ body: MessageBody } | { refusal: unknown }> {
    if (handler.filters.length === 0) return { body };
    try {
      return { body: { ...body, content: await applyFilters(handler.filters, body.content) } };
    } catch (error) {
      const [at, message] = [this.#facts(delivery), factsOf(body)];
      this.#options.observer({ kind: 'message.filtered', at, message, handler: handler.label, error });
      return { refusal: error };
    }
  }

  /**
   * On a private queue that a fan-out key leads to, another member may have the handler, or the encoder: one that has
   * none keeps quiet, or its refusal would be the first reply. A message to the queue by its own name was meant for this
   * process alone.
   */
  async #answerUnlessPrivate(delivery: Delivery, result: AnyResult): Promise<void> {
    if (this.#options.isPrivate && delivery.exchange !== '') return;
    await this.#answer(delivery, result);
  }

  async #answer(delivery: Delivery, result: AnyResult): Promise<void> {
    try {
      const error = await this.#options.replier.reply(delivery, result);
      if (error) this.#options.observer({ kind: 'reply.unencodable', at: this.#facts(delivery), error });
    } catch (error) {
      this.#options.observer({ kind: 'reply.undeliverable', at: this.#facts(delivery), error });
    }
  }

  /** Messages and rpcs that no handler was for. */
  get unhandled(): number {
    return this.#unhandledCount;
  }

  #unhandled(delivery: Delivery, body: MessageBody): void {
    this.#unhandledCount += 1;
    this.#options.observer({ kind: 'message.unhandled', at: this.#facts(delivery), message: factsOf(body) });
  }

  #failed({ delivery, body, handler, error }: Failure): void {
    const [at, message] = [this.#facts(delivery), factsOf(body)];
    this.#options.observer({ kind: 'handler.failed', at, message, handler: handler.label, error });
  }

  #facts({ exchange, routingKey, redelivered, content }: Delivery): DeliveryFacts {
    return { queue: this.#options.queue, exchange, routingKey, redelivered, sizeBytes: content.length };
  }
}

interface Failure {
  readonly delivery: Delivery;
  readonly body: MessageBody;
  readonly handler: Handler;
  readonly error: unknown;
}

const factsOf = ({ category, type, name, fingerprint }: MessageBody): MessageFacts => ({
  category,
  type,
  name,
  fingerprint,
});

const noReply = ({ label }: Handler): MessageResultException =>
  new MessageResultException(
    'NoReplyError',
    `${label} ended without calling its reply function and returned nothing`,
  );
