import { CALL_HEADERS } from '../connection/call-headers.js';
import type { Delivery, MessageProperties } from '../connection/port.js';
import type { Handler } from './handlers.js';

/** What the copy of a message that was handled before says of that. */
export interface History {
  /** Which run this is, 1 for the first. */
  readonly attempt: number;
  readonly firstFailureMs: number | undefined;
  readonly lastError: string | undefined;
  /** Where the message came from at first. */
  readonly exchange: string;
  readonly routingKey: string;
  /** Labels of those that are to run again; undefined: all that match. */
  readonly handlers: ReadonlySet<string> | undefined;
  /** Until when the message is worth handling; undefined: it has no such limit. */
  readonly deadlineMs: number | undefined;
}

/**
 * What a delivery says of its past; undefined where it has none. A dead letter that was put back into its queue begins
 * anew, with the handlers that it was for. Copies belong to one queue: what comes to another one, by a dead-letter exchange or
 * from somebody who passed headers on, has no past there. Any sender can write anything: what makes no sense is as if it
 * were not there.
 */
export const historyOf = (
  { properties, routingKey, exchange }: Delivery,
  queue: string,
): History | undefined => {
  const headers = properties.headers;
  const attempt = headers?.[CALL_HEADERS.retryAttempt];
  if (headers === undefined || !isAttempt(attempt)) return undefined;
  // A copy comes by the default exchange; what another one brings is somebody's new message.
  if (exchange !== '' || headers[CALL_HEADERS.queue] !== queue) return undefined;
  const origin = {
    exchange: textIn(headers, CALL_HEADERS.originalExchange) ?? exchange,
    routingKey: textIn(headers, CALL_HEADERS.originalRoutingKey) ?? routingKey,
    handlers: labelsIn(headers),
  };
  if (headers[CALL_HEADERS.deathReason] !== undefined) return { ...ANEW, ...origin };
  return {
    ...origin,
    attempt,
    firstFailureMs: timeIn(headers, CALL_HEADERS.firstFailure),
    lastError: textIn(headers, CALL_HEADERS.lastError),
    deadlineMs: timeIn(headers, CALL_HEADERS.deadline),
  };
};

const ANEW = { attempt: 1, firstFailureMs: undefined, lastError: undefined, deadlineMs: undefined } as const;

const isAttempt = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 1;

export type Headers = NonNullable<MessageProperties['headers']>;

const textIn = (headers: Headers, name: string): string | undefined => {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
};

const timeIn = (headers: Headers, name: string): number | undefined => {
  const timeMs = Date.parse(textIn(headers, name) ?? '');
  return Number.isNaN(timeMs) ? undefined : timeMs;
};

const labelsIn = (headers: Headers): ReadonlySet<string> | undefined => {
  const value = headers[CALL_HEADERS.handlers];
  if (!Array.isArray(value)) return undefined;
  return new Set(value.filter((label): label is string => typeof label === 'string'));
};

/**
 * Of the handlers that match, those that are to run. When one of them is not known here, perhaps because it got another
 * name meanwhile, all run: once too often is better than not at all.
 */
export const handlersToRun = (
  matching: readonly Handler[],
  history: Pick<History, 'handlers'>,
): readonly Handler[] => {
  const labels = history.handlers;
  if (labels === undefined) return matching;
  const named = matching.filter(({ label }) => labels.has(label));
  const isComplete = new Set(named.map(({ label }) => label)).size === labels.size;
  return isComplete && named.length > 0 ? named : matching;
};

/** When a message stops to be worth handling: its own time to live counts from its first failure on. */
export const deadlineOf = (
  { properties: { expiration } }: Delivery,
  history: History | undefined,
  nowMs: number,
): number | undefined => {
  if (history !== undefined || expiration === undefined) return history?.deadlineMs;
  const ttlMs = Number(expiration);
  return ttlMs >= 0 && ttlMs <= MAX_TTL_MS ? nowMs + ttlMs : undefined;
};

/** RabbitMQ's own limit: ten years. */
const MAX_TTL_MS = 315_360_000_000;

export const attemptOf = (history: History | undefined): number => history?.attempt ?? 1;
