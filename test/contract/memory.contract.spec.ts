import { MemoryBroker } from '../../libs/postage/src/testing/memory-broker.js';
import { transportContract } from './transport.contract.js';

// One broker for all tests, as on RabbitMQ. Some tests throw in listeners on purpose.
const broker = new MemoryBroker({ onListenerError: () => undefined });

transportContract({
  name: 'MemoryBroker',
  connect: async () => broker,
  disconnectAll: async () => broker.disconnectAll(),
});
