import type { ChannelPort, Link } from '../../libs/postage/src/connection/port.js';
import type { MemoryBroker } from '../../libs/postage/src/testing/memory-broker.js';

export const link = (broker: MemoryBroker, connectionName = 'test'): Promise<Link> =>
  broker.connect({ connectionName });

export const channelOf = async (broker: MemoryBroker): Promise<ChannelPort> =>
  (await link(broker)).openChannel();

/** Some turns of the event loop: enough for anything that is on its way. */
export const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

/** Queue name -> how many messages are where. */
export const summary = (broker: MemoryBroker): Record<string, string> =>
  Object.fromEntries(
    broker
      .snapshot()
      .queues.map(({ name, ready, unacked }) => [name, `${ready.length} ready, ${unacked} unacked`]),
  );
