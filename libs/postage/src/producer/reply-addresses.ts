import type { PostageConnection } from '../connection/connection.js';
import type { Delivery } from '../connection/port.js';
import type { Supervisor } from '../connection/supervisor.js';
import { BrokerError } from '../errors.js';
import type { Observer } from '../observability/observer.js';
import { explainPrivateQueue, isAccessRefusal } from '../topology/refusal-access.js';
import { AddressPool } from './address-pool.js';
import { CallSlots } from './call-slots.js';
import { DirectReplies, type DirectAddress } from './direct-replies.js';
import { PrivateQueues } from './private-queues.js';
import type { ReplyAddress } from './reply-address.js';
import { SharedReplies } from './shared-replies.js';

export interface ReplyAddressesOptions {
  readonly connection: PostageConnection;
  readonly observer: Observer;
  /** How many calls may wait for replies at once. */
  readonly maxCalls: number;
  /** How long an unused address is kept, in milliseconds. */
  readonly idleMs: number;
  readonly onLate: (address: ReplyAddress, delivery: Delivery) => void;
  /** Told of a reply without a correlation id at an address that calls share. */
  readonly onAmbiguous: (address: ReplyAddress) => void;
}

/** What replies are needed for; it decides which kind of address of its own a call has. */
export type ReplyPath =
  /** Replies that may carry no correlation id: a name that nobody else has ever been told. */
  | 'once'
  /** The same, and a real queue: somebody wants to have it. */
  | 'queue';

/** Where replies come to, in three kinds; and how many calls may wait for one. See ADR 0010 and 0017. */
export class ReplyAddresses {
  readonly slots: CallSlots;
  readonly #observer: Observer;
  readonly #sharedQueue: AddressPool<ReplyAddress>;
  readonly #shared: SharedReplies;
  readonly #direct: AddressPool<DirectAddress>;
  readonly #singleQueues: AddressPool<ReplyAddress>;
  readonly #supervisors: { readonly publishing: Supervisor; readonly consuming: Supervisor };
  #directRefused = false;
  #queuesRefused = false;

  constructor(options: ReplyAddressesOptions) {
    const { connection, observer, maxCalls, idleMs, onLate, onAmbiguous } = options;
    const { publishing, consuming } = connection;
    const common = { maxCalls, idleMs, onLate };
    this.slots = new CallSlots(maxCalls);
    this.#observer = observer;
    this.#supervisors = connection;
    this.#sharedQueue = new AddressPool({
      ...common,
      maxCalls: 1,
      supervisor: consuming,
      maker: new PrivateQueues(true),
    });
    this.#shared = new SharedReplies({
      pool: this.#sharedQueue,
      onLate,
      onAmbiguous,
      onRefused: (error) => isAccessRefusal(error) && this.#refuseQueues(error),
    });
    this.#singleQueues = new AddressPool({
      ...common,
      supervisor: consuming,
      maker: new PrivateQueues(false),
    });
    // Not on the consumers' connection: it publishes probes, and a blocked broker would then read no acks either.
    this.#direct = new AddressPool({ ...common, supervisor: publishing, maker: new DirectReplies() });
  }

  /** Queues at the broker that are ours at this moment. */
  get queues(): number {
    return this.#sharedQueue.size + this.#singleQueues.size;
  }

  /** Channels that listen for direct replies. */
  get direct(): number {
    return this.#direct.size;
  }

  /**
   * An address for a call with this message id, if one is ready right now: the shared one where the target is known to echo
   * correlation ids, else one of its own.
   */
  tryTake(messageId: string, echoes: boolean): ReplyAddress | undefined {
    const shared = echoes && !this.#queuesRefused ? this.#shared.tryTake(messageId) : undefined;
    return shared ?? this.tryTakeOnce();
  }

  /** An address that no earlier call has used, if one is ready right now. */
  tryTakeOnce(): ReplyAddress | undefined {
    return this.#directRefused ? undefined : this.#direct.tryTake();
  }

  /**
   * Waits for a connection and an address of its own; the caller gives up through the signal.
   * @throws {TopologyError} the user may have no address of that kind, nor of another that would do
   */
  async take(path: ReplyPath, signal: AbortSignal): Promise<ReplyAddress> {
    if (path === 'queue' || this.#directRefused) return this.#takeQueue(signal, path);
    return this.#takeDirect(signal);
  }

  async #takeQueue(signal: AbortSignal, path: ReplyPath): Promise<ReplyAddress> {
    try {
      return await this.#singleQueues.take(signal);
    } catch (error) {
      if (!isAccessRefusal(error)) throw error;
      this.#refuseQueues(error);
      if (path === 'queue' || this.#directRefused) throw explainPrivateQueue(error);
      return this.#takeDirect(signal);
    }
  }

  /** What keeps a caller waiting, if it is the connection. */
  obstacle(path: ReplyPath): { readonly cause: unknown } | undefined {
    const { publishing, consuming } = this.#supervisors;
    const { state, lastError } = path === 'once' && !this.#directRefused ? publishing : consuming;
    if (state.kind !== 'ready') return { cause: lastError };
    return state.blocked && { cause: new Error(`the broker blocks publishers: ${state.blocked.reason}`) };
  }

  async #takeDirect(signal: AbortSignal): Promise<ReplyAddress> {
    try {
      return await this.#direct.take(signal);
    } catch (error) {
      if (!(error instanceof BrokerError) || error.amqpCode === undefined) throw error;
      this.#refuseDirect(error);
      return this.#takeQueue(signal, 'once');
    }
  }

  #refuseQueues(error: BrokerError): void {
    if (this.#queuesRefused) return;
    this.#queuesRefused = true;
    // Where neither is permitted, the calls themselves say so.
    if (this.#directRefused) return;
    const text = `this user may have no private queues, so calls go on with direct reply-to, and queueOnly does not work: ${error.message}`;
    this.#observer({ kind: 'warning', text });
  }

  #refuseDirect(error: BrokerError): void {
    if (this.#directRefused) return;
    this.#directRefused = true;
    const text = `the broker refuses direct reply-to, so a call to peers that send no correlation id declares a queue of its own, which is slow: ${error.message}`;
    this.#observer({ kind: 'warning', text });
  }
}
