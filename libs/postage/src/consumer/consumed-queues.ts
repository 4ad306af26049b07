import type { PostageConnection } from '../connection/connection.js';
import { BrokerError, TopologyError } from '../errors.js';
import type { Observer } from '../observability/observer.js';
import { EMPTY_TOPOLOGY, mergeTopologies } from '../topology/binding.js';
import type { Topology } from '../topology/types.js';
import type { Codec } from '../wire/codec.js';
import type { FingerprintDict } from '../wire/fingerprint.js';
import { CallMemory } from './call-memory.js';
import { Aftermath } from './aftermath.js';
import { Copies } from './copies.js';
import { Dispatcher } from './dispatch.js';
import { HandlerTable } from './handlers.js';
import type { AnyResult } from './invocation.js';
import { Leftovers } from './leftovers.js';
import { Pauses } from './pauses.js';
import type { QueuePlan } from './queue-plan.js';
import { RecentCalls } from './recent-calls.js';
import type { RecentCallsSettings } from './recent-calls-options.js';
import { Replier } from './replier.js';
import { Reporter } from './reporter.js';
import { NO_RETRIES, planRetries, warningOf, type DeadLetter, type RetryPlan } from './retry-topology.js';
import { RpcDispatcher } from './rpc-dispatch.js';
import { Subscription } from './subscription.js';

export interface ConsumedQueuesOptions {
  readonly connection: PostageConnection;
  readonly codec: Codec;
  readonly fingerprint: FingerprintDict;
  readonly observer: Observer;
  readonly debug: boolean;
  /** How long `drain` waits for running handlers, in milliseconds. */
  readonly drainTimeoutMs: number;
  /** What the caller of a failed rpc handler is told. */
  readonly toFailure: (error: unknown) => AnyResult;
  /** How repeated calls are known again; `false`: not at all. */
  readonly recentCalls: RecentCallsSettings | false;
  /** Where dead letters go, where the processors of their queue do not say. */
  readonly deadLetter?: DeadLetter | undefined;
  /** An error in a header: its class and message. */
  readonly describeError: (error: unknown) => string;
}

/** One consumed queue, as a snapshot shows it. */
export interface ConsumerSnapshot {
  readonly queue: string;
  /** The broker hands its messages to the handlers. */
  readonly attached: boolean;
  /** It is not to be attached until it is resumed. */
  readonly paused: boolean;
  readonly prefetch: number;
  /** Deliveries whose handlers have not finished. */
  readonly inFlight: number;
  /** Messages and rpcs that no handler was for, since the start. */
  readonly unhandled: number;
}

/** What a queue's deliveries are handed to. */
export interface DispatcherPlan extends Pick<QueuePlan, 'isPrivate' | 'handlers'> {
  readonly queue: { readonly name: string };
  /** @default nothing is tried again, or kept */
  readonly retries?: RetryPlan | undefined;
}

interface Consumed {
  readonly subscription: Subscription;
  readonly dispatcher: Dispatcher;
  readonly retries: RetryPlan;
}

/** The queues that are consumed, each with its subscription and its dispatcher. */
export class ConsumedQueues {
  readonly leftovers = new Leftovers();
  readonly pauses = new Pauses();
  readonly #options: ConsumedQueuesOptions;
  readonly #replier: Replier;
  readonly #copies: Copies;
  readonly #memory: CallMemory | undefined;
  readonly #consumed = new Map<string, Consumed>();
  /** Not consumed any more, but some handlers still run. */
  readonly #removed = new Set<Consumed>();
  #isDraining = false;

  constructor(options: ConsumedQueuesOptions) {
    this.#options = options;
    this.#replier = new Replier(options);
    const { connection } = options;
    this.#copies = new Copies({ connection, deadlineMs: COPY_DEADLINE_MS, now: () => performance.now() });
    this.#memory = memoryOf(options);
  }

