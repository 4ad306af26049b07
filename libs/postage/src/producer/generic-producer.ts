import { InvalidOptionError } from '../errors.js';
import { Message, MessageCommand, RpcCommand, GenericMessage } from '../wire/message.js';
import type { RpcResult } from '../wire/rpc-result.js';
import { mergeCallOptions, type CallOptions } from './call-options.js';
import { checkGatherOptions, type Gathering, type GatherOptions } from './gathering.js';
import { commandName, parseMethodName, type MethodName } from './method-name.js';
import type { QueueOnly } from './producer-types.js';
import type { ReplyQueue } from './reply-queue.js';
import type { Sender } from './sender.js';

const SENDER = Symbol('postage.sender');
const OPTIONS = Symbol('postage.options');
const ORIGIN = Symbol('postage.origin');

type Method = (this: GenericProducer, ...args: unknown[]) => Promise<unknown>;

/**
 * Makes `message*` and `rpc*` methods the first time they are asked for: from the builder of that name where the class
 * has one, else as a command. It stands at the end of the prototype chain, so whatever a class defines itself wins and
 * an ordinary method call never comes here.
 */
const generatedMethods: object = new Proxy(Object.create(null) as object, {
  get(_target, property, producer: object): unknown {
    const parsed = typeof property === 'string' ? parseMethodName(property) : undefined;
    if (parsed === undefined || !(producer instanceof GenericProducer))
      return Reflect.get(Object.prototype, property, producer);
    const method = generate(parsed);
    // From now on an ordinary method of its class: only the first use comes through here.
    Object.defineProperty(producer.constructor.prototype, property, {
      value: method,
      writable: true,
      configurable: true,
    });
    return method;
  },
  getPrototypeOf: () => Object.prototype,
});

/**
 * The network API of a component: `buildMessage*` and `buildRpc*` methods define its messages, and users call the
 * `message*` and `rpc*` methods that come from them. Names without a builder are commands: `messageJoinGroup(p)` sends the
 * command `join_group` with `p` as its parameters.
 *
 * Decorate a subclass with `@Producer({ eks })`, register it with `PostageModule.forFeature([...])`, inject it with
 * `@InjectProducer(...)` as `ProducerOf<...>`.
 */
export abstract class GenericProducer {
  readonly [OPTIONS]: CallOptions = {};

  /** A producer like this one with other options for its calls; this one stays as it is. @throws {InvalidOptionError} */
  with(options: CallOptions & { readonly queueOnly: true }): QueueOnly<this>;
  with(options: CallOptions): this;
  with(options: CallOptions): this | QueueOnly<this> {
    const merged = mergeCallOptions(this[OPTIONS], options);
    // Object.create gives its result no type: it is this producer with one field laid over.
    return Object.create(this, { [OPTIONS]: { value: merged }, [ORIGIN]: { value: originOf(this) } }) as this;
  }

  /** Sends a command whose name is known only at run time. @throws {PublishError} */
  command(name: string, parameters?: unknown): Promise<void> {
    return promised(() => senderOf(this).sendMessage(new MessageCommand(name, parameters), this[OPTIONS]));
  }

  /** Calls a command whose name is known only at run time. */
  async rpc<V = unknown>(name: string, parameters?: unknown): Promise<RpcResult<V>> {
    return call(this, new RpcCommand<V>(name, parameters)) as Promise<RpcResult<V>>;
  }

  /**
   * Calls once and gives every reply as it comes, for requests that several components answer: an async iterable that ends
   * after `count` replies, `timeoutMs` milliseconds, or the reply for which `until` is true. It sends when the first reply
   * is asked for. Leaving the loop cleans up.
   *
   * ```ts
   * for await (const reply of fleet.gather('ping', undefined, { timeoutMs: 500 })) console.log(reply.body.fingerprint);
   * ```
   * @throws {InvalidOptionError} an option is wrong
   * @throws {RpcTimeoutError} from the loop: beyond `maxReplyQueues`, it did not get its turn in time
   * @throws {PublishError} from the loop: UNROUTABLE, NACKED, NOT_CONNECTED, ABORTED, ...
   * @throws {ConnectionError} from the loop: the connection that further replies would have come on was lost
   */
  gather<V = unknown>(name: string, parameters?: unknown, options?: GatherOptions<V>): Gathering<V>;
  gather<V = unknown>(command: RpcCommand<V>, options?: GatherOptions<V>): Gathering<V>;
  gather<V = unknown>(
    what: string | RpcCommand<V>,
    second?: unknown,
    third?: GatherOptions<V>,
  ): Gathering<V> {
    const isName = typeof what === 'string';
    const command = isName ? new RpcCommand<V>(what, second) : expectRpc<V>(what, 'gather');
    // The signatures above say which of the two it is.
    const options = (isName ? third : (second as GatherOptions<V> | undefined)) ?? {};
    checkGatherOptions(options);
    return senderOf(this).gather(command, this[OPTIONS], options);
  }

