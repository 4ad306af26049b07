export { MemoryBroker } from './memory-broker.js';
export type { MemoryBrokerOptions } from './memory-broker.js';
export type { MemoryClock } from './memory/clock.js';
export type {
  BrokerSnapshot,
  ConsumerSnapshot,
  ExchangeSnapshot,
  LinkSnapshot,
  MessageSnapshot,
  QueueSnapshot,
} from './memory/snapshot.js';
