import { CALL_HEADERS } from '../connection/call-headers.js';
import type { MessageProperties } from '../connection/port.js';
import type { PublishRequest, PublishWatcher } from '../connection/publication.js';
import type { PublishTarget } from '../errors.js';
import type { Topology } from '../topology/types.js';

/** One rpc, ready to be sent: the body does not change between attempts. */
export interface RpcRequest {
  readonly target: PublishTarget;
  readonly topology: Topology;
  readonly content: Buffer;
  readonly properties: MessageProperties;
  readonly mandatory: boolean;
  /** Of each attempt. */
  readonly timeoutMs: number;
  readonly maxRetry: number;
  readonly publishTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** For errors. */
  readonly type: string;
  readonly command: string;
}

/** What one sending of a request has of its own. */
export interface Sending {
  readonly replyTo: string;
  /** Counts from 1. */
  readonly attempt: number;
  /** How long the caller will wait, further attempts included; undefined: as long as it likes. */
  readonly remainingMs: number | undefined;
  /** A request that still waits in its queue after that is not run later; undefined: it is. */
  readonly expirationMs: number | undefined;
  /** The same on every attempt of one call. */
  readonly messageId: string;
}

export const publicationOf = (
  request: RpcRequest,
  sending: Sending,
  watcher: PublishWatcher,
): PublishRequest => {
  const { target, content, mandatory, topology, signal, publishTimeoutMs, timeoutMs } = request;
  const { exchange, routingKey } = target;
  const properties = propertiesOf(request.properties, sending);
  const deadlineMs = Math.min(publishTimeoutMs, sending.expirationMs ?? timeoutMs);
  const message = { exchange, routingKey, content, mandatory, properties };
  return { message, topology, deadlineMs, signal, watcher };
};

const propertiesOf = (own: MessageProperties, sending: Sending): MessageProperties => {
  const { messageId, replyTo } = sending;
  const expiration = shorter(own.expiration, sending.expirationMs);
  const headers = headersOf(own.headers, sending);
  return { ...own, messageId, correlationId: messageId, replyTo, headers, expiration };
};

type Headers = Readonly<Record<string, unknown>>;

const headersOf = (own: Headers | undefined, { attempt, remainingMs }: Sending): Headers => {
  const remaining = remainingMs === undefined ? undefined : wholeMs(remainingMs);
  const isLast = lastHeaders.attempt === attempt && lastHeaders.remaining === remaining;
  if (!isLast) lastHeaders = { attempt, remaining, headers: callHeaders(attempt, remaining) };
  return own === undefined ? lastHeaders.headers : { ...own, ...lastHeaders.headers };
};

const callHeaders = (attempt: number, remaining: number | undefined): Headers =>
  Object.freeze({
    [CALL_HEADERS.attempt]: attempt,
    ...(remaining === undefined ? {} : { [CALL_HEADERS.remainingMs]: remaining }),
  });

/** First attempts of calls with one and the same timeout have the same headers: they are made once. */
let lastHeaders = {
  attempt: 1,
  remaining: undefined as number | undefined,
  headers: callHeaders(1, undefined),
};

/** AMQP's integers have 64 bits, JavaScript's 53. */
const wholeMs = (ms: number): number => Math.min(Number.MAX_SAFE_INTEGER, Math.max(1, Math.ceil(ms)));

const shorter = (own: string | undefined, limitMs: number | undefined): string | undefined => {
  if (limitMs === undefined) return own;
  const whole = wholeMs(limitMs);
  return String(own === undefined ? whole : Math.min(Number(own), whole));
};

/** Late timers and the time that a connection takes are not worth an odd number: the broker's clock is another one anyway. */
const EXPIRY_SLACK_MS = 100;

/** That of the attempt; less where much of its time has gone by. */
export const expirationOf = ({ timeoutMs }: RpcRequest, limitMs: number): number =>
  limitMs > timeoutMs - EXPIRY_SLACK_MS ? timeoutMs : limitMs;
