import { MalformedMessageError } from '../errors.js';
import type { FingerprintLike } from './fingerprint.js';
import type { JsonValue } from './json.js';

/** The version of the message format, the value of `body.version`. */
export const MESSAGE_VERSION = '2';

/** `message`: nobody answers. `rpc`: exactly one handler answers. */
export type MessageCategory = 'message' | 'rpc';

/** The types that Postage itself uses; `body.type` is free. */
export type KnownMessageType = 'command' | 'status' | 'result' | 'none';

/**
 * A message as it travels: plain data, usable without this library.
 * Keys that are not listed here are kept as they came.
 */
export interface MessageBody {
  /** What kind of message: `command`, `status`, `result`, `none`, or a type of your own. */
  readonly type: string;
  /** Which one of its type. Normally a string; Postage lets a status be any value that can be encoded. */
  readonly name: JsonValue;
  readonly category: MessageCategory;
  /** The version of the format; `"2"` is the only one there is. Not checked on arrival. */
  readonly version: string;
  /** Who sent it: normally a `FingerprintDict`, `{}` in Python Postage's replies. Any sender can write anything. */
  readonly fingerprint: FingerprintLike;
  /** The payload, for example `{ parameters }` for a command. */
  readonly content: Readonly<Record<string, unknown>>;
  readonly _reserved: Readonly<Record<string, unknown>>;
}

/** Whether the value is an object with keys: neither null nor an array. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Checks once that a decoded value is a message; after that the type can be trusted.
 *
 * Required: `type` (a string), `name` (anything but undefined), `category` (`message` or `rpc`), `content` (an object).
 * Tolerated when absent or null, because no handler depends on them: `version` (becomes `"2"`), `fingerprint` and
 * `_reserved` (become `{}`). Unknown keys are kept. The given value is not changed.
 * @throws {MalformedMessageError} naming the field, for example `body.category`
 */
export function parseBody(value: unknown): MessageBody {
  if (!isRecord(value)) throw new MalformedMessageError('body', 'must be an object');
  const { type, name, category, content } = value;
  if (typeof type !== 'string') throw new MalformedMessageError('body.type', 'must be a string');
  if (name === undefined) throw new MalformedMessageError('body.name', 'is missing');
  if (category !== 'message' && category !== 'rpc') {
    throw new MalformedMessageError('body.category', 'must be "message" or "rpc"');
  }
  if (!isRecord(content)) throw new MalformedMessageError('body.content', 'must be an object');

  const version = value['version'] ?? MESSAGE_VERSION;
  if (typeof version !== 'string') throw new MalformedMessageError('body.version', 'must be a string');
  const fingerprint = recordOrEmpty(value, 'fingerprint');
  const _reserved = recordOrEmpty(value, '_reserved');
  // `name` came out of an encoder, so it is a value that an encoder can write: what JsonValue stands for here.
  return { ...value, type, name: name as JsonValue, category, version, fingerprint, content, _reserved };
}

const recordOrEmpty = (
  body: Readonly<Record<string, unknown>>,
  key: '_reserved' | 'fingerprint',
): Readonly<Record<string, unknown>> => {
  const value = body[key] ?? {};
  if (!isRecord(value)) throw new MalformedMessageError(`body.${key}`, 'must be an object');
  return value;
};

/** A name for people: Postage lets it be any value. */
export const describeName = (name: MessageBody['name']): string =>
  typeof name === 'string' ? name : JSON.stringify(name);
