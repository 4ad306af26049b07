import { CALL_HEADERS } from '../connection/call-headers.js';
import type { MessageProperties } from '../connection/port.js';
import type { PublishRequest } from '../connection/publication.js';
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
  /** The same on every attempt of one call. */
  readonly messageId: string;
  readonly replyTo: string;
  /** Counts from 1. */
  readonly attempt: number;
  /** How long the caller will wait, further attempts included; undefined: as long as it likes. */
  readonly remainingMs: number | undefined;
  /** A request that still waits in its queue after that is not run later; undefined: it is. */
  readonly expirationMs: number | undefined;
  readonly isWanted: () => boolean;
  readonly onSent: () => void;
}

export const publicationOf = (request: RpcRequest, sending: Sending): PublishRequest => {
  const { target, content, mandatory, topology, signal, publishTimeoutMs, timeoutMs } = request;
  const { exchange, routingKey } = target;
  const properties = propertiesOf(request.properties, sending);
  return {
    message: { exchange, routingKey, content, mandatory, properties },
    topology,
    deadlineMs: Math.min(publishTimeoutMs, sending.expirationMs ?? timeoutMs),
    signal,
    isWanted: sending.isWanted,
    onSent: sending.onSent,
  };
};

const propertiesOf = (own: MessageProperties, sending: Sending): MessageProperties => {
  const { messageId, replyTo, attempt, remainingMs, expirationMs } = sending;
  const expiration = shorter(own.expiration, expirationMs);
  const headers: Record<string, unknown> = { ...own.headers, [CALL_HEADERS.attempt]: attempt };
  if (remainingMs !== undefined) headers[CALL_HEADERS.remainingMs] = wholeMs(remainingMs);
  return {
    ...own,
    messageId,
    correlationId: messageId,
    replyTo,
    headers,
    ...(expiration === undefined ? {} : { expiration }),
  };
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
