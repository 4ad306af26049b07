import { describe, expect, it } from 'vitest';
import { PostageConnection } from '../connection/connection.js';
import type { Delivery, Driver } from '../connection/port.js';
import { ConnectionError } from '../errors.js';
import { silent } from '../observability/observer.js';
import { MemoryBroker } from '../testing/memory-broker.js';
import { EMPTY_TOPOLOGY } from '../topology/binding.js';
import { RpcCaller } from './rpc-caller.js';
import type { RpcRequest } from './rpc-request.js';

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

/** Answers whatever comes to its queue, with the correlation id of the request or, as a script would, without properties. */
const startReplier = async (broker: MemoryBroker, kind: 'echoing' | 'silent' = 'silent'): Promise<void> => {
  const channel = await (await broker.connect({ connectionName: 'replier' })).openChannel();
  const flags = {
    durable: false,
    exclusive: false,
    autoDelete: false,
    arguments: {},
    declare: 'assert',
  } as const;
  await channel.assertQueue({ name: 'replier', ...flags });
  const answer = ({ properties: { replyTo = '', correlationId } }: Delivery): boolean => {
    const properties = kind === 'echoing' ? { correlationId } : {};
    const message = { exchange: '', routingKey: replyTo, content: Buffer.from('!'), properties };
    return channel.publish({ ...message, mandatory: false }, () => undefined);
  };
  await channel.consume('replier', (delivery) => void (delivery && answer(delivery)), { noAck: true });
};

const callerOn = (driver: Driver) => {
  const connection = new PostageConnection({
    driver,
    name: 'x',
    reconnect: { initialDelayMs: 1, maxDelayMs: 5 },
  });
  return {
    connection,
    caller: new RpcCaller({ connection, observer: silent, maxCalls: 10, idleMs: 60_000 }),
  };
};

describe('RpcCaller', () => {
  it('uses no reply queue again that was deleted at the broker while it rested', async () => {
    const broker = new MemoryBroker();
    await startReplier(broker, 'echoing');
    const { connection, caller } = callerOn(broker);
    let first = await caller.call(request);
    // Queues are used again only where peers are known to echo the correlation id.
    while (first.routingKey.startsWith('amq.rabbitmq.reply-to')) first = await caller.call(request);
    expect((await caller.call(request)).routingKey).toBe(first.routingKey);
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

  it('tells the collector of an open request that its address is lost, whether it was sent or not', async () => {
    const broker = new MemoryBroker();
    await startReplier(broker);
    const { connection, caller } = callerOn(broker);
    const [sent, unsent] = [await caller.open(request, 'queue'), await caller.open(request, 'queue')];
    const lost: unknown[] = [];
    for (const each of [sent, unsent])
      each.collect({ onReply: () => undefined, onFailed: (error) => lost.push(error) });
    await sent.send(false);
    await connection.consuming.link?.close();
    expect(lost).toEqual([
      expect.objectContaining({ code: 'CONNECTION_LOST' }),
      expect.objectContaining({ code: 'CONNECTION_LOST' }),
    ]);
    for (const each of [sent, unsent]) each.release();
    expect(caller.snapshot.pending).toBe(0);
    await connection.close();
  });
});
