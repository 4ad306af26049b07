import { describe, expect, it } from 'vitest';
import { PostageConnection } from '../connection/connection.js';
import type { Driver } from '../connection/port.js';
import { ConnectionError } from '../errors.js';
import { silent } from '../observability/observer.js';
import { MemoryBroker } from '../testing/memory-broker.js';
import { EMPTY_TOPOLOGY } from '../topology/binding.js';
import { RpcCaller, type RpcRequest } from './rpc-caller.js';

const request: RpcRequest = {
  target: { exchange: '', routingKey: 'replier' },
  topology: EMPTY_TOPOLOGY,
  content: Buffer.from('?'),
  properties: {},
  mandatory: true,
  timeoutMs: 200,
  maxRetry: 4,
  publishTimeoutMs: 30_000,
  type: 'command',
  command: 'ask',
};

/** Answers whatever comes to its queue, as a script without properties would. */
const startReplier = async (broker: MemoryBroker): Promise<void> => {
  const channel = await (await broker.connect({ connectionName: 'replier' })).openChannel();
  const flags = {
    durable: false,
    exclusive: false,
    autoDelete: false,
    arguments: {},
    declare: 'assert',
  } as const;
  await channel.assertQueue({ name: 'replier', ...flags });
  const answer = (routingKey: string): boolean =>
    channel.publish(
      { exchange: '', routingKey, content: Buffer.from('!'), properties: {}, mandatory: false },
      () => undefined,
    );
  await channel.consume(
    'replier',
    (delivery) => void (delivery && answer(delivery.properties.replyTo ?? '')),
    { noAck: true },
  );
};

const callerOn = (driver: Driver) => {
  const connection = new PostageConnection({
    driver,
    name: 'x',
    reconnect: { initialDelayMs: 1, maxDelayMs: 5 },
  });
  return { connection, caller: new RpcCaller(connection, silent, 10) };
};

describe('RpcCaller', () => {
  it('uses no reply queue again that was deleted at the broker while it rested', async () => {
    const broker = new MemoryBroker();
    await startReplier(broker);
    const { connection, caller } = callerOn(broker);
    const first = await caller.call(request);
    // Only its owner may delete an exclusive queue: this is the owner's own connection.
    const channel = await connection.consuming.link?.openChannel();
    await channel?.deleteQueue(first.routingKey);
    const second = await caller.call({ ...request, maxRetry: 0 });
    expect(second.routingKey).not.toBe(first.routingKey);
    await connection.close();
  });

  it('says that nothing could be sent, instead of trying again and calling it a timeout', async () => {
    const broker = new MemoryBroker();
    const refused = new ConnectionError('CONNECTION_FAILED', 'no publishing today');
    const driver: Driver = {
      connect: (asked) =>
        asked.connectionName.endsWith('(publish)') ? Promise.reject(refused) : broker.connect(asked),
    };
    const { connection, caller } = callerOn(driver);
    await expect(caller.call(request)).rejects.toMatchObject({ code: 'NOT_CONNECTED' });
    await connection.close();
  });

  it('hands out no reply queue that was lost before the request was confirmed', async () => {
    const broker = new MemoryBroker();
    await startReplier(broker);
    const { connection, caller } = callerOn(broker);
    await caller.call(request);
    const opened = caller.open(request, () => undefined);
    await connection.consuming.link?.close();
    await expect(opened).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await connection.close();
  });
});
