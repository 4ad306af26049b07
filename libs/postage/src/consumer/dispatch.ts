import { CALL_HEADERS } from '../connection/call-headers.js';
import { Causation, causedBy } from '../connection/causation.js';
import { checkReadable } from '../connection/incoming-headers.js';
import type { Delivery } from '../connection/port.js';
import type { MessageBody } from '../wire/body.js';
import type { Codec } from '../wire/codec.js';
import { MessageResultException } from '../wire/message.js';
import { CallSignal, type CallSignalOptions } from './call-signal.js';
import { isFailure, type HandlerOutcome } from './fate.js';
import { filterBody } from './filters.js';
import type { Handler, HandlerTable } from './handlers.js';
import type { Occasion } from './invocation.js';
import type { Aftermath } from './aftermath.js';
import type { Settlement } from './outcome.js';
import type { Reporter } from './reporter.js';
import { handlersToRun, historyOf } from './retry-history.js';
import type { RpcDispatcher } from './rpc-dispatch.js';

export interface DispatcherOptions {
  readonly queue: string;
  readonly table: HandlerTable;
  readonly codec: Codec;
  readonly rpc: RpcDispatcher;
  /** For messages whose handlers failed, or that can not be read. */
  readonly aftermath: Aftermath;
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

  /** Whoever calls it must take what it throws for a rejection. */
  handle(delivery: Delivery): Promise<Settlement> {
    const body = this.#decode(delivery);
    if (body instanceof Error) return this.#malformed(delivery, body);
    const { reporter, debug, table } = this.#options;
    if (debug) reporter.event({ kind: 'message.received', at: reporter.at(delivery), body });
    const found = table.find(body.category, body.type, body.name);
    if (found.length === 0) return this.#unhandled(delivery, body);
    const handlers = found.every(({ isFor }) => isFor === undefined) ? found : this.#those(found, delivery);
    const [handler] = handlers;
    if (handler === undefined) return TAKEN_ELSEWHERE;
    return body.category === 'rpc'
      ? this.#handleRpc(delivery, body, handler)
      : this.#handleAll(delivery, body, handlers);
  }

  #decode(delivery: Delivery): MessageBody | Error {
    try {
      checkReadable(delivery);
      return this.#options.codec.decodeBody(delivery.content, delivery.properties.contentType);
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  async #malformed(delivery: Delivery, error: Error): Promise<Settlement> {
    const { reporter, rpc, aftermath } = this.#options;
    const next = aftermath.nextOfMalformed;
    reporter.event({ kind: 'message.malformed', at: reporter.at(delivery), error, next });
    await rpc.answers.refuse(delivery, MessageResultException.from(error));
    return aftermath.malformed(delivery, historyOf(delivery, this.#options.queue), error);
  }

  async #unhandled(delivery: Delivery, body: MessageBody): Promise<Settlement> {
    this.#unhandledCount += 1;
    this.#options.reporter.unhandled(delivery, body);
    if (body.category === 'rpc') await this.#options.rpc.answers.refuseUnhandled(delivery, body);
    return 'ack';
  }

  #those(found: readonly Handler[], delivery: Delivery): readonly Handler[] {
    return found.filter(({ isFor }) => isFor?.(delivery, this.#options.queue) ?? true);
  }

  #handleRpc(delivery: Delivery, body: MessageBody, handler: Handler): Promise<Settlement> {
    const { publishing, rpc } = this.#options;
    const call = new CallSignal({ remainingMs: remainingMsOf(delivery), publishing, isRpc: true });
    const cause = new Causation(delivery.properties);
    return causedBy(cause, () => rpc.handle({ delivery, cause, call }, body, handler));
  }

  async #handleAll(delivery: Delivery, body: MessageBody, found: readonly Handler[]): Promise<Settlement> {
    const { publishing, aftermath, queue } = this.#options;
    const history = historyOf(delivery, queue);
    const expired = history && aftermath.expired({ delivery, body, history });
    if (expired) return expired;
    const handlers = history ? handlersToRun(found, history) : found;
    const call = new CallSignal({ remainingMs: undefined, publishing, isRpc: false });
    const cause = new Causation(delivery.properties);
    const occasion: Occasion = { delivery, cause, call, history };
    // The last handler may have the original: only those before it need a copy.
    const run = (handler: Handler, index: number): Promise<HandlerOutcome> =>
      causedBy(cause, () =>
        this.#runHandler(occasion, index === handlers.length - 1 ? body : structuredClone(body), handler),
      );
    let outcomes: readonly HandlerOutcome[];
    try {
      const [only] = handlers;
      outcomes =
        only !== undefined && handlers.length === 1
          ? [await run(only, 0)]
          : await Promise.all(handlers.map(run));
    } finally {
      call.end();
    }
    if (!outcomes.some(isFailure)) return 'ack';
    return aftermath.settle({ delivery, body, history }, outcomes.filter(isFailure));
  }

  async #runHandler(occasion: Occasion, given: MessageBody, handler: Handler): Promise<HandlerOutcome> {
    const { delivery, cause, call, history } = occasion;
    const { reporter, queue, aftermath } = this.#options;
    let body = given;
    if (handler.filters.length > 0) {
      const filtered = await filterBody(given, handler.filters);
      if (!('body' in filtered)) {
        reporter.failure('message.filtered', { delivery, body, handler, error: filtered.refusal });
        return 'filtered';
      }
      ({ body } = filtered);
    }
    try {
      await handler.invoke({ delivery, cause, call, history, body, queue, reply: nobodyWaits });
      return 'handled';
    } catch (error) {
      return aftermath.failed({ delivery, body: given, history }, { handler, error });
    }
  }
}

const TAKEN_ELSEWHERE: Promise<Settlement> = Promise.resolve('ack');

const nobodyWaits = (): void => undefined;

/** Any sender can write anything. */
const remainingMsOf = ({ properties: { headers } }: Delivery): number | undefined => {
  const value = headers?.[CALL_HEADERS.remainingMs];
  return typeof value === 'number' && value > 0 ? value : undefined;
};
