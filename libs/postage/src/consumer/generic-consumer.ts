import type { Delivery } from '../connection/port.js';
import { ConnectionError, InvalidOptionError } from '../errors.js';
import { mergeTopologies, topologyOf, type Eqk } from '../topology/binding.js';
import type { Compatibility, QueueFlags } from '../topology/queue.js';
import type { AmqpTable, Binding, Exchange, Topology } from '../topology/types.js';
import {
  ConsumedQueues,
  type ConsumedQueuesOptions,
  type ConsumerSnapshot,
  type DispatcherPlan,
} from './consumed-queues.js';
import type { Dispatcher } from './dispatch.js';
import type { Handler, HandlerPattern } from './handlers.js';
import type { PauseTarget } from './pause-target.js';
import { partFor, type ProcessorScope } from './queue-plan.js';
import { Registrations } from './registrations.js';
import type { Subscription } from './subscription.js';

export interface GenericConsumerOptions extends ConsumedQueuesOptions {
  readonly compatibility: Compatibility;
  readonly prefetch: number;
}

/** What `addQueues` can be told of some of its queues, by their names. */
export interface OwnQueueOptions {
  /** Only this process consumes them, although they are not exclusive. @default [] */
  readonly privateQueues?: readonly string[] | undefined;
  /** Messages that wait in them when they are first consumed are known as leftovers. @default [] */
  readonly watchedQueues?: readonly string[] | undefined;
  /** They bring commands, not work: pausing everything, or a processor, leaves them alone. @default [] */
  readonly commandQueues?: readonly string[] | undefined;
}

/**
 * Consumes queues and hands their messages to handlers. Bindings may come and go at run time; they survive reconnects.
 */
export class GenericConsumer {
  readonly #options: GenericConsumerOptions;
  readonly #queues: ConsumedQueues;
  readonly #registered: Registrations;
  /** Bound before the start: put in place with it. */
  readonly #early: (() => Promise<void>)[] = [];
  readonly #earlyQueues = new Set<string>();
  /** Asked for before the start: what there is to pause is known then. */
  readonly #earlyPauses: (() => void)[] = [];
  #subscriptions: readonly Subscription[] | undefined;
  #started: Promise<void> | undefined;
  #drained: Promise<void> | undefined;

  constructor(options: GenericConsumerOptions) {
    this.#options = options;
    this.#queues = new ConsumedQueues(options);
    this.#registered = new Registrations(options);
  }

  /** Adds queues for the handlers that belong to no processor; before `start`. */
  addQueues(eqk: Eqk, options: OwnQueueOptions = {}): void {
    const { privateQueues = [], watchedQueues = [], commandQueues = [] } = options;
    this.#registered.addQueues(eqk, privateQueues);
    for (const name of watchedQueues) this.#queues.leftovers.watch(name);
    for (const name of commandQueues) this.#queues.pauses.spare(name);
  }

  /** Adds a handler; before `start`. Without a scope it serves the queues of the consumer itself. */
  register(handler: Handler, scope?: ProcessorScope): void {
    this.#registered.add(handler, scope);
  }

  /**
   * Declares everything and consumes it. Resolves once the broker has accepted the last consumer.
   * @throws {DuplicateHandlerError} two rpc handlers for one pattern on one queue
   * @throws {InvalidOptionError} definitions contradict each other, or what was paused before is not there
   * @throws {TopologyError} the broker refused an entity
   * @throws {ConnectionError} the broker refused credentials or vhost; or it was drained before
   */
  start(): Promise<void> {
    this.#started ??= this.#start();
    return this.#started;
  }

