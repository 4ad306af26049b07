import { inspect, isDeepStrictEqual } from 'node:util';
import { MESSAGE_VERSION, type KnownMessageType, type MessageBody, type MessageCategory } from './body.js';
import type { FingerprintLike } from './fingerprint.js';
import type { JsonValue } from './json.js';
import type { ResultContent } from './result.js';
import { describeThrown } from './thrown.js';

/** What tells one message from another. */
export interface MessageParts {
  /** One of Postage's own types, or any other. */
  readonly type: KnownMessageType | (string & {});
  readonly name: JsonValue;
  /** @default 'message' */
  readonly category?: MessageCategory | undefined;
  /** @default {} */
  readonly content?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * A message to be sent: the base of the family, and the way to send a type of your own.
 *
 * ```ts
 * new Message({ type: 'metric', name: 'disk', content: { freeBytes: 1024 } });
 * ```
 */
export class Message {
  #body: MessageBody;

  constructor({ type, name, category = 'message', content = {} }: MessageParts) {
    // The order of the keys is Python Postage's.
    this.#body = { type, name, category, version: MESSAGE_VERSION, fingerprint: {}, content, _reserved: {} };
  }

  /** The message as plain data. Not a copy: treat it as read-only. */
  get body(): MessageBody {
    return this.#body;
  }

  /** Truth value, as in Python's `if reply:`: false for error and exception results, true for everything else. */
  get ok(): boolean {
    return true;
  }

  /** Sets who sends it, replacing what was set before, and returns this message. A producer does it by itself. */
  fingerprint(fingerprint: FingerprintLike): this {
    this.#body = { ...this.#body, fingerprint };
    return this;
  }

  /** Whether both bodies have the same value, whatever the order of their keys. */
  equals(other: { readonly body: MessageBody }): boolean {
    return isDeepStrictEqual(this.#body, other.body);
  }

  /** The body, so that `JSON.stringify(message)` gives what travels. */
  toJSON(): MessageBody {
    return this.#body;
  }

  /** What `console.log` shows. */
  [inspect.custom](): string {
    return `${this.constructor.name} ${inspect(this.#body)}`;
  }
}

/**
 * Asks a component to do something; nobody answers. `content` is `{ parameters }`.
 *
 * Parameters that are left out (or undefined) are sent as `{}`, null as null.
 */
export class MessageCommand<P = unknown> extends Message {
  constructor(name: string, parameters?: P) {
    super({ type: 'command', name, content: commandContent(parameters) });
  }
}

declare const replyValue: unique symbol;

/**
 * Asks a component to do something and answer. `content` is `{ parameters }`, as in `MessageCommand`.
 *
 * `V` is the type of the value in the reply, for the caller's benefit; nothing checks it at run time.
 * ```ts
 * new RpcCommand<number>('sum', { a: 5, b: 6 });
 * ```
 */
export class RpcCommand<V = unknown> extends Message {
  /** Only a type, never a value: without it TypeScript would forget `V`. */
  declare readonly [replyValue]: V;

  constructor(name: string, parameters?: unknown) {
    super({ type: 'command', name, category: 'rpc', content: commandContent(parameters) });
  }
}

/** Tells the status of the sender. `status` can be any value that the encoder can write. */
export class MessageStatus extends Message {
  constructor(status: JsonValue) {
    super({ type: 'status', name: status });
  }
}

/** A message without type and name; `content` has `args` and `kwds`, each only when it is not empty. */
export class GenericMessage extends Message {
  constructor(args: readonly unknown[] = [], kwds: Readonly<Record<string, unknown>> = {}) {
    super({
      type: 'none',
      name: 'none',
      content: {
        ...(args.length > 0 && { args }),
        ...(Object.keys(kwds).length > 0 && { kwds }),
      },
    });
  }
}

/** Answers an rpc: it worked. A value that is left out (or undefined) is sent as null. */
export class MessageResult<V = unknown> extends Message {
  constructor(value?: V, message = '') {
    super(resultParts({ type: 'success', value: value ?? null, message }));
  }
}

/** Answers an rpc: it was refused or did not work, in a way that the caller may expect. */
export class MessageResultError extends Message {
  constructor(
    message: string,
    /** The class name of what refused it, for callers that know it; it travels in a header, since the body has no place for it. */
    readonly errorName?: string | undefined,
  ) {
    super(resultParts({ type: 'error', value: null, message }));
  }

  override get ok(): boolean {
    return false;
  }
}

/** Answers an rpc: its handler threw. Carries the name of the exception and its text, never a stack. */
export class MessageResultException extends Message {
  constructor(name: string, message: string) {
    super(resultParts({ type: 'exception', value: name, message }));
  }

  /**
   * Describes whatever was thrown; never throws itself.
   *
   * The name is that of the class; `error.name` when the class is a plain `Error` or has no name; `Error` for anything
   * that is no error, with its text as the message.
   */
  static from(thrown: unknown): MessageResultException {
    const { name, message } = describeThrown(thrown);
    return new MessageResultException(name, message);
  }

  override get ok(): boolean {
    return false;
  }
}

const commandContent = (parameters: unknown): { readonly parameters: unknown } => ({
  parameters: parameters === undefined ? {} : parameters,
});

const resultParts = (content: ResultContent): MessageParts => ({
  type: 'result',
  name: 'none',
  content: { type: content.type, value: content.value, message: content.message },
});
