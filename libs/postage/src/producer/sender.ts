import { randomUUID } from 'node:crypto';
import { causationHeaders } from '../connection/causation.js';
import type { MessageProperties } from '../connection/port.js';
import { PostageError, PublishError, PublishErrors, RpcTimeoutError } from '../errors.js';
import { exchangeTopology, type Ek } from '../topology/binding.js';
import { describeName, type MessageBody } from '../wire/body.js';
import type { Message, RpcCommand } from '../wire/message.js';
import { timeoutResult, type RpcResult } from '../wire/rpc-result.js';
import type { CallOptions } from './call-options.js';
import { Gathering, type GatherOptions } from './gathering.js';
import { ReplyQueue } from './reply-queue.js';
import { ReplyReader } from './reply-reader.js';
import type { OpenReplies } from './rpc-caller.js';
import type { RpcRequest } from './rpc-request.js';
import type { MessagingRuntime, ProducerSettings } from './runtime.js';
import { targetsOf } from './target.js';

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_MAX_RETRY = 4;
const DEFAULT_PUBLISH_TIMEOUT_MS = 30_000;

/** Turns messages into publishes and calls: what every producer, client and replier sends goes through here. */
export class Sender {
  readonly #runtime: MessagingRuntime;
  readonly #settings: ProducerSettings;
  readonly #reader: ReplyReader;

  constructor(runtime: MessagingRuntime, settings: ProducerSettings) {
    this.#runtime = runtime;
    this.#settings = settings;
    this.#reader = new ReplyReader(runtime, settings.codec);
  }

