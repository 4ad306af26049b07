import type { Binding, Exchange, Queue } from './types.js';

/** What a declaration was about. */
export type Entity = Exchange | Queue | Binding;

export const isBinding = (entity: Entity): entity is Binding => 'key' in entity;
export const isExchange = (entity: Entity): entity is Exchange => 'type' in entity;

/** An entity as it reads in an error, for example `queue "echo-queue"`. */
export const describeEntity = (entity: Entity): string => {
  if (isBinding(entity)) {
    return `binding of queue "${entity.queue}" to exchange "${entity.exchange}" with key "${entity.key}"`;
  }
  return `${isExchange(entity) ? 'exchange' : 'queue'} "${entity.name}"`;
};

const PROPERTIES: Readonly<Record<string, 'durable' | 'exclusive' | 'autoDelete' | 'internal' | 'type'>> = {
  durable: 'durable',
  exclusive: 'exclusive',
  auto_delete: 'autoDelete',
  internal: 'internal',
  type: 'type',
};

/** The value we asked for, by the name that RabbitMQ gives an argument or property; `none` when we gave none. */
export const wantedOf = (entity: Entity, argument: string): string => {
  const property = PROPERTIES[argument];
  // Each kind of entity has some of these properties; the lookup finds nothing for the others.
  const own =
    property === undefined ? undefined : Object.entries(entity).find(([key]) => key === property)?.[1];
  const value: unknown = own ?? entity.arguments[argument] ?? 'none';
  return typeof value === 'string' ? value : JSON.stringify(value);
};
