import type { Message, RpcCommand } from '../wire/message.js';
import type { RpcResult } from '../wire/rpc-result.js';
import type { CallOptions } from './call-options.js';
import type { ReplyQueue } from './reply-queue.js';

/** The arguments of a command: none for `void`, an optional one where undefined is allowed, else exactly one. */
type ParametersOf<P> = [P] extends [void] ? [] : undefined extends P ? [parameters?: P] : [parameters: P];

/** A declared message: `declare messageEcho: MessageMethod<string>`. Resolves once the broker has confirmed. */
export type MessageMethod<P = void> = (...parameters: ParametersOf<P>) => Promise<void>;

/** A declared rpc: `declare rpcSum: RpcMethod<{ a: number; b: number }, number>`. */
export type RpcMethod<P = void, V = unknown> = (...parameters: ParametersOf<P>) => Promise<RpcResult<V>>;

type Build<T> = T | Promise<T>;

/** `buildMessageStatusOnline(x)` gives `messageStatusOnline(x)`. */
type BuiltMessages<P> = {
  readonly [K in keyof P as K extends `buildMessage${infer Name}` ? `message${Name}` : never]: P[K] extends (
    ...args: infer A
  ) => Build<Message>
    ? (...args: A) => Promise<void>
    : never;
};

/** `buildRpcSum(a, b)` gives `rpcSum(a, b)`, with the value type of the `RpcCommand` it returns. */
type BuiltRpcs<P> = {
  readonly [K in keyof P as K extends `buildRpc${infer Name}` ? `rpc${Name}` : never]: P[K] extends (
    ...args: infer A
  ) => Build<RpcCommand<infer V>>
    ? (...args: A) => Promise<RpcResult<V>>
    : never;
};

/** A producer as its users see it: with the methods that its builders give it. A misspelt name does not compile. */
export type ProducerOf<P> = P & BuiltMessages<P> & BuiltRpcs<P>;

/** What is another on a queue-only producer than on an ordinary one, beside its own rpc methods. */
interface QueueOnlyCalls<P> {
  /** Back to the producer whose rpcs wait for their reply. */
  with(options: CallOptions & { readonly queueOnly: false }): P;
  with(options: CallOptions): QueueOnly<P>;
  rpc<V = unknown>(name: string, parameters?: unknown): Promise<ReplyQueue<V>>;
}

/** The same producer after `with({ queueOnly: true })`: its rpcs hand back their reply queue. */
export type QueueOnly<P> = QueueOnlyCalls<P> & {
  readonly [K in Exclude<keyof P, keyof QueueOnlyCalls<P>>]: K extends `rpc${string}`
    ? P[K] extends (...args: infer A) => Promise<RpcResult<infer V>>
      ? (...args: A) => Promise<ReplyQueue<V>>
      : P[K]
    : P[K];
};
