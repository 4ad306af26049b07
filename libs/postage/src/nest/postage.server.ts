import type { MessageHandler as NestHandler } from '@nestjs/microservices';
import { Server } from '@nestjs/microservices';
import { isObservable, lastValueFrom, type Observable } from 'rxjs';
import { currentScope, inScope } from '../connection/causation.js';
import type { PostageConnection } from '../connection/connection.js';
import type { GenericConsumer } from '../consumer/generic-consumer.js';
import type { Handler } from '../consumer/handlers.js';
import type { Invocation } from '../consumer/invocation.js';
import type { ProcessorScope } from '../consumer/queue-plan.js';
import type { PostageEvent } from '../observability/observer.js';
import { originalError } from './failure.js';
import { describeHandler, type HandlerDescription } from './handler-description.js';
import { retryIn, retryOfRpc } from './retry-metadata.js';
import { Messaging } from './messaging.js';
import { POSTAGE_TRANSPORT, processorOf, type DecoratedClass, type ProcessorMetadata } from './metadata.js';
import { payloadOf } from './payload.js';
import { PostageContext } from './postage.context.js';
import type { PostageServerOptions } from './postage.options.js';
import type { PostageState } from './postage.state.js';
import { splitConnection } from './split-connection.js';

/** `connected`: every consumer is in place; `disconnected`: it is being (re)connected; `closed`. */
export type PostageStatus = 'connected' | 'disconnected' | 'closed';

// Nest's base class asks for an index signature of Function here.
export interface PostageEvents extends Record<string, (event: PostageEvent) => void> {
  event: (event: PostageEvent) => void;
}

/** How a module shares its messaging with the server that it provides. */
export interface SharedMessaging {
  readonly messaging: Messaging;
  /** The name of the module's connection; handlers of processors with another one are left to others. */
  readonly name: string | undefined;
}

/**
 * The Nest transport. `PostageModule.microservice()` gives the one that shares the module's connection; on its own:
 * `NestFactory.createMicroservice(AppModule, { strategy: new PostageServer({ url, eqk }) })`.
 */
export class PostageServer extends Server<PostageEvents, PostageStatus> {
  override transportId: symbol = POSTAGE_TRANSPORT;
  /** We hear of every failure ourselves: Nest need not log it too. */
  override readonly propagatesEventHandlerErrors = true;
  readonly #messaging: Messaging;
  readonly #name: string | undefined;
  /** A module closes its connection after its other users; a server on its own closes what it opened. */
  readonly #ownsMessaging: boolean;
  #closing = false;
  /** The one that does nothing but start: Nest's own, until somebody sets another. */
  readonly #plainStartHook = this.onProcessingStartHook as unknown;
  readonly #scopes = new Map<ProcessorMetadata, ProcessorScope>();
  readonly #registered = new Map<DecoratedClass, Set<string>>();

