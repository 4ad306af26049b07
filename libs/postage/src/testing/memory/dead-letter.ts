import { isRecord } from '../../topology/checks.js';
import { withHeaders, type BrokerMessage } from './message.js';
import type { MemoryQueue } from './memory-queue.js';

export type DeathReason = 'rejected' | 'expired' | 'maxlen' | 'delivery_limit';

type Death = Readonly<Record<string, unknown>>;

/**
 * The message that a dead-letter exchange gets: the header `x-death` tells where, why and how often it died.
 * @see https://www.rabbitmq.com/docs/dlx
 */
export const deadLettered = (
  { name, settings }: MemoryQueue,
  message: BrokerMessage,
  { reason, atMs }: { readonly reason: DeathReason; readonly atMs: number },
): BrokerMessage => {
  const { CC, ...headers } = { ...message.properties.headers };
  const { expiration } = message.properties;
  const routingKeys = [message.routingKey, ...(Array.isArray(CC) ? CC : [])];
  const death: Death = {
    reason,
    queue: name,
    time: { '!': 'timestamp', value: Math.floor(atMs / 1000) },
    exchange: message.exchange,
    'routing-keys': routingKeys,
    ...(expiration === undefined ? {} : { 'original-expiration': expiration }),
  };
  const key = settings.deadLetterRoutingKey;
  const marked = {
    'x-first-death-exchange': message.exchange,
    'x-first-death-queue': name,
    'x-first-death-reason': reason,
    ...headers,
    ...(CC === undefined || key !== undefined ? {} : { CC }),
    'x-death': counted(deathsOf(message), death),
  };
  return {
    ...message,
    exchange: settings.deadLetterExchange ?? '',
    routingKey: key ?? message.routingKey,
    keys: key === undefined ? message.keys : [key],
    // It would only expire again where it goes now.
    properties: { ...withHeaders(message.properties, marked), expiration: undefined },
  };
};

/** A message that went round in a circle without anybody rejecting it would do so for ever: RabbitMQ drops it. */
export const closesCircle = (message: BrokerMessage, queue: string): boolean => {
  const deaths = deathsOf(message);
  const last = deaths.findIndex((death) => death['queue'] === queue);
  return last >= 0 && deaths.slice(0, last + 1).every(({ reason }) => reason !== 'rejected');
};

const deathsOf = ({ properties }: BrokerMessage): readonly Death[] => {
  const deaths = properties.headers?.['x-death'];
  return Array.isArray(deaths) ? deaths.filter(isRecord) : [];
};

/** One entry per queue and reason, the latest first. */
const counted = (deaths: readonly Death[], { time, ...death }: Death): readonly Death[] => {
  const isSame = (other: Death): boolean =>
    other['queue'] === death['queue'] && other['reason'] === death['reason'];
  const before = deaths.find(isSame);
  if (before === undefined) return [{ count: 1, ...death, time }, ...deaths];
  return [{ ...before, count: Number(before['count']) + 1 }, ...deaths.filter((other) => !isSame(other))];
};
