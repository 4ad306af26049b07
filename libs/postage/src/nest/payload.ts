import { isRecord, type MessageBody } from '../wire/body.js';
import type { PayloadKind } from './metadata.js';

/** Nest's `@Payload(property)` reads one property of the payload: these are the ones that `@Parameters()` and `@Content()` read. */
export const PARAMETERS = 'parameters';
/** No content of a message has such a key by accident. */
export const CONTENT_VIEW = '@postage/content';

/**
 * What a handler gets as its payload. Views are hidden properties, so that the payload still prints, compares and
 * spreads as what it is.
 */
export const payloadOf = (body: MessageBody, kind: PayloadKind, withContentView: boolean): unknown => {
  if (kind === 'parameters')
    return Object.hasOwn(body.content, PARAMETERS) ? body.content[PARAMETERS] : body.content;
  if (kind === 'body') return withViews({ ...body }, body.content);
  return withContentView ? hide(ableToHide(body.content), CONTENT_VIEW, body.content) : body.content;
};

const withViews = (copy: MessageBody, content: unknown): MessageBody =>
  hide(hide(copy, PARAMETERS, isRecord(content) ? content[PARAMETERS] : undefined), CONTENT_VIEW, content);

/** A filter may have replaced the content by anything: something frozen, a list, a text. */
const ableToHide = (content: unknown): object => {
  if (typeof content !== 'object' || content === null) return {};
  if (Object.isExtensible(content)) return content;
  return Array.isArray(content) ? [...(content as unknown[])] : { ...content };
};

const hide = <T extends object>(target: T, key: string, value: unknown): T =>
  Object.defineProperty(target, key, { value, enumerable: false, configurable: true, writable: true });
