import type { ChannelPort, Delivery } from '../../libs/postage/src/connection/port.js';
import type { AmqpTable } from '../../libs/postage/src/topology/types.js';
import type { Bench } from './bench.js';
import { consume } from './messages.js';

/** An exchange for dead letters and the queue that collects them. */
export const cemetery = async (bench: Bench): Promise<{ exchange: string; grave: string }> => {
  const exchange = await bench.exchange('fanout');
  const grave = await bench.queue();
  await bench.bind(exchange, grave);
  return { exchange, grave };
};

export const queueDyingTo = (bench: Bench, exchange: string, more: AmqpTable = {}): Promise<string> =>
  bench.queue({ arguments: { 'x-dead-letter-exchange': exchange, ...more } });

/** Consumes a queue and rejects the first `count` deliveries. */
export const rejectFrom = async (channel: ChannelPort, queue: string, count = 1): Promise<void> => {
  const { inbox, tag } = await consume(channel, queue);
  for (const { deliveryTag } of await inbox.take(count)) channel.reject(deliveryTag, false);
  await channel.cancel(tag);
};

export const deathsOf = (delivery: Delivery | undefined): readonly Record<string, unknown>[] =>
  // The header is RabbitMQ's: a list of tables.
  (delivery?.properties.headers?.['x-death'] ?? []) as readonly Record<string, unknown>[];

/** The first `count` messages that come to a grave. */
export const exhume = async (bench: Bench, grave: string, count = 1): Promise<Delivery[]> => {
  const { inbox } = await consume(await bench.channel(), grave, { noAck: true });
  return inbox.take(count);
};
