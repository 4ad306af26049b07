import { CALL_HEADERS } from '../connection/call-headers.js';
import type { PostageConnection } from '../connection/connection.js';
import { checkReadable } from '../connection/incoming-headers.js';
import type { Delivery } from '../connection/port.js';
import type { Observer } from '../observability/observer.js';
import type { Exchange } from '../topology/types.js';
import type { MessageBody } from '../wire/body.js';
import type { Codec } from '../wire/codec.js';
import type { Address } from './address.js';
import type { ApplicationProducer } from './application-producer.js';
import { Fleet, type FleetMember } from './fleet.js';
import { PrivateFeed } from './private-feed.js';

export interface FleetDirectoryOptions {
  readonly connection: PostageConnection;
  readonly codec: Codec;
  readonly observer: Observer;
  readonly applications: ApplicationProducer;
  /** Where components tell that they come, are there, and go. */
  readonly exchange: Exchange;
  /** @default Date.now */
  readonly now?: (() => number) | undefined;
}

export interface RefreshOptions {
  /** How long to wait for answers, in milliseconds. @default 1_000 */
  readonly timeoutMs?: number | undefined;
}

const DEFAULT_TIMEOUT_MS = 1_000;
const POLL_MS = 1_000;

/**
 * Who is there, and who is missing: from the status messages of components with `presence`, once it listens, and from
 * pings. It knows what it has heard since it began.
 */
export class FleetDirectory {
  readonly #options: FleetDirectoryOptions;
  readonly #fleet = new Fleet();
  readonly #feed: PrivateFeed;
  readonly #listeners = new Set<() => void>();
  readonly #now: () => number;
  #started: Promise<void> | undefined;

  constructor(options: FleetDirectoryOptions) {
    const { connection, exchange } = options;
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#feed = new PrivateFeed({
      exchange,
      supervisor: connection.consuming,
      declarations: connection.consumingDeclarations,
      keys: () => [''],
      onDelivery: (delivery) => this.#onStatus(delivery),
    });
  }

  /**
   * Listens to status messages from now on, also after reconnects. Idempotent.
   * @throws {TopologyError} the broker refused the exchange
   */
  start(): Promise<void> {
    this.#started ??= this.#feed.start().catch((error: unknown) => {
      this.#started = undefined;
      throw error;
    });
    return this.#started;
  }

  /** Everyone it knows of, present or missing; those who said good-bye are not among them. */
  get members(): readonly FleetMember[] {
    return this.#fleet.members(this.#now());
  }

  /** Those who are there, as far as it knows. */
  get present(): readonly FleetMember[] {
    return this.members.filter(({ state }) => state === 'present');
  }

  /** Those who have not said good-bye, but are overdue for three heartbeats, or did not answer the last ping that was for them. */
  get missing(): readonly FleetMember[] {
    return this.members.filter(({ state }) => state === 'missing');
  }

  /** Which of these names nobody bears who is there. */
  absent(names: readonly string[]): readonly string[] {
    const present = new Set(this.present.map(({ fingerprint }) => fingerprint.name));
    return names.filter((name) => !present.has(name));
  }

  /**
   * Pings everyone at an address and waits for their answers. Known members at that address that do not answer are missing.
   * @returns those who have answered
   * @throws {PublishError} NOT_CONNECTED, NACKED, ...; that nobody is at the address is no error
   */
  async refresh(
    address: Address,
    { timeoutMs = DEFAULT_TIMEOUT_MS }: RefreshOptions = {},
  ): Promise<readonly FleetMember[]> {
    const expected = this.members.filter((member) => isAt(member, address));
    const answered = new Set<string>();
    const pings = this.#options.applications.at(address).with({ mandatory: false });
    for await (const reply of pings.gather('ping', undefined, { timeoutMs })) {
      const id = this.#fleet.seen({ fingerprint: reply.value }, this.#now());
      if (id !== undefined) answered.add(id);
    }
    for (const { id } of expected) if (!answered.has(id)) this.#fleet.silent(id);
    this.#changed();
    return this.members.filter(({ id }) => answered.has(id));
  }

  /** Strikes a member off, for example one that is known to have been killed. */
  forget(id: string): void {
    this.#fleet.forget(id);
    this.#changed();
  }

  /**
   * Waits until something is true of it, which is looked at whenever something was heard, and once a second, since members
   * become overdue in silence.
   * @returns whether it became true in time
   */
  async until(
    isTrue: (directory: this) => boolean,
    { timeoutMs }: { readonly timeoutMs: number },
  ): Promise<boolean> {
    if (isTrue(this)) return true;
    return new Promise((resolve, reject) => {
      const end = (act: () => void): void => {
        stop();
        clearInterval(poll);
        clearTimeout(limit);
        act();
      };
      const look = (): void => {
        try {
          if (isTrue(this)) end(() => resolve(true));
        } catch (error) {
          end(() => reject(error));
        }
      };
      const stop = this.onChange(look);
      const poll = setInterval(look, POLL_MS);
      const limit = setTimeout(() => end(() => resolve(false)), timeoutMs);
    });
  }

  /** Calls back whenever something was heard; returns the way to stop that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Listens no more. Idempotent. */
  close(): Promise<void> {
    return this.#feed.close();
  }

  #onStatus(delivery: Delivery): void {
    const { content, properties } = delivery;
    let body: MessageBody;
    try {
      checkReadable(delivery);
      body = this.#options.codec.decodeBody(content, properties.contentType);
    } catch {
      return;
    }
    if (body.type !== 'status') return;
    const { headers = {} } = properties;
    const [groups, intervalMs] = [headers[CALL_HEADERS.groups], headers[CALL_HEADERS.intervalMs]];
    const { fingerprint } = body;
    if (body.name === 'offline') this.#fleet.gone(fingerprint);
    else if (body.name === 'online' || body.name === 'heartbeat')
      this.#fleet.seen({ fingerprint, groups, intervalMs }, this.#now());
    else return;
    this.#changed();
  }

  #changed(): void {
    for (const listener of this.#listeners) {
      try {
        listener();
      } catch (error) {
        this.#options.observer({
          kind: 'internal.failure',
          where: 'a listener of the fleet directory',
          error,
        });
      }
    }
  }
}

/** Whether a fan-out address leads to that member; one in turn leads to whoever is next. */
const isAt = ({ fingerprint, groups }: FleetMember, { parts }: Address): boolean => {
  const { name, host, pid } = fingerprint;
  switch (parts.kind) {
    case 'name':
      return name === parts.name;
    case 'host':
      return host === parts.host;
    case 'nameAtHost':
      return name === parts.name && host === parts.host;
    case 'unique':
      return pid === parts.pid && host === parts.host;
    case 'group':
      return name === parts.name && (groups?.includes(parts.group) ?? false);
    case 'nameRoundRobin':
    case 'nameAtHostRoundRobin':
    case 'groupRoundRobin':
      return false;
    default:
      return parts satisfies never;
  }
};
