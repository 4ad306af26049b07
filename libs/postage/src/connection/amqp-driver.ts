import { connect, type ChannelModel } from 'amqplib';
import { ConnectionError } from '../errors.js';
import { AmqpChannel } from './amqp-channel.js';
import { isVhostRefusal, toBrokerError, toConnectionError } from './amqp-errors.js';
import { ConnectionSource, type ConnectionProvider } from './connection-source.js';
import { deferred } from './deferred.js';
import type { Endpoint, ResolvedConnection } from './endpoint.js';
import { keepUnreadable } from './incoming-headers.js';
import type { ConnectionOptions } from './options.js';
import type { ChannelPort, ConnectRequest, Driver, Link } from './port.js';
import { askWhyRefused } from './refusal-reason.js';
import { gatherWrites } from './gathered-writes.js';
import { settleWithin } from './settle-within.js';
import { withinLimit } from './time-limit.js';

const CLOSE_LIMIT_MS = 2_000;
const SECRET_LIMIT_MS = 10_000;

export interface AmqpDriverSettings {
  /** Hears of deprecated environment variables. */
  readonly warn?: ((text: string) => void) | undefined;
  /** Shuffles the addresses; a number in [0, 1). @default Math.random */
  readonly random?: (() => number) | undefined;
}

/** Opens connections to RabbitMQ with amqplib: no Nagle delay, heartbeats, a time limit, all given addresses in random order. */
export class AmqpDriver implements Driver {
  readonly #source: ConnectionSource;
  readonly #random: () => number;

  /** @throws {InvalidOptionError} options given as an object are checked here, those of a provider at each connect */
  constructor(source: ConnectionOptions | ConnectionProvider = {}, settings: AmqpDriverSettings = {}) {
    this.#source = new ConnectionSource(source, settings.warn);
    this.#random = settings.random ?? Math.random;
  }

  async connect(request: ConnectRequest): Promise<Link> {
    const resolved = await this.#source.resolve(request.signal);
    const failures: ConnectionError[] = [];
    for (const endpoint of shuffled(resolved.endpoints, this.#random)) {
      if (request.signal?.aborted) break;
      try {
        return await openWithin(endpoint, resolved, request);
      } catch (error) {
        failures.push(error instanceof ConnectionError ? error : toConnectionError(error, endpoint.address));
      }
    }
    throw worst(failures);
  }
}

/** One refusal of several addresses is temporary where at least one of them was merely not there. */
const worst = (failures: readonly ConnectionError[]): ConnectionError => {
  const [first] = failures;
  if (first === undefined)
    return new ConnectionError('CONNECTION_CLOSED', 'the connection was closed before it was open');
  if (failures.length === 1) return first;
  const decisive = failures.find((failure) => !failure.permanent) ?? first;
  const text = failures.map((failure) => failure.message).join(' | ');
  return new ConnectionError(decisive.code, text, { cause: decisive });
};

const shuffled = (endpoints: readonly Endpoint[], random: () => number): readonly Endpoint[] => {
  const keyed = endpoints.map((endpoint) => ({ endpoint, order: random() }));
  return keyed.toSorted((a, b) => a.order - b.order).map(({ endpoint }) => endpoint);
};

/** The limit of a socket in Node counts from its last byte: it would be no limit for a peer that dribbles. */
const openWithin = (
  endpoint: Endpoint,
  resolved: ResolvedConnection,
  { connectionName, signal: given }: ConnectRequest,
): Promise<Link> => {
  const limitMs = resolved.connectTimeoutMs;
  const text = `it was not open within ${limitMs} ms`;
  return withinLimit({ limitMs, text, signal: given }, async (signal) => {
    try {
      return await open(endpoint, resolved, { connectionName, signal });
    } catch (error) {
      if (!isVhostRefusal(error)) throw error;
      const reason = await askWhyRefused(endpoint, resolved.tls, signal);
      throw toConnectionError(error, endpoint.address, reason);
    }
  });
};

const open = async (
  endpoint: Endpoint,
  resolved: ResolvedConnection,
  request: Required<ConnectRequest>,
): Promise<Link> => {
  const address = {
    protocol: endpoint.protocol,
    hostname: endpoint.host,
    port: endpoint.port,
    username: endpoint.user,
    password: endpoint.password(),
    // amqplib unescapes the vhost of this form, but neither user nor password.
    vhost: encodeURIComponent(endpoint.vhost),
    heartbeat: resolved.heartbeatSeconds,
  };
  const socket = {
    ...resolved.tls,
    noDelay: true,
    keepAlive: true,
    timeout: 0,
    signal: request.signal,
    clientProperties: { connection_name: request.connectionName, product: 'nestjs-postage' },
  };
  const model = await connect(address, socket);
  gatherWrites(model);
  return new AmqpLink(model, endpoint.address);
};

class AmqpLink implements Link {
  readonly address: string;
  readonly #model: ChannelModel;
  #closing: Promise<void> | undefined;
  #gone = false;
  #lastError: Error | undefined;