  /**
   * Resolves once every couple has confirmed; one failure is thrown as it is, several as `PublishErrors`. What is wrong with
   * the message itself is thrown at once. Of a message that waits nothing is kept but its bytes.
   */
  send(body: unknown, options: CallOptions): Promise<void> {
    const content = this.#settings.codec.encode(body);
    const targets = targetsOf(this.#settings.eks, options, this.#settings.name);
    for (const [exchange, key] of targets) this.#report(exchange.name, key, body);
    if (targets.length === 1) return this.#publish(targets[0], content, options);
    return this.#publishAll(targets, content, options);
  }

  sendMessage(message: Message, options: CallOptions): Promise<void> {
    return this.send(this.#signed(message), options);
  }

  /** Postage's rpc: whatever the replier says is returned, and no reply in time is returned as `TimeoutError`. */
  async call<V>(command: Message, given: CallOptions): Promise<RpcResult<V>> {
    try {
      return this.#reader.read<V>(await this.#runtime.rpc.call(this.#request(command, given)));
    } catch (error) {
      if (error instanceof RpcTimeoutError) return timeoutResult(error);
      throw error;
    }
  }

  /** Like `call`, but no reply in time is thrown. @throws {RpcTimeoutError} */
  async request<V>(command: Message, given: CallOptions): Promise<RpcResult<V>> {
    return this.#reader.read<V>(await this.#runtime.rpc.call(this.#request(command, given)));
  }

  /** Hands out the queue that the replies come to, once the request is on its way. */
  async open<V>(command: RpcCommand<V>, given: CallOptions): Promise<ReplyQueue<V>> {
    const { queue, replies } = await this.#collect<V>(this.#request(command, given), 'queue');
    try {
      // What ends the queue meanwhile ends this wait.
      await Promise.race([replies.send(false), queue.failed]);
      return queue;
    } catch (error) {
      queue.close();
      throw error;
    }
  }

  /** Every reply until there are enough; see `GatherOptions`. Sends when the first is asked for. */
  gather<V>(command: RpcCommand<V>, given: CallOptions, options: GatherOptions<V>): Gathering<V> {
    const timeoutMs = options.timeoutMs ?? given.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const open = async (signal: AbortSignal): Promise<ReplyQueue<V>> => {
      const endMs = performance.now() + timeoutMs;
      const request = this.#request(command, { ...given, signal, timeoutMs, maxRetry: 0 });
      const { queue, replies } = await this.#collect<V>(request, 'once');
      const timer = setTimeout(() => queue.close(), Math.max(0, endMs - performance.now()));
      queue.onClosed(() => clearTimeout(timer));
      // Replies are given as they come, confirmed or not; what is sure to bring none ends the loop behind them.
      replies.send(true).catch((error: unknown) => {
        if (!(error instanceof PublishError && error.code === 'OUTCOME_UNKNOWN')) queue.fail(error);
      });
      return queue;
    };
    return new Gathering(open, { ...options, signal: given.signal });
  }

  async #collect<V>(request: RpcRequest, path: 'once' | 'queue'): Promise<Collected<V>> {
    const replies = await this.#runtime.rpc.open(request, path);
    const queue = new ReplyQueue<V>(replies.name, () => replies.release());
    replies.collect({
      onReply: (delivery) => this.#reader.readInto(queue, delivery),
      onFailed: (error) => queue.fail(error),
    });
    return { queue, replies };
  }

  async #publishAll(targets: readonly Ek[], content: Buffer, options: CallOptions): Promise<void> {
    const results = await Promise.allSettled(
      targets.map((target) => this.#publish(target, content, options)),
    );
    const errors = results.flatMap((result) =>
      result.status === 'rejected' ? [result.reason as unknown] : [],
    );
    if (errors.length > 0) throw joined(errors, targets.length);
  }

  #publish([exchange, routingKey]: Ek, content: Buffer, options: CallOptions): Promise<void> {
    return this.#runtime.connection.publish({
      message: {
        exchange: exchange.name,
        routingKey,
        content,
        properties: this.#properties(options, true, newMessageId()),
        mandatory: options.mandatory ?? false,
      },
      topology: exchangeTopology(exchange),
      deadlineMs: options.publishTimeoutMs ?? DEFAULT_PUBLISH_TIMEOUT_MS,
      signal: options.signal,
    });
  }

  #request(command: Message, options: CallOptions): RpcRequest {
    const [[exchange, routingKey]] = targetsOf(this.#settings.eks, options, this.#settings.name);
    const body = this.#signed(command);
    const content = this.#settings.codec.encode(body);
    this.#report(exchange.name, routingKey, body);
    return {
      target: { exchange: exchange.name, routingKey },
      topology: exchangeTopology(exchange),
      content,
      // Its reply can not outlive our connection, so a request that outlives the broker would be run for nobody.
      properties: this.#properties(options, false),
      mandatory: options.mandatory ?? true,
      timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      maxRetry: options.maxRetry ?? DEFAULT_MAX_RETRY,
      publishTimeoutMs: options.publishTimeoutMs ?? DEFAULT_PUBLISH_TIMEOUT_MS,
      signal: options.signal,
      type: body.type,
      command: describeName(body.name),
    };
  }

  /** With our fingerprint, unless the message has one of its own. */
  #signed(message: Message): MessageBody {
    const { body } = message;
    return Object.keys(body.fingerprint).length > 0
      ? body
      : { ...body, fingerprint: this.#runtime.fingerprint };
  }

  #properties(options: CallOptions, isPersistent: boolean, messageId?: string): MessageProperties {
    const { priority, expirationMs, persistent = isPersistent } = options;
    const caused = causationHeaders();
    // What the caller says itself wins.
    const headers = caused === undefined ? options.headers : { ...caused, ...options.headers };
    const appId = this.#runtime.fingerprint.name;
    // What is undefined is not sent. All of them have all of these fields, and the same place for each.
    return {
      contentType: this.#settings.codec.contentType,
      deliveryMode: persistent ? 2 : 1,
      timestamp: Math.floor(Date.now() / 1000),
      appId: appId ?? undefined,
      headers,
      priority,
      expiration: expirationMs === undefined ? undefined : String(expirationMs),
      messageId,
      correlationId: undefined,
      replyTo: undefined,
    };
  }

  #report(exchange: string, routingKey: string, body: unknown): void {
    if (this.#runtime.debug) this.#runtime.observer({ kind: 'message.sent', exchange, routingKey, body });
  }
}

/** A request's replies, where they are read and where they come from. */
interface Collected<V> {
  readonly queue: ReplyQueue<V>;
  readonly replies: OpenReplies;
}

const newMessageId = (): string => {
  const id = randomUUID();
  // It is made of twenty pieces, ten times its size, until it is looked at.
  id.charCodeAt(0);
  return id;
};

const joined = (errors: readonly unknown[], couples: number): unknown => {
  const [first, ...rest] = errors.filter((error) => error instanceof PostageError);
  return first !== undefined && rest.length > 0 ? new PublishErrors([first, ...rest], couples) : errors[0];
};
