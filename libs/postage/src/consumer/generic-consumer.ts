import type { PostageConnection } from '../connection/connection.js';
import { ConnectionError, InvalidOptionError } from '../errors.js';
import type { Observer } from '../observability/observer.js';
import { mergeTopologies, topologyOf, type Eqk } from '../topology/binding.js';
import type { Compatibility, QueueFlags } from '../topology/queue.js';
import type { AmqpTable, Binding, Exchange, Topology } from '../topology/types.js';
import type { Codec } from '../wire/codec.js';
import type { FingerprintDict } from '../wire/fingerprint.js';
import { CallMemory } from './call-memory.js';
import { Dispatcher } from './dispatch.js';
import { HandlerTable, type Handler } from './handlers.js';
import type { AnyResult } from './invocation.js';
import { planQueues, type ProcessorScope, type QueuePlan, type ScopedHandler } from './queue-plan.js';
import { RecentCalls } from './recent-calls.js';
import type { RecentCallsSettings } from './recent-calls-options.js';
import { Replier } from './replier.js';
import { Reporter } from './reporter.js';
import { RpcDispatcher } from './rpc-dispatch.js';
import { Subscription } from './subscription.js';

export interface GenericConsumerOptions {
  readonly connection: PostageConnection;
  readonly codec: Codec;
  readonly fingerprint: FingerprintDict;
  readonly observer: Observer;
  readonly debug: boolean;
  readonly compatibility: Compatibility;
  readonly prefetch: number;
  /** How long `drain` waits for running handlers, in milliseconds. */
  readonly drainTimeoutMs: number;
  /** What the caller of a failed rpc handler is told. */
  readonly toFailure: (error: unknown) => AnyResult;
  /** How repeated calls are known again; `false`: not at all. */
  readonly recentCalls: RecentCallsSettings | false;
}

/** One consumed queue, as a snapshot shows it. */
export interface ConsumerSnapshot {
  readonly queue: string;
  readonly attached: boolean;
  readonly inFlight: number;
  /** Messages and rpcs that no handler was for, since the start. */
  readonly unhandled: number;
}

/**
 * Consumes queues and hands their messages to handlers. Bindings may come and go at run time; they survive reconnects.
 */
export class GenericConsumer {
  readonly #options: GenericConsumerOptions;
  readonly #replier: Replier;
  readonly #memory: CallMemory | undefined;
  readonly #handlers: ScopedHandler[] = [];
  readonly #scopes = new Set<ProcessorScope>();
  /** The queues of handlers that belong to no processor. */
  readonly #own: { readonly label: string; eqk: Eqk };
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #dispatchers = new Map<string, Dispatcher>();
  /** Bound before the start: put in place with it. */
  readonly #early: (() => Promise<void>)[] = [];
  #started: Promise<void> | undefined;
  #drained: Promise<void> | undefined;

  constructor(options: GenericConsumerOptions) {
    this.#options = options;
    this.#replier = new Replier(options);
    this.#memory = memoryOf(options);
    this.#own = { label: 'the server', eqk: [] };
    this.#scopes.add(this.#own);
  }

  /** Adds queues for the handlers that belong to no processor; before `start`. */
  addQueues(eqk: Eqk): void {
    this.#own.eqk = [...this.#own.eqk, ...eqk];
  }

  /** Adds a handler; before `start`. Without a scope it serves the queues of the consumer itself. */
  register(handler: Handler, scope: ProcessorScope = this.#own): void {
    this.#scopes.add(scope);
    this.#handlers.push({ handler, scope });
  }

  /**
   * Declares everything and consumes it. Resolves once the broker has accepted the last consumer.
   * @throws {DuplicateHandlerError} two rpc handlers for one pattern on one queue
   * @throws {TopologyError} the broker refused an entity
   * @throws {ConnectionError} the broker refused credentials or vhost
   */
  start(): Promise<void> {
    this.#started ??= this.#start();
    return this.#started;
  }

