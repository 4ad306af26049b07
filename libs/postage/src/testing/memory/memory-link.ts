import type { ChannelPort, Link } from '../../connection/port.js';
import { BrokerError, ConnectionError } from '../../errors.js';
import type { ChannelCarrier } from './channel-carrier.js';
import { Ending } from './ending.js';
import { Listeners, type ErrorReport } from './listeners.js';
import { MemoryChannel } from './memory-channel.js';
import type { Network } from './network.js';
import { PendingAnswers } from './pending-answers.js';
import { endsConnection } from './refusals.js';
import { endSessions } from './session.js';
import type { Vhost } from './vhost.js';

/** The broker of a link, as the link needs it. */
export interface LinkHost {
  readonly network: Network;
  readonly vhost: Vhost;
  readonly report: ErrorReport;
  /** Why publishers are blocked; undefined when they are not. */
  blockedReason(): string | undefined;
  unlink(link: MemoryLink): void;
}

/** A connection to a `MemoryBroker`. */
export class MemoryLink implements Link, ChannelCarrier {
  readonly address: string;
  readonly connectionName: string;
  readonly network: Network;
  readonly vhost: Vhost;
  readonly report: ErrorReport;
  readonly #host: LinkHost;
  readonly #channels = new Set<MemoryChannel>();
  readonly #opening = new PendingAnswers();
  readonly #blocked: Listeners<string | undefined>;
  readonly #ending: Ending;
  /** What the broker does not read while it blocks this link. */
  #held: (() => void)[] | undefined;
  #alive = true;
  #usable = true;
  #closing: Promise<void> | undefined;

  constructor(host: LinkHost, address: string, connectionName: string) {
    this.#host = host;
    this.address = address;
    this.connectionName = connectionName;
    this.network = host.network;
    this.vhost = host.vhost;
    this.report = host.report;
    this.#blocked = new Listeners(host.report);
    this.#ending = new Ending(host.network, host.report);
  }

  get channelCount(): number {
    return this.#channels.size;
  }

  get isBlocked(): boolean {
    return this.#held !== undefined;
  }

  openChannel(): Promise<ChannelPort> {
    if (!this.#usable) return Promise.reject(ended());
    return this.#opening.open((resolve) => {
      this.write(() => {
        if (!this.#alive) return;
        const channel = new MemoryChannel(this);
        this.#channels.add(channel);
        channel.onClosed(() => this.#channels.delete(channel));
        this.network.send(() => resolve(channel));
      });
    });
  }

  onClosed(listener: (error: Error | undefined) => void): void {
    this.#ending.onReached(listener);
  }

  onBlocked(listener: (reason: string | undefined) => void): void {
    this.#blocked.add(listener);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  write(arrival: () => void): void {
    if (this.#held === undefined) this.network.send(arrival);
    else this.#held.push(arrival);
  }

  beforePublish(): void {
    const blockedReason = this.#host.blockedReason();
    if (blockedReason === undefined || this.#held !== undefined) return;
    this.#held = [];
    this.network.send(() => this.#blocked.notify(blockedReason));
  }

  unblock(): void {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    this.network.send(() => this.#blocked.notify(undefined));
    for (const arrival of held) this.network.send(arrival);
  }

  refused(channel: MemoryChannel, error: BrokerError): void {
    if (endsConnection(error)) return this.sever(error);
    endSessions([channel.session]);
    this.network.send(() => channel.end(error));
  }

  /** The broker drops the link; the client hears of it one hop later. */
  sever(cause: Error): void {
    if (!this.#release()) return;
    const text = `the connection to ${this.address} was lost: ${cause.message}`;
    const error =
      cause instanceof ConnectionError ? cause : new ConnectionError('CONNECTION_LOST', text, { cause });
    this.network.send(() => this.#end(error));
  }

  #close(): Promise<void> {
    this.#usable = false;
    if (this.#ending.reached) return Promise.resolve();
    return new Promise((resolve) => {
      this.network.send(() => {
        this.#release();
        this.network.send(() => {
          this.#end(undefined);
          resolve();
        });
      });
    });
  }

  /** On the broker's side: everything that lived on the link goes. False when it was gone already. */
  #release(): boolean {
    if (!this.#alive) return false;
    this.#alive = false;
    this.#held = undefined;
    this.#host.unlink(this);
    endSessions([...this.#channels].map(({ session }) => session));
    this.vhost.retireExclusiveQueues(this);
    return true;
  }

  /** On the client's side. */
  #end(error: Error | undefined): void {
    this.#usable = false;
    this.#opening.rejectAll(ended(error));
    for (const channel of this.#channels) channel.end(ended(error));
    this.#ending.reach(this.#closing === undefined ? error : undefined);
  }
}

const ended = (cause?: Error): BrokerError =>
  new BrokerError(undefined, 'the channel ended with its connection', { cause });
