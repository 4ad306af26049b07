import { basename, extname } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { ApplicationServices } from '../application/application-services.js';
import { AmqpDriver } from '../connection/amqp-driver.js';
import { PostageConnection } from '../connection/connection.js';
import { resolveConnection, type ConnectionOptions } from '../connection/options.js';
import type { Driver } from '../connection/port.js';
import { resolveStartup, type Startup } from '../connection/startup.js';
import { GenericConsumer } from '../consumer/generic-consumer.js';
import { checkPrefetch } from '../consumer/queue-plan.js';
import { resolveRecentCalls } from '../consumer/recent-calls-options.js';
import { resolveRetry } from '../consumer/retry-options.js';
import type { RetrySettings } from '../consumer/retry-policy.js';
import { resolveDeadLetter } from '../consumer/retry-topology.js';
import { ConnectionError, InvalidOptionError } from '../errors.js';
import { combine, guarded, silent, type Observer } from '../observability/observer.js';
import { checkDuration } from '../producer/call-options.js';
import { RemoteErrors } from '../producer/remote-errors.js';
import { RpcCaller } from '../producer/rpc-caller.js';
import type { MessagingRuntime } from '../producer/runtime.js';
import { defineEqk } from '../topology/binding.js';
import { Codec } from '../wire/codec.js';
import type { Encoder } from '../wire/encoder.js';
import { Fingerprint } from '../wire/fingerprint.js';
import { JsonEncoder } from '../wire/json-encoder.js';
import { describeError, toFailure } from './failure.js';
import { PhaseTracker } from './phase.js';
import { logTo } from './postage.logger.js';
import type { PostageOptions } from './postage.options.js';
import { PostageState } from './postage.state.js';

const DEFAULTS = {
  prefetch: 32,
  drainTimeoutMs: 10_000,
  maxReplyQueues: 1_000,
  replyQueueIdleMs: 60_000,
  maxMessageBytes: 16 * 1024 * 1024,
} as const;

/** Everything of one application and one broker, wired together: one connection pair, one consumer, one rpc caller. */
export class Messaging implements MessagingRuntime {
  readonly connection: PostageConnection;
  readonly consumer: GenericConsumer;
  readonly codec: Codec;
  readonly rpc: RpcCaller;
  readonly errors: RemoteErrors;
  readonly fingerprint: MessagingRuntime['fingerprint'];
  readonly observer: Observer;
  readonly debug: boolean;
  /** Of message handlers that do not say themselves. */
  readonly retry: RetrySettings | false;
  readonly application: ApplicationServices;
  readonly state: PostageState;
  readonly #phase = new PhaseTracker();
  readonly #drainTimeoutMs: number;
  readonly #listeners = new Set<Observer>();
  readonly #startup: Startup;
  #started: Promise<void> | undefined;