  async #start(): Promise<void> {
    const plans = planQueues({
      scopes: [...this.#scopes],
      handlers: this.#handlers,
      defaultPrefetch: this.#options.prefetch,
      compatibility: this.#options.compatibility,
      ownEqk: this.#own.eqk,
    });
    this.#warnOfHandlersWithoutQueue();
    for (const plan of plans) this.#subscriptions.set(plan.queue.name, this.#subscription(plan));
    await Promise.all([...this.#subscriptions.values()].map((subscription) => subscription.start()));
    for (const bind of this.#early) await bind();
  }

  /**
   * Binds a queue at run time, and consumes it when it is not consumed yet, with all handlers of this consumer.
   * @param flags the queue's flags, where it is new
   * @throws {InvalidOptionError} it contradicts what is consumed here
   * @throws {TopologyError} the broker refused it
   */
  async queueBind(
    exchange: Exchange,
    queue: string,
    key: string,
    flags?: QueueFlags,
    args?: AmqpTable,
  ): Promise<void> {
    const spec = flags === undefined ? queue : { name: queue, flags };
    const eqk: Eqk = [[exchange, [args === undefined ? [spec, key] : [spec, key, args]]]];
    const topology = topologyOf(eqk, this.#options);
    const bind = (): Promise<void> => this.#bind(queue, topology, flags !== undefined);
    if (this.#drained)
      throw new ConnectionError('CONNECTION_CLOSED', 'the consumer is closing: it binds nothing any more');
    if (this.#started === undefined) this.#early.push(bind);
    else await this.#started.then(bind);
  }

  async #bind(queue: string, topology: Topology, hasFlags: boolean): Promise<void> {
    const bare = { ...topology, queues: [] };
    // Throws where exchanges of one name differ: the broker would not be asked about the second.
    mergeTopologies(...[...this.#subscriptions.values()].map((each) => each.topology), bare);
    const existing = this.#subscriptions.get(queue);
    if (existing) return existing.extend(hasFlags ? topology : bare);
    const [definition] = topology.queues;
    if (!definition) throw new InvalidOptionError('queue', 'must name a queue.');
    const { prefetch } = this.#options;
    const handlers = this.#handlers.map(({ handler }) => handler);
    const subscription = this.#subscription({ queue: definition, topology, prefetch, handlers });
    this.#subscriptions.set(queue, subscription);
    try {
      await subscription.start();
    } catch (error) {
      this.#subscriptions.delete(queue);
      throw error;
    }
  }

  /**
   * Removes a binding at run time; the queue stays and is consumed further.
   * @param _flags as `queueBind` takes them; a queue that exists keeps its own
   * @param args the arguments that the binding was made with
   */
  async queueUnbind(
    exchange: Exchange,
    queue: string,
    key: string,
    _flags?: QueueFlags,
    args: AmqpTable = {},
  ): Promise<void> {
    const subscription = this.#subscriptions.get(queue);
    if (!subscription) {
      throw new InvalidOptionError(
        'queue',
        `"${queue}" is not consumed here. Consumed: ${[...this.#subscriptions.keys()].join(', ') || 'none'}.`,
      );
    }
    const binding: Binding = { exchange: exchange.name, queue, key, arguments: args };
    await subscription.removeBinding(binding);
  }

  get snapshot(): readonly ConsumerSnapshot[] {
    return [...this.#subscriptions.values()].map(({ queue, attached, inFlight }) => ({
      queue,
      attached,
      inFlight,
      unhandled: this.#dispatchers.get(queue)?.unhandled ?? 0,
    }));
  }

  /** Calls that would be known again if they were repeated: those that run, and those answered a short while ago. */
  get recentCalls(): number {
    return this.#memory?.size ?? 0;
  }

  /** Stops consuming and waits for running handlers, their replies and acks included. Idempotent; never rejects. */
  drain(): Promise<void> {
    this.#drained ??= Promise.all(
      [...this.#subscriptions.values()].map((subscription) =>
        subscription.drain(this.#options.drainTimeoutMs),
      ),
    ).then(() => this.#memory?.clear());
    return this.#drained;
  }

  #subscription(plan: QueuePlan): Subscription {
    const { queue, topology, prefetch } = plan;
    const { connection, observer } = this.#options;
    const dispatcher = this.#dispatcher(plan);
    this.#dispatchers.set(queue.name, dispatcher);
    return new Subscription({
      queue: queue.name,
      topology,
      prefetch,
      supervisor: connection.consuming,
      declarations: connection.consumingDeclarations,
      observer,
      handle: (delivery) => dispatcher.handle(delivery),
    });
  }

  #dispatcher({ queue: { name: queue, exclusive: isPrivate }, handlers }: QueuePlan): Dispatcher {
    const { connection, codec, observer, debug, toFailure } = this.#options;
    const reporter = new Reporter(queue, observer);
    const [replier, memory] = [this.#replier, this.#memory];
    const rpc = new RpcDispatcher({ queue, isPrivate, replier, reporter, memory, toFailure });
    const { publishing } = connection;
    return new Dispatcher({
      queue,
      table: new HandlerTable(handlers),
      codec,
      rpc,
      reporter,
      debug,
      publishing,
    });
  }

  #warnOfHandlersWithoutQueue(): void {
    if (this.#own.eqk.length > 0) return;
    const idle = this.#handlers
      .filter(({ scope }) => scope?.eqk.length === 0)
      .map(({ handler }) => handler.label);
    if (idle.length === 0) return;
    const text = `no queue leads to ${idle.join(', ')}: give the class @Processor({ eqk: [...] }), or the server an eqk option`;
    this.#options.observer({ kind: 'warning', text });
  }
}

const memoryOf = ({ recentCalls, observer }: GenericConsumerOptions): CallMemory | undefined => {
  if (recentCalls === false) return undefined;
  const { store, storeTimeoutMs, maxAgeMs } = recentCalls;
  const onStoreError = (error: unknown): void =>
    observer({ kind: 'internal.failure', where: 'the store of recent calls', error });
  return new CallMemory({
    recent: new RecentCalls(recentCalls),
    store,
    storeTimeoutMs,
    maxAgeMs,
    onStoreError,
  });
};
