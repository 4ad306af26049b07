import { basename, extname } from 'node:path';
import { AmqpDriver } from '../connection/amqp-driver.js';
import { PostageConnection } from '../connection/connection.js';
import { resolveConnection, type ConnectionOptions } from '../connection/options.js';
import type { Driver } from '../connection/port.js';
import { GenericConsumer } from '../consumer/generic-consumer.js';
import { checkPrefetch } from '../consumer/queue-plan.js';
import { InvalidOptionError } from '../errors.js';
import { combine, silent, type Observer } from '../observability/observer.js';
import { RpcCaller } from '../producer/rpc-caller.js';
import type { MessagingRuntime } from '../producer/runtime.js';
import { defineEqk } from '../topology/binding.js';
import { Codec } from '../wire/codec.js';
import { Fingerprint } from '../wire/fingerprint.js';
import { JsonEncoder } from '../wire/json-encoder.js';
import { toFailure } from './failure.js';
import { logTo } from './postage.logger.js';
import type { PostageOptions } from './postage.options.js';

const DEFAULTS = {
  prefetch: 32,
  drainTimeoutMs: 10_000,
  maxReplyQueues: 1_000,
  maxMessageBytes: 16 * 1024 * 1024,
} as const;

/** Everything of one application and one broker, wired together: one connection pair, one consumer, one rpc caller. */
export class Messaging implements MessagingRuntime {
  readonly connection: PostageConnection;
  readonly consumer: GenericConsumer;
  readonly codec: Codec;
  readonly rpc: RpcCaller;
  readonly fingerprint: MessagingRuntime['fingerprint'];
  readonly observer: Observer;
  readonly debug: boolean;

  /** Connects nothing: that happens with the first message sent, or when a server starts. @throws {InvalidOptionError} */
  constructor(options: PostageOptions = {}) {
    this.debug = options.debug ?? process.env['POSTAGE_DEBUG_MODE'] === 'true';
    this.observer = combine(logTo(this.debug), options.observer ?? silent);
    this.codec = new Codec({
      encoder: options.encoder ?? new JsonEncoder(),
      others: options.encoders ?? [],
      maxBytes: positive('maxMessageBytes', options.maxMessageBytes ?? DEFAULTS.maxMessageBytes),
    });
    const { driver, vhost } = this.#broker(options.connection ?? {});
    const parts = { name: scriptName(), type: 'application', vhost, ...defined(options.fingerprint ?? {}) };
    this.fingerprint = new Fingerprint(parts).asDict();
    const { observer, fingerprint } = this;
    const name = `${fingerprint.name ?? 'postage'} ${fingerprint.pid}@${fingerprint.host}`;
    this.connection = new PostageConnection({ driver, name, reconnect: options.reconnect, observer });
    const maxReplyQueues = positive('maxReplyQueues', options.maxReplyQueues ?? DEFAULTS.maxReplyQueues);
    this.rpc = new RpcCaller(this.connection, observer, maxReplyQueues);
    this.consumer = this.#consumer(options);
  }

  #consumer(options: PostageOptions): GenericConsumer {
    const consumer = new GenericConsumer({
      connection: this.connection,
      codec: this.codec,
      fingerprint: this.fingerprint,
      observer: this.observer,
      debug: this.debug,
      compatibility: options.compatibility ?? 'none',
      prefetch: checkPrefetch(options.prefetch ?? DEFAULTS.prefetch),
      drainTimeoutMs: positive('drainTimeoutMs', options.drainTimeoutMs ?? DEFAULTS.drainTimeoutMs),
      toFailure,
    });
    consumer.addQueues(defineEqk(options.eqk ?? [], 'eqk'));
    return consumer;
  }

  #broker(source: NonNullable<PostageOptions['connection']>): { driver: Driver; vhost?: string } {
    if (isDriver(source)) return { driver: source };
    const warn = (text: string): void => this.observer({ kind: 'warning', text });
    const driver = new AmqpDriver(source, { warn });
    // A provider is asked at each connect, not before; the fingerprint then takes its vhost from the environment.
    return typeof source === 'function'
      ? { driver }
      : { driver, vhost: resolveConnection(source).endpoints[0].vhost };
  }

  /** Stops consuming, lets handlers finish, sends what is to be sent, closes. Idempotent; never rejects. */
  async close(): Promise<void> {
    await this.consumer.drain();
    await this.connection.close();
  }
}

const isDriver = (source: object): source is Driver =>
  'connect' in source && typeof (source as ConnectionOptions & { connect: unknown }).connect === 'function';

const scriptName = (): string | null => {
  const script = process.argv[1];
  return script === undefined ? null : basename(script, extname(script));
};

const defined = <T extends object>(record: T): Partial<T> =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as Partial<T>;

const positive = (option: string, value: number): number => {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidOptionError(option, `must be a whole number of at least 1, not ${String(value)}.`);
};
