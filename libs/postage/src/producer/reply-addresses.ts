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

export interface ReplyAddressesOptions {
  readonly connection: PostageConnection;
  readonly observer: Observer;
  /** How many calls may wait for replies at once. */
  readonly maxCalls: number;
  /** How long an unused address is kept, in milliseconds. */
  readonly idleMs: number;
  readonly onLate: (address: ReplyAddress, delivery: Delivery) => void;
}

/** What replies are needed for; it decides which kind of address will do. */
export type ReplyPath =
  /** One reply, from peers that are known to echo the correlation id: a private queue that is used again and again. */
  | 'correlated'
  /** Replies that may carry no correlation id: a name that nobody else has ever been told. */
  | 'once'
  /** The same, and a real queue: somebody wants to have it. */
  | 'queue';

/** Where replies come to, in three kinds; and how many calls may wait for one. See ADR 0010. */
export class ReplyAddresses {
  readonly slots: CallSlots;
  readonly #observer: Observer;
  readonly #pooledQueues: AddressPool<ReplyAddress>;
  readonly #direct: AddressPool<DirectAddress>;
  readonly #singleQueues: AddressPool<ReplyAddress>;
  readonly #supervisors: { readonly publishing: Supervisor; readonly consuming: Supervisor };
  #directRefused = false;
  #queuesRefused = false;

  constructor({ connection, observer, maxCalls, idleMs, onLate }: ReplyAddressesOptions) {
    const { publishing, consuming } = connection;
    const common = { maxCalls, idleMs, onLate };
    this.slots = new CallSlots(maxCalls);
    this.#observer = observer;
    this.#supervisors = connection;
    this.#pooledQueues = new AddressPool({
      ...common,
      supervisor: consuming,
      maker: new PrivateQueues(true),
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
    return this.#pooledQueues.size + this.#singleQueues.size;
  }

  /** Channels that listen for direct replies. */
  get direct(): number {
    return this.#direct.size;
  }

  /**
   * The kind for a call to a target that is, or is not, known to echo correlation ids. As long as the connection of the
   * queues is not there, which may never have been needed before, no call waits for it.
   */
  pathFor(echoes: boolean): 'correlated' | 'once' {
    if (!echoes || this.#queuesRefused) return 'once';
    const { consuming } = this.#supervisors;
    if (consuming.state.kind === 'ready') return 'correlated';
    consuming.ready().catch(() => undefined);
    return 'once';
  }

  /** An address, if one is ready right now. */
  tryTake(path: 'correlated' | 'once'): ReplyAddress | undefined {
    if (path === 'correlated') return this.#pooledQueues.tryTake();
    return this.#directRefused ? undefined : this.#direct.tryTake();
  }

  /**
   * Waits for a connection and an address; the caller gives up through the signal.
   * @throws {TopologyError} the user may have no address of that kind, nor of another that would do
   */
  async take(path: ReplyPath, signal: AbortSignal): Promise<ReplyAddress> {
    if (path === 'correlated') return this.#takeQueue(this.#pooledQueues, signal);
    if (path === 'queue' || this.#directRefused) return this.#takeQueue(this.#singleQueues, signal, path);
    return this.#takeDirect(signal);
  }

  async #takeQueue(
    pool: AddressPool<ReplyAddress>,
    signal: AbortSignal,
    path?: ReplyPath,
  ): Promise<ReplyAddress> {
    try {
      return await pool.take(signal);
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
      return this.#takeQueue(this.#singleQueues, signal);
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