  /** Connects nothing: that happens with the first message sent, or when a server starts. @throws {InvalidOptionError} */
  constructor(options: PostageOptions = {}) {
    checkKnown(options);
    this.retry = resolveRetry(options.retry ?? false, 'retry');
    this.#drainTimeoutMs = positive('drainTimeoutMs', options.drainTimeoutMs ?? DEFAULTS.drainTimeoutMs);
    this.debug = options.debug ?? process.env['POSTAGE_DEBUG_MODE'] === 'true';
    const log = options.log === false ? silent : logTo(this.debug);
    const listeners: Observer = (event) => this.#listeners.forEach((listener) => guarded(listener)(event));
    this.observer = combine(log, options.observer ?? silent, listeners);
    const [encoder, ...others] = encodersOf(options);
    this.codec = new Codec({
      encoder,
      others,
      maxBytes: positive('maxMessageBytes', options.maxMessageBytes ?? DEFAULTS.maxMessageBytes),
    });
    const { driver, vhost } = this.#broker(options.connection ?? {});
    const parts = { name: scriptName(), type: 'application', vhost, ...defined(options.fingerprint ?? {}) };
    this.fingerprint = new Fingerprint(parts).asDict();
    const { observer, fingerprint } = this;
    const name = `${fingerprint.name ?? 'postage'} ${fingerprint.pid}@${fingerprint.host}`;
    this.#startup = resolveStartup(options.startup);
    const { reconnect, publishing } = options;
    const settings = { reconnect, publishing, startup: this.#startup, observer };
    this.connection = new PostageConnection({ driver, name, ...settings });
    this.errors = new RemoteErrors(options.errors, (known, error) =>
      observer({ kind: 'internal.failure', where: `making the error "${known}" of a replier`, error }),
    );
    this.rpc = new RpcCaller({
      connection: this.connection,
      observer,
      maxCalls: positive('maxReplyQueues', options.maxReplyQueues ?? DEFAULTS.maxReplyQueues),
      idleMs: duration('replyQueueIdleMs', options.replyQueueIdleMs ?? DEFAULTS.replyQueueIdleMs),
    });
    this.consumer = this.#consumer(options);
    this.application = this.#application(options);
    const { connection, consumer, rpc } = this;
    const observe = (listener: Observer): unknown => this.observe(listener);
    this.state = new PostageState({ phase: this.#phase, connection, consumer, rpc, observer, observe });
  }

  /** Tells the listener of everything from now on; returns the way to stop that. */
  observe(listener: Observer): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #application({ application, compatibility = 'none' }: PostageOptions): ApplicationServices {
    const { connection, codec, rpc, errors, fingerprint, observer, debug, consumer } = this;
    const runtime = { connection, codec, rpc, errors, fingerprint, observer, debug, consumer };
    const end = {
      // Whoever waits for the start goes on first.
      started: async () => this.#started?.then(() => setImmediate()),
      drain: () => this.drain(),
      close: () => this.close(),
      drainTimeoutMs: this.#drainTimeoutMs,
    };
    return new ApplicationServices({ ...runtime, ...end, compatibility }, application);
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
      drainTimeoutMs: this.#drainTimeoutMs,
      toFailure,
      recentCalls: resolveRecentCalls(options.recentCalls),
      deadLetter: resolveDeadLetter(options.deadLetter, 'deadLetter'),
      describeError,
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

  /** It will be started: it is not ready before that. */
  expectStart(): void {
    this.#phase.expectStart();
  }

  /** Consumes, and can be addressed. @throws {PostageError} what keeps it from that */
  start(): Promise<void> {
    if (this.#started === undefined && this.#phase.isEnding) return Promise.reject(startedTooLate());
    this.#started ??= this.#start();
    return this.#started;
  }

  async #start(): Promise<void> {
    this.#phase.enter('starting');
    this.application.prepare();
    if (this.#startup.mode !== 'background') return this.#consume();
    this.consumer.prepare();
    this.#consume().catch((error: unknown) => {
      const { kind } = this.connection.consuming.state;
      // Where nothing else keeps the program alive, it ends now, and not as if all were well.
      if (kind === 'failed') process.exitCode ??= 1;
      // Of the connection everybody has heard already.
      if (kind === 'failed' || kind === 'closed') return;
      this.observer({ kind: 'internal.failure', where: 'starting in the background', error });
    });
  }

  async #consume(): Promise<void> {
    await this.consumer.start();
    await this.application.start();
    this.#phase.enter('running');
  }

  /** Stops consuming and lets handlers finish. Idempotent; never rejects. */
  async drain(): Promise<void> {
    this.#phase.enter('draining');
    // A quit is heard as long as handlers run: it may overrule a restart.
    await Promise.all([this.consumer.drain(), this.application.sayGoodbye()]);
    await this.application.stop();
  }

  /** Stops consuming, lets handlers finish, sends what is to be sent, closes. Idempotent; never rejects. */
  async close(): Promise<void> {
    await this.drain();
    await this.connection.close(this.#drainTimeoutMs);
    this.#phase.enter('closed');
    this.application.lifecycle.closed();
  }
}

/** For example a SIGTERM before the microservices of a hybrid application were started. */
const startedTooLate = (): ConnectionError =>
  new ConnectionError(
    'CONNECTION_CLOSED',
    'the application is closing already: it consumes nothing any more',
  );

/** The one that writes first. JSON is always understood: it is what every other peer speaks. */
const encodersOf = ({ encoder, encoders = [] }: PostageOptions): readonly [Encoder, ...Encoder[]] => {
  const isJson = ({ contentType }: Encoder): boolean => contentType === 'application/json';
  const json = encoders.find(isJson) ?? new JsonEncoder();
  const others = encoders.filter((each) => !isJson(each));
  if (encoder === undefined) return [json, ...others];
  return isJson(encoder) ? [encoder, ...others] : [encoder, json, ...others];
};

const KNOWN: Readonly<Record<keyof PostageOptions, true>> = {
  connection: true,
  fingerprint: true,
  eqk: true,
  application: true,
  encoder: true,
  encoders: true,
  maxMessageBytes: true,
  prefetch: true,
  retry: true,
  deadLetter: true,
  drainTimeoutMs: true,
  compatibility: true,
  reconnect: true,
  startup: true,
  publishing: true,
  maxReplyQueues: true,
  replyQueueIdleMs: true,
  recentCalls: true,
  errors: true,
  log: true,
  debug: true,
  observer: true,
};

const checkKnown = (options: PostageOptions): void => {
  const unknown = Object.keys(options).find((key) => !Object.hasOwn(KNOWN, key));
  if (unknown === undefined) return;
  throw new InvalidOptionError(
    unknown,
    `is not an option of Postage. Known: ${Object.keys(KNOWN).join(', ')}.`,
  );
};

const isDriver = (source: object): source is Driver =>
  'connect' in source && typeof (source as ConnectionOptions & { connect: unknown }).connect === 'function';

const scriptName = (): string | null => {
  const script = process.argv[1];
  return script === undefined ? null : basename(script, extname(script));
};

const defined = <T extends object>(record: T): Partial<T> =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as Partial<T>;

const duration = (option: string, value: number): number => {
  checkDuration(option, value);
  return value;
};

const positive = (option: string, value: number): number => {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidOptionError(option, `must be a whole number of at least 1, not ${String(value)}.`);
};
