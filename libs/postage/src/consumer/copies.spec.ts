import { describe, expect, it } from 'vitest';
import { PostageConnection } from '../connection/connection.js';
import type { MessageProperties } from '../connection/port.js';
import type { PublishRequest } from '../connection/publication.js';
import { InvalidOptionError, PublishError } from '../errors.js';
import { MemoryBroker } from '../testing/memory-broker.js';
import { defineQueue, type QueueFlags } from '../topology/queue.js';
import type { Topology } from '../topology/types.js';
import { Copies, type Copy } from './copies.js';

const copyFor = (name: string, properties: MessageProperties = {}, flags: QueueFlags = {}): Copy => ({
  queue: defineQueue({ name, flags }),
  message: {
    exchange: '',
    routingKey: name,
    content: Buffer.from('x'),
    properties: { messageId: 'm', ...properties },
    mandatory: true,
  },
});

/** Copies to a broker in memory, whose connection is open. */
const onMemory = async () => {
  const broker = new MemoryBroker();
  const connection = new PostageConnection({ driver: broker, name: 'x' });
  await connection.consuming.ready();
  const copies = new Copies({ connection, deadlineMs: 5_000, now: () => performance.now() });
  const admin = await (await broker.connect({ connectionName: 'admin' })).openChannel();
  const waiting = (): Record<string, number> =>
    Object.fromEntries(broker.snapshot().queues.map(({ name, ready }) => [name, ready.length]));
  return { broker, connection, copies, admin, waiting };
};

describe('Copies', () => {
  it('makes a queue that is missing, and sends again', async () => {
    const { connection, copies, admin, waiting } = await onMemory();
    await copies.send(copyFor('q'));
    expect(waiting()).toEqual({ q: 1 });
    await admin.deleteQueue('q');
    await copies.send(copyFor('q'));
    expect(waiting()).toEqual({ q: 1 });
    await connection.close();
  });

  it('finds every copy that no queue took, though all have the same message id, or none', async () => {
    const { connection, copies, waiting } = await onMemory();
    const names = ['a', 'b', 'c', 'd'];
    await Promise.all([
      ...names.map((name) => copies.send(copyFor(name))),
      ...names.map((name) => copies.send(copyFor(name, { messageId: undefined }))),
      ...names.map((name) => copies.send(copyFor(name, { messageId: '' }))),
    ]);
    expect(waiting()).toEqual({ a: 3, b: 3, c: 3, d: 3 });
    await connection.close();
  });

  it('keeps the id that a message has, and gives one to a message that has none', async () => {
    const { broker, connection, copies } = await onMemory();
    await copies.send(copyFor('q'));
    await copies.send(copyFor('q', { messageId: undefined }));
    const ids = broker.snapshot().queues[0]?.ready.map(({ properties }) => properties.messageId);
    expect(ids).toEqual(['m', expect.stringMatching(/^[0-9a-f-]{36}$/)]);
    await connection.close();
  });

  it('fails where the queue is not there and must not be declared', async () => {
    const { connection, copies } = await onMemory();
    const copy = { ...copyFor('q'), queue: defineQueue({ name: 'q', declare: 'assume' }) };
    await expect(copies.send(copy)).rejects.toMatchObject({ code: 'UNROUTABLE' });
    const passive = { ...copyFor('q'), queue: defineQueue({ name: 'q', declare: 'passive' }) };
    await expect(copies.send(passive)).rejects.toMatchObject({ code: 'TOPOLOGY_REFUSED' });
    await connection.close();
  });

  it('fails at its deadline while the broker blocks publishers', async () => {
    const { broker, connection } = await onMemory();
    const copies = new Copies({ connection, deadlineMs: 50, now: () => performance.now() });
    await copies.send(copyFor('q'));
    broker.block('no memory');
    await expect(copies.send(copyFor('q'))).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    broker.unblock();
    await connection.close();
  });
});

/** A connection that remembers what it was asked for. */
const recorder = (fail: (request: PublishRequest, count: number) => unknown = () => undefined) => {
  const told: string[] = [];
  const published: PublishRequest[] = [];
  const connection = {
    publish: async (request: PublishRequest) => {
      told.push('publish');
      published.push(request);
      const error = fail(request, published.length);
      if (error !== undefined) throw error;
    },
    consumingDeclarations: {
      forgetQueue: () => undefined,
      ensure: async ({ queues: [queue] }: Topology) => void told.push(`declare ${queue?.name}`),
    } as unknown as PostageConnection['consumingDeclarations'],
  };
  return { told, published, connection };
};

describe('Copies to queues that expire', () => {
  it('declares them before their lease has run out, and not more often', async () => {
    const { told, connection } = recorder();
    let nowMs = 1_000_000;
    const copies = new Copies({ connection, deadlineMs: 1, now: () => nowMs });
    const copy = { ...copyFor('q', {}, { expiresMs: 120_000 }), leaseMs: 60_000 };
    for (const passedMs of [0, 59_999, 1, 59_999]) {
      nowMs += passedMs;
      await copies.send(copy);
    }
    expect(told).toEqual(['declare q', 'publish', 'publish', 'declare q', 'publish', 'publish']);
  });

  it('declares each of very many', async () => {
    const { told, connection } = recorder();
    const copies = new Copies({ connection, deadlineMs: 1, now: () => 0 });
    for (let index = 0; index < 2_500; index += 1)
      await copies.send({ ...copyFor(`q${index}`, {}, { expiresMs: 120_000 }), leaseMs: 60_000 });
    expect(told.filter((each) => each.startsWith('declare'))).toHaveLength(2_500);
  });
});

describe('a copy that can not be written', () => {
  it('is sent without what others have written into it', async () => {
    const { published, connection } = recorder((_request, count) =>
      count === 1 ? new InvalidOptionError('headers', 'are too large') : undefined,
    );
    const copies = new Copies({ connection, deadlineMs: 1, now: () => 0 });
    await copies.send(copyFor('q', { headers: { huge: 'x', 'postage-retry-attempt': 2 }, deliveryMode: 2 }));
    expect(published.map(({ message }) => message.properties)).toEqual([
      { messageId: 'm', headers: { huge: 'x', 'postage-retry-attempt': 2 }, deliveryMode: 2 },
      { messageId: 'm', headers: { 'postage-retry-attempt': 2 }, deliveryMode: 2, expiration: undefined },
    ]);
  });

  it('is not mistaken for one that the broker did not take', async () => {
    const target = { exchange: '', routingKey: 'q' };
    const { published, connection } = recorder(() => new PublishError('NACKED', target));
    const copies = new Copies({ connection, deadlineMs: 1, now: () => 0 });
    await expect(copies.send(copyFor('q'))).rejects.toMatchObject({ code: 'NACKED' });
    expect(published).toHaveLength(1);
  });
});
