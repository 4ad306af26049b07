import type { ConnectRequest, Driver, Link } from '../connection/port.js';
import { BrokerError, ConnectionError } from '../errors.js';
import { systemClock, type MemoryClock } from './memory/clock.js';
import { Deadlines } from './memory/deadlines.js';
import type { ErrorReport } from './memory/listeners.js';
import { MemoryLink, type LinkHost } from './memory/memory-link.js';
import { Network } from './memory/network.js';
import { takeSnapshot, type BrokerSnapshot } from './memory/snapshot.js';
import { Vhost } from './memory/vhost.js';

export interface MemoryBrokerOptions {
  /** What expirations go by. @default the system's clock and timers, also when a test replaces them with fake ones */
  readonly clock?: MemoryClock | undefined;
  /** Hears what a listener throws that was given to a link or channel. @default a warning of the process */
  readonly onListenerError?: ErrorReport | undefined;
}

const ADDRESS = 'memory:///';

const warn: ErrorReport = (error) => {
  process.emitWarning(error instanceof Error ? error : String(error));
};

/**
 * RabbitMQ in memory, for tests: exchanges, queues, confirms, redelivery, dead-lettering, expiration and direct replies as
 * RabbitMQ has them, in the process of the test and without a network. One instance is one virtual host; several
 * applications may connect to it. The contract suite in `test/contract` runs on it and on RabbitMQ alike.
 *
 * @example
 * const broker = new MemoryBroker();
 * const module = PostageModule.forRoot({ connection: broker });
 */
export class MemoryBroker implements Driver {
  readonly #network = new Network();
  readonly #deadlines: Deadlines;
  readonly #vhost: Vhost;
  readonly #links = new Set<MemoryLink>();
  readonly #report: ErrorReport;
  #refusal: Error | undefined;
  #blockedReason: string | undefined;

  constructor(options: MemoryBrokerOptions = {}) {
    this.#report = options.onListenerError ?? warn;
    this.#deadlines = new Deadlines(options.clock ?? systemClock);
    this.#vhost = new Vhost(this.#deadlines);
  }

  /** @throws {ConnectionError} `refuseConnections` is in force, or the request was aborted */
  connect(request: ConnectRequest): Promise<Link> {
    return new Promise((resolve, reject) => {
      this.#network.send(() => {
        const refusal = this.#whyNot(request.signal);
        if (refusal !== undefined) this.#network.send(() => reject(refusal));
        else {
          const link = this.#link(request.connectionName);
          this.#network.send(() => resolve(link));
        }
      });
    });
  }

  /** Cuts every connection, as a dying network does; new ones are accepted. */
  disconnectAll(error: Error = new Error('the connection was cut')): void {
    for (const link of this.#links) link.sever(error);
  }

  /** Refuses new connections with this error until it is called with `undefined`; open ones stay. */
  refuseConnections(error: Error | undefined): void {
    this.#refusal = error;
  }

  /**
   * Acts like a broker that is short of memory or disk: a link is told, and not read from any more, as soon as it
   * publishes. Its publishes are confirmed after `unblock`.
   * @see https://www.rabbitmq.com/docs/connection-blocked
   */
  block(reason: string): void {
    this.#blockedReason = reason;
  }

  unblock(): void {
    this.#blockedReason = undefined;
    for (const link of this.#links) link.unblock();
  }

  /** Cuts every connection and forgets what a restart does not survive: transient entities and transient messages. */
  restart(): void {
    this.disconnectAll(
      new BrokerError(320, "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"),
    );
    this.#blockedReason = undefined;
    this.#vhost.dropTransient();
  }

  /** What the broker holds now, as plain data; what is still on its way to it does not count. */
  snapshot(): BrokerSnapshot {
    this.#deadlines.runDue();
    return takeSnapshot(this.#vhost, this.#links);
  }

  #link(connectionName: string): MemoryLink {
    const host: LinkHost = {
      network: this.#network,
      vhost: this.#vhost,
      report: this.#report,
      blockedReason: () => this.#blockedReason,
      unlink: (link) => this.#unlink(link),
    };
    const link = new MemoryLink(host, ADDRESS, connectionName);
    this.#links.add(link);
    if (this.#links.size === 1) this.#deadlines.resume();
    return link;
  }

  #unlink(link: MemoryLink): void {
    this.#links.delete(link);
    if (this.#links.size === 0) this.#deadlines.rest();
  }

  #whyNot(signal: AbortSignal | undefined): ConnectionError | undefined {
    if (signal?.aborted) {
      return new ConnectionError('CONNECTION_CLOSED', 'the connection was closed before it was open', {
        cause: signal.reason,
      });
    }
    const refusal = this.#refusal;
    if (refusal === undefined || refusal instanceof ConnectionError) return refusal;
    return new ConnectionError('CONNECTION_FAILED', `no connection to ${ADDRESS}: ${refusal.message}`, {
      cause: refusal,
    });
  }
}