  /**
   * Works out what is to be declared and consumed, without the broker.
   * @throws {InvalidOptionError} definitions contradict each other, or what was paused before is not there
   * @throws {DuplicateHandlerError} two rpc handlers for one pattern on one queue
   */
  prepare(): void {
    if (this.#subscriptions) return;
    const plans = this.#registered.plan();
    for (const pause of this.#earlyPauses) pause();
    this.#subscriptions = plans.map((plan) => this.#queues.add(plan));
    // Throws where several queues have a dead-letter queue in common, and want it different.
    mergeTopologies(...this.#queues.topologies);
  }

  async #start(): Promise<void> {
    this.#throwIfClosing();
    this.prepare();
    this.#warnOfHandlersWithoutQueue();
    await Promise.all((this.#subscriptions ?? []).map((subscription) => subscription.start()));
    for (const bind of this.#early) await bind();
  }

  /**
   * Handles no further messages of some queues until they are resumed, also after reconnects; may be asked for at any time.
   * What has not started goes back to the queue, what runs goes on. Resolves when the broker hands out no more. Idempotent.
   *
   * A queue that two processors name has one consumer: pausing one of them pauses it.
   * @param target a processor class: its queues; a name: that queue; absent: all queues, also those bound later
   * @throws {InvalidOptionError} it is neither a processor nor a queue here; before the start, `start` throws it
   */
  pause(target?: PauseTarget): Promise<void> {
    return this.#setPaused(target, true);
  }

  /**
   * Handles the messages of paused queues again. Resolves when they are consumed; without a connection, when there is one.
   * @param target as that of `pause`
   * @throws {InvalidOptionError} it is neither a processor nor a queue here
   * @throws {TopologyError} the broker refuses it, as a rule since it is gone; it is tried again all the same. (BrokerError: `declare: 'assume'`)
   */
  resume(target?: PauseTarget): Promise<void> {
    return this.#setPaused(target, false);
  }

  async #setPaused(target: PauseTarget | undefined, isPaused: boolean): Promise<void> {
    if (this.#started === undefined)
      this.#earlyPauses.push(() => this.#queues.pauses.set(this.#queuesOf(target), isPaused));
    else await this.#queues.setPaused(this.#queuesOf(target), isPaused);
  }

  #queuesOf(target: PauseTarget | undefined): readonly string[] | undefined {
    if (target === undefined) return undefined;
    const queues = this.#registered.queuesOf(target, [...this.#queues.names, ...this.#earlyQueues]);
    return typeof target === 'string' ? queues : queues.filter((name) => !this.#queues.pauses.isSpared(name));
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
    this.#throwIfClosing();
    if (this.#started === undefined) {
      this.#early.push(bind);
      this.#earlyQueues.add(queue);
    } else await this.#started.then(bind);
  }

  async #bind(queue: string, topology: Topology, hasFlags: boolean): Promise<void> {
    const bare = { ...topology, queues: [] };
    // Throws where exchanges of one name differ: the broker would not be asked about the second.
    mergeTopologies(...this.#queues.topologies, bare);
    if (this.#queues.get(queue)) return this.#queues.extend(queue, hasFlags ? topology : bare);
    await this.#consume(topology, this.#registered.handlers);
  }

  /**
   * Consumes further queues at run time, with the handlers that belong to no processor; queues that are consumed already
   * get the bindings.
   * @throws {InvalidOptionError} it contradicts what is consumed here
   * @throws {TopologyError} the broker refused it
   */
  async addQueuesNow(
    eqk: Eqk,
    { watchedQueues = [], commandQueues = [] }: Omit<OwnQueueOptions, 'privateQueues'> = {},
  ): Promise<void> {
    await this.#started;
    for (const name of watchedQueues) this.#queues.leftovers.watch(name);
    for (const name of commandQueues) this.#queues.pauses.spare(name);
    const topology = topologyOf(eqk, this.#options);
    for (const queue of topology.queues) {
      const part = partFor(queue, topology);
      if (this.#queues.get(queue.name)) await this.#queues.extend(queue.name, part);
      else await this.#consume(part, this.#registered.ownHandlers, this.#registered.ownPrefetch(queue));
    }
  }

  /** Stops consuming a queue: what has not started goes back to it, what runs goes on. The queue stays, for others. */
  removeQueue(queue: string): Promise<void> {
    return this.#queues.remove(queue);
  }

  async #consume(
    topology: Topology,
    handlers: readonly Handler[],
    prefetch = this.#options.prefetch,
  ): Promise<void> {
    this.#throwIfClosing();
    const [queue] = topology.queues;
    if (!queue) throw new InvalidOptionError('queue', 'must name a queue.');
    const isPrivate = this.#registered.isPrivate(queue);
    await this.#queues.start({ queue, isPrivate, topology, prefetch, handlers });
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
    const subscription = this.#queues.get(queue);
    if (!subscription) {
      throw new InvalidOptionError(
        'queue',
        `"${queue}" is not consumed here. Consumed: ${this.#queues.names.join(', ') || 'none'}.`,
      );
    }
    const binding: Binding = { exchange: exchange.name, queue, key, arguments: args };
    await subscription.topology.removeBinding(binding);
  }

  get snapshot(): readonly ConsumerSnapshot[] {
    return this.#queues.snapshot;
  }

  /** What is declared for what is consumed, queue by queue; run-time bindings included. */
  get topologies(): readonly Topology[] {
    return this.#queues.topologies;
  }

  /** Calls that would be known again if they were repeated: those that run, and those answered a short while ago. */
  get recentCalls(): number {
    return this.#queues.recentCalls;
  }

  /** What the handlers are for, without repetitions. */
  get patterns(): readonly HandlerPattern[] {
    return this.#registered.patterns;
  }

  /** Whether a message waited in its queue before this process consumed it, as far as one can tell; only of watched queues. */
  isLeftover(delivery: Delivery): boolean {
    return this.#queues.leftovers.has(delivery);
  }

  /** For a queue that somebody else consumes. */
  dispatcherFor(plan: DispatcherPlan): Pick<Dispatcher, 'handle'> {
    return this.#queues.dispatcher(plan);
  }

  /** Stops consuming and waits for running handlers, their replies and acks included. Idempotent; never rejects. */
  drain(): Promise<void> {
    this.#drained ??= this.#queues.drain();
    return this.#drained;
  }

  #throwIfClosing(): void {
    if (this.#drained)
      throw new ConnectionError(
        'CONNECTION_CLOSED',
        'the consumer is closing: it consumes and binds nothing any more',
      );
  }

  #warnOfHandlersWithoutQueue(): void {
    const { withoutQueue: idle } = this.#registered;
    if (idle.length === 0) return;
    const text = `no queue leads to ${idle.join(', ')}: give the class @Processor({ eqk: [...] }), or the server an eqk option`;
    this.#options.observer({ kind: 'warning', text });
  }
}
