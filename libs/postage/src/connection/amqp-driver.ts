import { connect, type ChannelModel } from 'amqplib';
import { ConnectionError } from '../errors.js';
import { AmqpChannel } from './amqp-channel.js';
import { toBrokerError, toConnectionError } from './amqp-errors.js';
import type { Endpoint, ResolvedConnection } from './endpoint.js';
import { resolveConnection, type ConnectionOptions } from './options.js';
import type { ChannelPort, ConnectRequest, Driver, Link } from './port.js';
import { settleWithin } from './settle-within.js';

const CLOSE_LIMIT_MS = 2_000;

/** Connection options, or a function asked for them at every connect (rotating credentials, service discovery). */
export type ConnectionProvider = () => ConnectionOptions | Promise<ConnectionOptions>;

export interface AmqpDriverSettings {
  /** Hears of deprecated environment variables. */
  readonly warn?: ((text: string) => void) | undefined;
  /** Shuffles the addresses; a number in [0, 1). @default Math.random */
  readonly random?: (() => number) | undefined;
}

/** Opens connections to RabbitMQ with amqplib: no Nagle delay, heartbeats, a time limit, all given addresses in random order. */
export class AmqpDriver implements Driver {
  readonly #source: ConnectionProvider | ResolvedConnection;
  readonly #settings: AmqpDriverSettings;

  /** @throws {InvalidOptionError} options given as an object are checked here, those of a provider at each connect */
  constructor(source: ConnectionOptions | ConnectionProvider = {}, settings: AmqpDriverSettings = {}) {
    this.#settings = settings;
    this.#source =
      typeof source === 'function' ? source : resolveConnection(source, process.env, settings.warn);
  }

  async connect(request: ConnectRequest): Promise<Link> {
    const resolved = await this.#resolve();
    const failures: ConnectionError[] = [];
    for (const endpoint of shuffled(resolved.endpoints, this.#settings.random ?? Math.random)) {
      if (request.signal?.aborted) break;
      try {
        return await open(endpoint, resolved, request);
      } catch (error) {
        failures.push(toConnectionError(error, endpoint.address));
      }
    }
    throw worst(failures);
  }

  async #resolve(): Promise<ResolvedConnection> {
    if (typeof this.#source !== 'function') return this.#source;
    return resolveConnection(await this.#source(), process.env, this.#settings.warn);
  }
}

/** One refusal of several addresses is temporary as long as any of them was merely not there. */
const worst = (failures: readonly ConnectionError[]): ConnectionError => {
  const [first] = failures;
  if (first === undefined)
    return new ConnectionError('CONNECTION_CLOSED', 'the connection was closed before it was open');
  if (failures.length === 1) return first;
  const temporary = failures.find((failure) => !failure.permanent);
  const text = failures.map((failure) => failure.message).join(' | ');
  return new ConnectionError(temporary ? 'CONNECTION_FAILED' : 'ACCESS_REFUSED', text, {
    cause: temporary ?? first,
  });
};

const shuffled = (endpoints: readonly Endpoint[], random: () => number): readonly Endpoint[] => {
  const keyed = endpoints.map((endpoint) => ({ endpoint, order: random() }));
  return keyed.toSorted((a, b) => a.order - b.order).map(({ endpoint }) => endpoint);
};

const open = async (
  endpoint: Endpoint,
  resolved: ResolvedConnection,
  request: ConnectRequest,
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
    timeout: resolved.connectTimeoutMs,
    clientProperties: { connection_name: request.connectionName, product: 'nestjs-postage' },
  };
  return new AmqpLink(await connect(address, socket), endpoint.address);
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
    model.on('error', (error: Error) => {
      this.#lastError = error;
    });
    model.on('close', (error?: Error) => {
      this.#gone = true;
      this.#lastError ??= error;
    });
  }

  /** As client and broker have agreed; amqplib has no public way to tell. */
  get maxChannels(): number | undefined {
    const { channelMax } = this.#model.connection as unknown as { channelMax?: unknown };
    return typeof channelMax === 'number' && channelMax > 0 ? channelMax : undefined;
  }

  /** The same holds for the heartbeat. */
  get heartbeatMs(): number | undefined {
    const { heartbeat } = this.#model.connection as unknown as { heartbeat?: unknown };
    return typeof heartbeat === 'number' && heartbeat > 0 ? heartbeat * 1_000 : undefined;
  }

  async openChannel(): Promise<ChannelPort> {
    try {
      return new AmqpChannel(await this.#model.createConfirmChannel());
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

/** amqplib has no public way to drop a connection whose peer does not answer. */
const destroySocket = (model: ChannelModel): void => {
  const { stream } = model.connection as unknown as { stream?: { destroy?: () => void } };
  stream?.destroy?.();
};
