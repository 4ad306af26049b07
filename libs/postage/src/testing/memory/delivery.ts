import type { Delivery } from '../../connection/port.js';
import type { MemoryQueue } from './memory-queue.js';
import { copyProperties, type BrokerMessage } from './message.js';
import type { QueuedMessage } from './ready-messages.js';

/** A message as its consumer gets it the first time: a copy of its own. */
export const firstDelivery = (deliveryTag: number, message: BrokerMessage): Delivery => ({
  deliveryTag,
  redelivered: false,
  exchange: message.exchange,
  routingKey: message.routingKey,
  content: Buffer.from(message.content),
  properties: copyProperties(message.properties),
});

/** A message from a queue, which may have been delivered before. */
export const queueDelivery = (
  deliveryTag: number,
  { settings }: MemoryQueue,
  { message, returns }: QueuedMessage,
): Delivery => {
  const delivery = firstDelivery(deliveryTag, message);
  if (returns === 0) return delivery;
  const { properties } = delivery;
  const headers = { ...properties.headers, 'x-delivery-count': returns };
  return {
    ...delivery,
    redelivered: true,
    properties: settings.quorum ? { ...properties, headers } : properties,
  };
};