  get names(): readonly string[] {
    return [...this.#consumed.keys()];
  }

  get topologies(): readonly Topology[] {
    return [...this.#consumed.values()].map(({ subscription }) => subscription.topology.whole);
  }

  get snapshot(): readonly ConsumerSnapshot[] {
    return [...this.#consumed.values()].map(({ subscription, dispatcher: { unhandled } }) => {
      const { queue, attached, paused, prefetch, inFlight } = subscription;
      return { queue, attached, paused, prefetch, inFlight, unhandled };
    });
  }

  /** Calls that would be known again. */
  get recentCalls(): number {
    return this.#memory?.size ?? 0;
  }

  get(queue: string): Subscription | undefined {
    return this.#consumed.get(queue)?.subscription;
  }

  /**
   * Adds bindings to a queue that is consumed.
   * @throws {InvalidOptionError} they contradict what is there
   * @throws {TopologyError} the broker refused them
   */
  async extend(queue: string, topology: Topology): Promise<void> {
    const consumed = this.#consumed.get(queue);
    const queues = topology.queues.map((each) => consumed?.retries.asDeclared(each) ?? each);
    await consumed?.subscription.topology.extend({ ...topology, queues });
  }

  /**
   * Not consumed yet: that is what `start` of the subscription is for.
   * @throws {InvalidOptionError} its messages can not be tried again as they should
   */
  add(plan: QueuePlan): Subscription {
    const { queue, isPrivate, prefetch, handlers } = plan;
    const { connection, observer } = this.#options;
    const deadLetter = { own: plan.deadLetter, general: this.#options.deadLetter };
    // Only commands come there, and they have no policy: nothing is to be made for others.
    const served = this.pauses.isSpared(queue.name) ? [] : handlers;
    const retries = planRetries({ queue, handlers: served, deadLetter });
    const warning = warningOf(queue, retries);
    if (warning !== undefined) observer({ kind: 'warning', text: warning });
    const dispatcher = this.dispatcher({ ...plan, retries });
    const topology = { ...plan.topology, queues: plan.topology.queues.map(retries.asDeclared) };
    const subscription = new Subscription({
      queue: queue.name,
      topology: mergeTopologies(topology, { ...EMPTY_TOPOLOGY, queues: retries.queues }),
      prefetch,
      supervisor: connection.consuming,
      declarations: connection.consumingDeclarations,
      observer,
      handle: (delivery) => dispatcher.handle(delivery),
      isPrivate: isPrivate && !queue.exclusive,
      leftovers: this.leftovers.of(queue.name),
      isPaused: this.pauses.isPaused(queue.name),
    });
    this.#consumed.set(queue.name, { subscription, dispatcher, retries });
    return subscription;
  }

  /** Consumes a further queue; when that fails, it is as if nothing had been asked. */
  async start(plan: QueuePlan): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.add(plan).start();
      } catch (error) {
        const { name } = plan.queue;
        this.#consumed.delete(name);
        if (!mayComeBack(plan, error) || this.#isDraining || attempt === MAX_ATTEMPTS) throw error;
        // Auto-delete: its last consumer left between our declaration and our consumer.
        this.#options.connection.consumingDeclarations.forgetQueue(name);
      }
    }
  }

  /**
   * Pauses or resumes queues, also those that are consumed later.
   * @param queues undefined: all of them
   */
  async setPaused(queues: readonly string[] | undefined, isPaused: boolean): Promise<void> {
    this.pauses.set(queues, isPaused);
    const meant = [...this.#consumed.values()].map(({ subscription }) => subscription);
    await Promise.all(
      meant
        .filter(({ queue }) => queues === undefined || queues.includes(queue))
        .map((each) => (this.pauses.isPaused(each.queue) ? each.pause() : each.resume())),
    );
  }

  /** Stops consuming: what has not started goes back to the queue; what runs goes on, and only `drain` waits for it. */
  async remove(queue: string): Promise<void> {
    const consumed = this.#consumed.get(queue);
    if (!consumed || this.#removed.has(consumed)) return;
    const { drainTimeoutMs } = this.#options;
    const { subscription } = consumed;
    this.#consumed.delete(queue);
    this.#removed.add(consumed);
    this.pauses.forget(queue);
    await subscription.stop(drainTimeoutMs);
    // With its last consumer it may have gone from the broker.
    this.#options.connection.consumingDeclarations.forgetQueue(queue);
    void subscription.drain(drainTimeoutMs).finally(() => this.#removed.delete(consumed));
  }

  /** All of them, for good. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    const { drainTimeoutMs } = this.#options;
    const all = [...this.#consumed.values(), ...this.#removed];
    await Promise.all(all.map(({ subscription }) => subscription.drain(drainTimeoutMs)));
    this.#memory?.clear();
  }

  dispatcher(plan: DispatcherPlan): Dispatcher {
    const { isPrivate, handlers } = plan;
    const queue = plan.queue.name;
    const { connection, codec, observer, debug, toFailure } = this.#options;
    const reporter = new Reporter(queue, observer);
    const [replier, memory] = [this.#replier, this.#memory];
    const rpc = new RpcDispatcher({ queue, isPrivate, replier, reporter, memory, toFailure });
    const aftermath = this.#aftermath(queue, plan.retries ?? NO_RETRIES, reporter);
    const table = new HandlerTable(handlers);
    const { publishing } = connection;
    return new Dispatcher({ queue, table, codec, rpc, aftermath, reporter, debug, publishing });
  }

  #aftermath(queue: string, plan: RetryPlan, reporter: Reporter): Aftermath {
    const { describeError, connection } = this.#options;
    const linkOf = (): object | undefined => connection.consuming.link;
    const copies = this.#copies;
    const random = (): number => Math.random();
    const now = (): number => Date.now();
    return new Aftermath({ queue, plan, copies, reporter, describeError, linkOf, random, now });
  }
}

/** A message that can not be copied for this long goes back to its queue. */
const COPY_DEADLINE_MS = 30_000;

/** Of a queue whose consumers come and go. */
const MAX_ATTEMPTS = 20;

/** AMQP's 404, of a queue that we declare, and that goes with its last consumer. */
const mayComeBack = ({ queue }: QueuePlan, error: unknown): boolean =>
  queue.autoDelete &&
  queue.declare === 'assert' &&
  (error instanceof BrokerError || error instanceof TopologyError) &&
  error.amqpCode === 404 &&
  error.message.includes('no queue');

const memoryOf = ({ recentCalls, observer }: ConsumedQueuesOptions): CallMemory | undefined => {
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