  /** Sends a generic message: type and name "none", the content holds what was given. */
  message(args: readonly unknown[] = [], kwds: Readonly<Record<string, unknown>> = {}): Promise<void> {
    return promised(() => senderOf(this).sendMessage(new GenericMessage(args, kwds), this[OPTIONS]));
  }

  /** Sends a message built elsewhere. */
  publish(message: Message): Promise<void> {
    return promised(() => senderOf(this).sendMessage(message, this[OPTIONS]));
  }

  /** Sends a body as it is, for example one that was received: no field is added or changed. */
  forward(body: unknown): Promise<void> {
    return promised(() => senderOf(this).send(body, this[OPTIONS]));
  }
}

Object.setPrototypeOf(GenericProducer.prototype, generatedMethods);

/** Gives a producer what it sends with; the Nest module does it for every registered producer. */
export const bindProducer = <P extends GenericProducer>(
  producer: P,
  sender: Sender,
  defaults: CallOptions,
): P =>
  Object.defineProperties(producer, {
    [SENDER]: { value: sender, configurable: true },
    [OPTIONS]: { value: defaults, configurable: true },
  });

/** What it throws is a rejection too. Unlike an async function it keeps nothing alive while the broker is waited for. */
const promised = <T>(send: () => Promise<T>): Promise<T> => {
  try {
    return send();
  } catch (error) {
    return Promise.reject(error);
  }
};

/** The producer that `with` was first called on: it alone has the private fields that a builder may use. */
const originOf = (producer: GenericProducer): GenericProducer =>
  (producer as { [ORIGIN]?: GenericProducer })[ORIGIN] ?? producer;

const senderOf = (producer: GenericProducer): Sender => {
  // The symbol is ours alone: nothing but bindProducer sets it.
  const sender = (producer as { [SENDER]?: Sender })[SENDER];
  if (sender) return sender;
  const { name } = producer.constructor;
  throw new InvalidOptionError(
    name,
    `is not connected. Register it with PostageModule.forFeature([${name}]) and inject it with @InjectProducer(${name}).`,
  );
};

const call = <V>(
  producer: GenericProducer,
  command: RpcCommand<V>,
): Promise<RpcResult<V> | ReplyQueue<V>> => {
  const options = producer[OPTIONS];
  return options.queueOnly
    ? senderOf(producer).open(command, options)
    : senderOf(producer).call(command, options);
};

const generate = ({ kind, suffix }: MethodName): Method => {
  const builder = `build${kind === 'message' ? 'Message' : 'Rpc'}${suffix}`;
  const build = kind === 'message' ? undeclaredMessage(suffix) : undeclaredRpc(suffix);
  const send = (producer: GenericProducer, built: unknown): Promise<unknown> =>
    kind === 'rpc'
      ? call(producer, expectRpc(built, builder))
      : senderOf(producer).sendMessage(expectMessage(built, builder), producer[OPTIONS]);
  return function (this: GenericProducer, ...args: unknown[]): Promise<unknown> {
    try {
      const declared = (this as unknown as Record<string, unknown>)[builder];
      const built: unknown =
        typeof declared === 'function' ? Reflect.apply(declared, originOf(this), args) : build(args);
      return built instanceof Promise ? built.then((late) => send(this, late)) : send(this, built);
    } catch (error) {
      // As `promised` does, which would cost a function for each call.
      return Promise.reject(error);
    }
  };
};

const undeclaredMessage = (suffix: string): ((args: readonly unknown[]) => Message) => {
  const [name, method] = [commandName(suffix), `message${suffix}`];
  return (args) => new MessageCommand(name, onlyParameter(method, args));
};

const undeclaredRpc = (suffix: string): ((args: readonly unknown[]) => Message) => {
  const [name, method] = [commandName(suffix), `rpc${suffix}`];
  return (args) => new RpcCommand(name, onlyParameter(method, args));
};

const onlyParameter = (method: string, args: readonly unknown[]): unknown => {
  if (args.length > 1) {
    throw new InvalidOptionError(
      method,
      `takes one value as the command's parameters, not ${args.length}. Put them into an object, or write a builder.`,
    );
  }
  return args[0];
};

const expectMessage = (built: unknown, builder: string): Message => {
  if (built instanceof Message && built.body.category === 'message') return built;
  throw new InvalidOptionError(
    builder,
    'must return a Message of category "message", for example a MessageCommand or a MessageStatus.',
  );
};

const expectRpc = <V>(built: unknown, builder: string): RpcCommand<V> => {
  // Its type parameter is the caller's word: nothing at run time could check it.
  if (built instanceof RpcCommand) return built as RpcCommand<V>;
  const problem =
    builder === 'gather' ? 'takes the name of a command, or an RpcCommand.' : 'must return an RpcCommand.';
  throw new InvalidOptionError(builder, problem);
};
