import { CALL_HEADERS } from '../connection/call-headers.js';
import { Causation, causedBy } from '../connection/causation.js';
import type { Delivery } from '../connection/port.js';
import type { MessageBody } from '../wire/body.js';
import type { Codec } from '../wire/codec.js';
import { MessageResultException } from '../wire/message.js';
import { CallSignal, type CallSignalOptions } from './call-signal.js';
import { filterBody } from './filters.js';
import type { Handler, HandlerTable } from './handlers.js';
import type { Occasion } from './invocation.js';
import { settlementOf, type HandlerOutcome, type Settlement } from './outcome.js';
import type { Reporter } from './reporter.js';
import type { RpcDispatcher } from './rpc-dispatch.js';

export interface DispatcherOptions {
  readonly queue: string;
  readonly table: HandlerTable;
  readonly codec: Codec;
  readonly rpc: RpcDispatcher;
  readonly reporter: Reporter;
  readonly debug: boolean;
  /** The connection that answers go out on. */
  readonly publishing: CallSignalOptions['publishing'];
}

/** From a delivery to its settlement: decode, find the handlers, filter, run, answer. Never rejects. */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  #unhandledCount = 0;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** Messages and rpcs that no handler was for. */
  get unhandled(): number {
    return this.#unhandledCount;
  }

  async handle(delivery: Delivery): Promise<Settlement> {
    const body = this.#decode(delivery);
    if (body instanceof Error) return this.#malformed(delivery, body);
    const { reporter, debug, table } = this.#options;
    if (debug) reporter.event({ kind: 'message.received', at: reporter.at(delivery), body });
    const handlers = table.find(body.category, body.type, body.name);
    const [handler] = handlers;
    if (handler === undefined) return this.#unhandled(delivery, body);
    return this.#run(delivery, body, body.category === 'rpc' ? [handler] : handlers);
  }

  #decode({ content, properties }: Delivery): MessageBody | Error {
    try {
      return this.#options.codec.decodeBody(content, properties.contentType);
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  async #malformed(delivery: Delivery, error: Error): Promise<Settlement> {
    const { reporter, rpc } = this.#options;
    reporter.event({ kind: 'message.malformed', at: reporter.at(delivery), error });
    await rpc.refuse(delivery, MessageResultException.from(error));
    return 'reject';
  }

  async #unhandled(delivery: Delivery, body: MessageBody): Promise<Settlement> {
    this.#unhandledCount += 1;
    this.#options.reporter.unhandled(delivery, body);
    if (body.category === 'rpc') await this.#options.rpc.refuseUnhandled(delivery, body);
    return 'ack';
  }

  async #run(delivery: Delivery, body: MessageBody, handlers: readonly Handler[]): Promise<Settlement> {
    const isRpc = body.category === 'rpc';
    const { publishing } = this.#options;
    const remainingMs = isRpc ? remainingMsOf(delivery) : undefined;
    const call = new CallSignal({ remainingMs, publishing, isRpc });
    const occasion: Occasion = { delivery, cause: new Causation(delivery.properties), call };
    try {
      return await causedBy(occasion.cause, () => this.#handle(occasion, body, handlers));
    } finally {
      call.end();
    }
  }

  async #handle(occasion: Occasion, body: MessageBody, handlers: readonly Handler[]): Promise<Settlement> {
    const [handler] = handlers;
    if (body.category === 'rpc' && handler) return this.#options.rpc.handle(occasion, body, handler);
    return this.#handleAll(occasion, body, handlers);
  }

  async #handleAll(occasion: Occasion, body: MessageBody, handlers: readonly Handler[]): Promise<Settlement> {
    // The last handler may have the original: only those before it need a copy.
    const runs = handlers.map((handler, index) =>
      this.#runHandler(occasion, index === handlers.length - 1 ? body : structuredClone(body), handler),
    );
    return settlementOf(await Promise.all(runs));
  }

  async #runHandler(occasion: Occasion, body: MessageBody, handler: Handler): Promise<HandlerOutcome> {
    const { delivery } = occasion;
    const { reporter, queue } = this.#options;
    const filtered = await filterBody(body, handler.filters);
    if (!('body' in filtered)) {
      reporter.failure('message.filtered', { delivery, body, handler, error: filtered.refusal });
      return 'filtered';
    }
    try {
      const reply = (): void => undefined;
      await handler.invoke({ ...occasion, body: filtered.body, queue, reply });
      return 'handled';
    } catch (error) {
      reporter.failure('handler.failed', { delivery, body, handler, error });
      return 'failed';
    }
  }
}

/** Any sender can write anything. */
const remainingMsOf = ({ properties: { headers } }: Delivery): number | undefined => {
  const value = headers?.[CALL_HEADERS.remainingMs];
  return typeof value === 'number' && value > 0 ? value : undefined;
};
