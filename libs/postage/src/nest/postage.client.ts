import { ClientProxy, type ReadPacket, type WritePacket } from '@nestjs/microservices';
import { Observable } from 'rxjs';
import type { PostageConnection } from '../connection/connection.js';
import { mergeCallOptions, type CallOptions } from '../producer/call-options.js';
import { Sender } from '../producer/sender.js';
import { defineEks, type Eks } from '../topology/binding.js';
import { Message, MessageCommand, RpcCommand } from '../wire/message.js';
import { patternOf } from './handler-description.js';
import { Messaging } from './messaging.js';
import type { PostageServerOptions } from './postage.options.js';
import type { PostageEvents, PostageStatus } from './postage.server.js';
import { splitConnection } from './split-connection.js';

/** Options of `PostageClient`: where it sends, and the connection, as of `PostageServer`. */
export interface PostageClientOptions extends Omit<
  PostageServerOptions,
  'eqk' | 'prefetch' | 'retry' | 'deadLetter' | 'drainTimeoutMs'
> {
  /** The (exchange, key) couples: an event goes to each, a request to the first. */
  readonly eks: Eks;
  /** How long one attempt of a request waits, in milliseconds. @default 30_000 */
  readonly timeoutMs?: number | undefined;
  /** How often a request is sent again after a timeout. @default 4 */
  readonly maxRetry?: number | undefined;
}

/** Stands for "no data" on the way through Nest's base class, which refuses undefined and null. */
const NO_DATA = Symbol('postage.no-data');
const NULL_DATA = Symbol('postage.null-data');

/**
 * A Nest `ClientProxy`, for code that already uses one:
 * `ClientsModule.register([{ name: 'ECHO', customClass: PostageClient, options: { eks: [[EchoExchange, 'echo-rk']] } }])`.
 *
 * `send('sum', data)` is the rpc command `sum`, and errors with `RemoteError`, `RemoteException` or `RpcTimeoutError`;
 * `emit('log', data)` is the command `log`; a pattern `{ type, name }` gives any other message, with the data as its content.
 */
// Its status is text to Nest, or `ClientsModule` would not take the class; `status` says more.
export class PostageClient extends ClientProxy<PostageEvents> {
  readonly #messaging: Messaging;
  readonly #sender: Sender;
  #sending = false;
  readonly #callOptions: CallOptions;

  /** @throws {InvalidOptionError} */
  constructor(options: PostageClientOptions) {
    super();
    const { eks, timeoutMs, maxRetry, ...rest } = options;
    this.#messaging = new Messaging(splitConnection(rest));
    this.#callOptions = mergeCallOptions({}, { timeoutMs, maxRetry });
    const { codec } = this.#messaging;
    this.#sender = new Sender(this.#messaging, {
      name: 'PostageClient',
      eks: defineEks(eks, 'eks'),
      codec,
    });
    this.#messaging.connection.onChange(({ publishing }) => {
      this._status$.next(
        publishing.kind === 'ready' ? 'connected' : publishing.kind === 'closed' ? 'closed' : 'disconnected',
      );
    });
  }

  override get status(): Observable<PostageStatus> {
    // The constructor alone feeds it.
    return super.status as Observable<PostageStatus>;
  }

  /** A request: nothing is sent before the observable is subscribed to; unsubscribing stops the wait. */
  override send<TResult = unknown, TInput = unknown>(pattern: unknown, data?: TInput): Observable<TResult> {
    const request = super.send<TResult, unknown>(pattern, wrap(data));
    return new Observable((subscriber) => this.#withoutWaiting(() => request.subscribe(subscriber)));
  }

  /** An event: sent at once, whether or not anybody subscribes. */
  override emit<TResult = unknown, TInput = unknown>(pattern: unknown, data?: TInput): Observable<TResult> {
    return this.#withoutWaiting(() => super.emit<TResult, unknown>(pattern, wrap(data)));
  }

  /** Opens the connection ahead of the first message; optional. */
  async connect(): Promise<PostageConnection> {
    const { connection } = this.#messaging;
    if (!this.#sending) await connection.connectPublisher();
    return connection;
  }

  /**
   * Nest's base class connects before it sends, for as long as that takes. What we send connects by itself, and has a
   * deadline; so while Nest starts something, `connect` does nothing.
   */
  #withoutWaiting<T>(start: () => T): T {
    this.#sending = true;
    try {
      return start();
    } finally {
      this.#sending = false;
    }
  }

  /** Rejects what is pending and closes the connections. Idempotent. */
  async close(): Promise<void> {
    await this.#messaging.close();
  }

  /** `on('event', listener)`: everything that happens, as data. */
  override on<K extends keyof PostageEvents>(event: K, callback: PostageEvents[K]): void {
    if (event === 'event') this.#messaging.observe(callback);
  }

  override unwrap<T = PostageConnection>(): T {
    // Nest's signature lets the caller name the type.
    return this.#messaging.connection as T;
  }

  protected override publish(packet: ReadPacket, callback: (packet: WritePacket) => void): () => void {
    const stop = new AbortController();
    this.#request(packet, stop.signal).then(
      (response) => callback({ response, isDisposed: true }),
      (err: unknown) => callback({ err, isDisposed: true }),
    );
    return () => stop.abort();
  }

  protected override async dispatchEvent<T = unknown>(packet: ReadPacket): Promise<T> {
    const { type, name } = this.#pattern(packet.pattern);
    const data = unwrapData(packet.data);
    const message =
      type === 'command'
        ? new MessageCommand(name, data)
        : new Message({ type, name, content: contentOf(data) });
    await this.#sender.sendMessage(message, this.#callOptions);
    // ClientProxy asks for a value; an event has none.
    return undefined as T;
  }

  async #request({ pattern, data }: ReadPacket, signal: AbortSignal): Promise<unknown> {
    const { type, name } = this.#pattern(pattern);
    const given = unwrapData(data);
    const command =
      type === 'command'
        ? new RpcCommand(name, given)
        : new Message({ type, name, category: 'rpc', content: contentOf(given) });
    const result = await this.#sender.request(command, { ...this.#callOptions, signal });
    return result.unwrap();
  }

  #pattern(pattern: unknown): { type: string; name: string } {
    const { type, name = 'none' } = patternOf(pattern, (value) => this.normalizePattern(value));
    return { type, name };
  }
}

const wrap = (data: unknown): unknown => (data === undefined ? NO_DATA : data === null ? NULL_DATA : data);

const unwrapData = (data: unknown): unknown =>
  data === NO_DATA ? undefined : data === NULL_DATA ? null : data;

const contentOf = (data: unknown): Record<string, unknown> => {
  if (data === undefined || data === null) return {};
  if (typeof data === 'object' && !Array.isArray(data)) return { ...data };
  return { value: data };
};