  constructor(model: ChannelModel, address: string) {
    this.#model = model;
    this.address = address;
    keepUnreadable(model.connection);
    model.on('error', (error: Error) => {
      this.#lastError = error;
    });
    model.on('close', (error?: Error) => {
      this.#gone = true;
      this.#lastError ??= error;
    });
  }

  get maxChannels(): number | undefined {
    return this.#agreed('channelMax');
  }

  /** What client and broker have agreed on; amqplib has no public way to tell. */
  #agreed(limit: 'channelMax' | 'frameMax'): number | undefined {
    const { [limit]: value } = this.#model.connection as unknown as Record<string, unknown>;
    return typeof value === 'number' && value > 0 ? value : undefined;
  }

  /** The same holds for the heartbeat. */
  get heartbeatMs(): number | undefined {
    const { heartbeat } = this.#model.connection as unknown as { heartbeat?: unknown };
    return typeof heartbeat === 'number' && heartbeat > 0 ? heartbeat * 1_000 : undefined;
  }

  async openChannel(): Promise<ChannelPort> {
    try {
      return new AmqpChannel(await this.#model.createConfirmChannel(), this.#agreed('frameMax'));
    } catch (error) {
      throw toBrokerError(error);
    }
  }

  onClosed(listener: (error: Error | undefined) => void): void {
    const notify = (): void => listener(this.#closing ? undefined : this.#reason());
    if (this.#gone) setImmediate(notify);
    else this.#model.once('close', notify);
  }

  onBlocked(listener: (reason: string | undefined) => void): void {
    this.#model.on('blocked', (reason: string) => listener(reason));
    this.#model.on('unblocked', () => listener(undefined));
  }

  /** @see https://www.rabbitmq.com/docs/connections#credential-update */
  async updateSecret(secret: string): Promise<void> {
    const text = `it has not taken the new secret within ${SECRET_LIMIT_MS} ms`;
    const lost = deferred<never>();
    const onClose = (): void => lost.reject(this.#reason());
    this.#model.once('close', onClose);
    try {
      // Its promise stays pending where the connection ends first, as it does when the broker refuses.
      const update = (): Promise<void> => this.#model.updateSecret(Buffer.from(secret), 'it has changed');
      await withinLimit({ limitMs: SECRET_LIMIT_MS, text }, () => Promise.race([update(), lost.promise]));
    } catch (error) {
      throw error instanceof ConnectionError ? error : toConnectionError(error, this.address);
    } finally {
      this.#model.off('close', onClose);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#gone) return;
    await settleWithin(
      Promise.resolve().then(() => this.#model.close()),
      CLOSE_LIMIT_MS,
    );
    // The peer never answered: without this the dead socket would keep the process alive.
    if (!this.#gone) destroySocket(this.#model);
  }

  /** With what the broker said as its cause: some refusals end the whole connection. */
  #reason(): Error {
    const cause = this.#lastError && toBrokerError(this.#lastError);
    const detail = cause === undefined ? '' : `: ${cause.message}`;
    return new ConnectionError('CONNECTION_LOST', `the connection to ${this.address} was lost${detail}`, {
      cause,
    });
  }
}

/**
 * amqplib has no public way to drop a connection whose peer does not answer. It stops its heartbeats only when it hears of an
 * error: without one they would keep the process alive until they fail themselves.
 */
const destroySocket = (model: ChannelModel): void => {
  const { stream } = model.connection as unknown as { stream?: { destroy?: (error: Error) => void } };
  stream?.destroy?.(new Error('the broker did not answer the close of the connection'));
};
