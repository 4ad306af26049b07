import { MalformedMessageError } from '../errors.js';
import type { MessageBody } from './body.js';

/** The content of a result message: how a call ended. */
export type ResultContent<V = unknown> =
  | { readonly type: 'success'; readonly value: V; readonly message: string }
  | { readonly type: 'error'; readonly value: null; readonly message: string }
  /** `value` is the name of the exception's class, `message` its text. */
  | { readonly type: 'exception'; readonly value: string; readonly message: string };

/**
 * Reads the content of a result message.
 *
 * Tolerated: an absent or null `message` (becomes `""`), an absent `value` of a success (becomes null), and any `value`
 * of an error (the format says null; it is still in the body). The value of a success is taken on trust: `V` is what
 * the caller knows the replier to answer.
 * @throws {MalformedMessageError} naming the field, for example `body.content.type`
 */
export function parseResult<V = unknown>(body: MessageBody): ResultContent<V> {
  if (body.type !== 'result') throw new MalformedMessageError('body.type', 'must be "result" in a reply');
  const { type, value = null } = body.content;
  const message = body.content['message'] ?? '';
  if (typeof message !== 'string')
    throw new MalformedMessageError('body.content.message', 'must be a string');

  // Unchecked by promise (see above): the wire can not know V.
  if (type === 'success') return { type, value: value as V, message };
  if (type === 'error') return { type, value: null, message };
  if (type !== 'exception') {
    throw new MalformedMessageError('body.content.type', 'must be "success", "error" or "exception"');
  }
  if (typeof value !== 'string') {
    throw new MalformedMessageError('body.content.value', 'must be the name of the exception');
  }
  return { type, value, message };
}