  constructor(options: PostageServerOptions | SharedMessaging = {}) {
    super();
    if ('messaging' in options) {
      this.#messaging = options.messaging;
      this.#name = options.name;
      this.#ownsMessaging = false;
    } else {
      this.#messaging = new Messaging(splitConnection(options));
      this.#name = undefined;
      this.#ownsMessaging = true;
      this.expectListen();
    }
    this.#messaging.connection.onChange(({ consuming }) => {
      this._status$.next(
        consuming.kind === 'ready' ? 'connected' : consuming.kind === 'closed' ? 'closed' : 'disconnected',
      );
    });
  }

  /** Where everything stands. */
  get state(): PostageState {
    return this.#messaging.state;
  }

  /** Bindings at run time; pausing and resuming. */
  get consumer(): GenericConsumer {
    return this.#messaging.consumer;
  }

  /** Nest calls it once for every pattern of every handler. */
  override addHandler(
    pattern: unknown,
    callback: NestHandler,
    isEventHandler = false,
    extras: Record<string, unknown> = {},
  ): void {
    const description = describeHandler({ pattern, isEventHandler, extras }, (value) =>
      this.normalizePattern(value),
    );
    const processor = description.target && processorOf(description.target);
    if (processor && (processor.connection ?? undefined) !== this.#name) return;
    // A controller that two modules list has two instances, but its messages are handled once.
    if (!this.#isNew(description)) return;
    callback.isEventHandler = isEventHandler;
    callback.extras = extras;
    this.messageHandlers.set(`${this.messageHandlers.size} ${description.handler.label}`, callback);
    const { handler, payload, contentView } = description;
    const retry = this.#retryOf(handler, retryIn(extras), processor);
    const invoke = (invocation: Invocation): Promise<unknown> => {
      const data = payloadOf(invocation.body, payload, contentView);
      return this.#run(callback, data, new PostageContext(invocation));
    };
    this.#register({ ...handler, invoke, retry }, description.target, processor);
  }

  /** It has been connected, and is going to listen: until then the application is not ready. */
  expectListen(): void {
    this.#messaging.expectStart();
  }

  /**
   * Calls back once everything is consumed, or with what stopped the start. When it is closed before the broker was
   * there (a SIGTERM while waiting for it), nothing failed and nothing started: then it does not call back at all. Where it was
   * told to quit meanwhile it calls back, so that the program goes on.
   */
  async listen(callback: (error?: unknown) => void): Promise<void> {
    const wasClosed = this.#closing;
    try {
      await this.#messaging.start();
    } catch (error) {
      // It was told to quit before it was there: the program goes on behind its start, and behind its end.
      if (this.#messaging.application.lifecycle.isToldToEnd) return callback();
      if (this.#closing && !wasClosed) return;
      await this.close();
      callback(error);
      return;
    }
    callback();
  }

  /** Stops consuming and waits for running handlers. Idempotent; never rejects. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#messaging.drain();
    if (this.#ownsMessaging) await this.#messaging.close();
  }

  /** `on('event', listener)`: everything that happens, as data. */
  on<K extends keyof PostageEvents>(event: K, callback: PostageEvents[K]): void {
    if (event === 'event') this.#messaging.observe(callback);
  }

  /** The connection beneath. */
  unwrap<T = PostageConnection>(): T {
    // Nest's signature lets the caller name the type.
    return this.#messaging.connection as T;
  }

  /** Its own policy, or that of its processor, or that of the application; an rpc has none. */
  #retryOf(
    { pattern, label }: Pick<Handler, 'pattern' | 'label'>,
    own: Handler['retry'],
    processor: ProcessorMetadata | undefined,
  ): Handler['retry'] {
    if (pattern.category === 'message') return own ?? processor?.retry ?? this.#messaging.retry;
    if (own === undefined) return undefined;
    throw retryOfRpc(label);
  }

  #isNew({ target, key }: HandlerDescription): boolean {
    if (target === undefined || key === undefined) return true;
    const known = this.#registered.get(target) ?? new Set<string>();
    this.#registered.set(target, known);
    const isNew = !known.has(key);
    known.add(key);
    return isNew;
  }

  #register(
    handler: Handler,
    target: DecoratedClass | undefined,
    processor: ProcessorMetadata | undefined,
  ): void {
    if (!processor || !target) return this.consumer.register(handler);
    const scope = this.#scopes.get(processor) ?? {
      label: target.name,
      eqk: processor.eqk,
      prefetch: processor.prefetch,
      source: target,
      deadLetter: processor.deadLetter,
    };
    this.#scopes.set(processor, scope);
    this.consumer.register(handler, scope);
  }

  /** Runs Nest's whole pipeline, and waits until all of it is done. */
  async #run(callback: NestHandler, data: unknown, context: PostageContext): Promise<unknown> {
    const scope = currentScope();
    try {
      const startHook = this.#startHook;
      if (startHook) return await this.#withHooks(startHook, context, () => settled(callback(data, context)));
      const value = await callback(data, context);
      return isObservable(value) ? await lastOf(value) : value;
    } catch (failure) {
      throw originalError(failure, scope?.thrown);
    }
  }

  /** Of Nest's instrumentation (11.1.6 and later), where somebody uses it. */
  get #startHook(): StartHook | undefined {
    // Absent before 11.1.6, whatever the types of the installed version say.
    const startHook = this.onProcessingStartHook as StartHook | undefined;
    const isPlain = startHook === this.#plainStartHook && !this.onProcessingEndHook;
    return isPlain ? undefined : startHook;
  }

  /** The start hook may drop the promise of what it starts. */
  #withHooks(startHook: StartHook, context: PostageContext, run: () => Promise<unknown>): Promise<unknown> {
    const scope = currentScope();
    return new Promise((resolve, reject) => {
      const start = async (): Promise<void> => {
        try {
          // A hook may call it from anywhere, from another handler's run too.
          resolve(await inScope(scope, run));
        } catch (error) {
          reject(error);
        } finally {
          this.#endHook(context);
        }
      };
      // Its type says that it returns nothing, but it may be asynchronous.
      Promise.resolve(startHook(this.transportId, context, start) as unknown).catch(reject);
    });
  }

  /** Nobody waits for it: what it throws would end the process. */
  #endHook(context: PostageContext): void {
    try {
      this.onProcessingEndHook?.(this.transportId, context);
    } catch (error) {
      this.#messaging.observer({ kind: 'internal.failure', where: "Nest's processing end hook", error });
    }
  }
}

type StartHook = PostageServer['onProcessingStartHook'];

/** The value of a handler: of its promise, or the last one of its observable. */
const settled = async (result: unknown): Promise<unknown> => {
  const value = await result;
  return isObservable(value) ? lastOf(value) : value;
};

const lastOf = (values: Observable<unknown>): Promise<unknown> =>
  lastValueFrom(values, { defaultValue: undefined });
