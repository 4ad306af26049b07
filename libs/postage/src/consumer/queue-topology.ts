import type { Declarations } from '../connection/declarations.js';
import type { Supervisor } from '../connection/supervisor.js';
import { BrokerError, ConnectionError } from '../errors.js';
import type { Binding, Topology } from '../topology/types.js';
import { LiveTopology } from './live-topology.js';

/** Of a run-time binding, where connection after connection goes away under it. */
const MAX_ATTEMPTS = 5;

export interface QueueTopologyOptions {
  readonly topology: Topology;
  readonly supervisor: Supervisor;
  readonly declarations: Declarations;
}

/** What one consumed queue needs at the broker, and how it gets there: at each restore, and whenever it changes. */
export class QueueTopology {
  readonly #options: QueueTopologyOptions;
  readonly #live: LiveTopology;

  constructor(options: QueueTopologyOptions) {
    this.#options = options;
    this.#live = new LiveTopology(options.topology);
  }

  /** Run-time bindings included. */
  get whole(): Topology {
    return this.#live.whole;
  }

  /** Declares all of it on the present connection. @throws {TopologyError} the broker refused it */
  ensure(): Promise<void> {
    return this.#options.declarations.ensure(this.whole);
  }

  /** At the broker it may be gone. */
  forgetQueue(queue: string): void {
    this.#options.declarations.forgetQueue(queue);
  }

  /**
   * Adds what a run-time binding needs, now and after every reconnect.
   * @throws {InvalidOptionError} it contradicts what is there
   * @throws {TopologyError} the broker refused it
   */
  async extend(topology: Topology): Promise<void> {
    const takeBack = this.#live.add(topology);
    try {
      await this.#whenConnected(() => this.ensure());
    } catch (error) {
      takeBack();
      throw error;
    }
  }

  async removeBinding(unwanted: Binding): Promise<void> {
    this.#live.remove(unwanted);
    await this.#whenConnected(() => this.#options.declarations.unbind(unwanted));
  }

  /** Does something at the broker; when the connection goes away meanwhile, on the next one. */
  async #whenConnected(operation: () => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      await this.#options.supervisor.ready();
      try {
        return await operation();
      } catch (error) {
        if (!isPassing(error) || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }
}

/** The connection went away: a broker that refuses says so with a code. */
const isPassing = (error: unknown): boolean =>
  (error instanceof ConnectionError && !error.permanent) ||
  (error instanceof BrokerError && error.amqpCode === undefined);
