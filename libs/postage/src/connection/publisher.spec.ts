import { afterEach, describe, expect, it, vi } from 'vitest';
import { MemoryBroker } from '../testing/memory-broker.js';
import { EMPTY_TOPOLOGY } from '../topology/binding.js';
import { PostageConnection } from './connection.js';
import type { ChannelPort, Driver, Link } from './port.js';
import type { PublishRequest } from './publication.js';
import type { PublishingOptions } from './publish-policy.js';

/** A broker that hears of what is published when it listens, and then of all of it at once. */
class SilentBroker implements Driver {
  readonly #broker = new MemoryBroker();
  readonly #held: (() => unknown)[] = [];

  async connect(request: Parameters<Driver['connect']>[0]): Promise<Link> {
    const link = await this.#broker.connect(request);
    return {
      address: link.address,
      openChannel: async () => this.#wrap(await link.openChannel()),
      onClosed: (listener) => link.onClosed(listener),
      onBlocked: (listener) => link.onBlocked(listener),
      close: () => link.close(),
    };
  }

  listen(): void {
    for (const publish of this.#held.splice(0)) publish();
  }

  async declare(name: string): Promise<void> {
    const channel = await (await this.#broker.connect({ connectionName: 'owner' })).openChannel();
    const flags = { durable: false, exclusive: false, autoDelete: false, arguments: {} };
    await channel.assertQueue({ name, ...flags, declare: 'assert' });
  }

  #wrap(channel: ChannelPort): ChannelPort {
    return new Proxy(channel, {
      get: (target, property) => {
        if (property === 'publish')
          return (...args: Parameters<ChannelPort['publish']>) => {
            this.#held.push(() => target.publish(...args));
            return true;
          };
        const value: unknown = Reflect.get(target, property, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }
}

const DEADLINE_MS = 1_000;

/** An application at such a broker, and its call, whose attempts go to these queues. */
const startCall = async () => {
  const broker = new SilentBroker();
  const connection = new PostageConnection({ driver: broker, name: 'x' });
  await connection.connectPublisher();
  await broker.declare('somebody');
  const told: string[] = [];
  const attempt = (number: number, routingKey: string): Promise<unknown> => {
    const properties = { messageId: 'call', headers: { 'postage-attempt': number } };
    const request: PublishRequest = {
      message: { exchange: '', routingKey, content: Buffer.from('?'), properties, mandatory: true },
      topology: EMPTY_TOPOLOGY,
      deadlineMs: DEADLINE_MS,
      watcher: {
        isWanted: () => true,
        onSent: () => void told.push(`sent ${number}`),
        onReturned: () => void told.push(`returned ${number}`),
      },
    };
    return connection.publish(request).then(
      () => 'taken',
      (error: { readonly code: unknown }) => error.code,
    );
  };
  return { broker, connection, attempt, told };
};

afterEach(() => {
  vi.useRealTimers();
});

describe('Publisher', () => {
  it('tells attempts of one call apart: one comes back, and another one is taken', async () => {
    const { broker, connection, attempt, told } = await startCall();
    const outcomes = [attempt(1, 'nobody'), attempt(2, 'somebody'), attempt(3, 'nobody')];
    expect([told, connection.snapshot.pendingPublishes]).toEqual([['sent 1', 'sent 2', 'sent 3'], 3]);
    broker.listen();
    expect(await Promise.all(outcomes)).toEqual(['UNROUTABLE', 'taken', 'UNROUTABLE']);
    expect(told.slice(3)).toEqual(['returned 1', 'returned 3']);
    expect(connection.snapshot.pendingPublishes).toBe(0);
    await connection.close();
  });

  it('tells of one that comes back after its deadline, and waits for it no more', async () => {
    const { broker, connection, attempt, told } = await startCall();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const outcome = attempt(1, 'nobody');
    vi.advanceTimersByTime(DEADLINE_MS);
    expect(await outcome).toBe('OUTCOME_UNKNOWN');
    expect([told, connection.snapshot.pendingPublishes]).toEqual([['sent 1'], 0]);
    vi.useRealTimers();
    const next = attempt(2, 'somebody');
    broker.listen();
    expect(await next).toBe('taken');
    expect(told).toEqual(['sent 1', 'sent 2', 'returned 1']);
    await connection.close();
  });

  it('is closed without waiting for what has settled at its deadline and was never confirmed', async () => {
    const { connection, attempt } = await startCall();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const outcome = attempt(1, 'nobody');
    vi.advanceTimersByTime(DEADLINE_MS);
    expect(await outcome).toBe('OUTCOME_UNKNOWN');
    vi.useRealTimers();
    await connection.close();
    expect(connection.snapshot).toMatchObject({ publishing: { kind: 'closed' }, pendingPublishes: 0 });
  });
});

describe('Publisher.post', () => {
  const message = { exchange: '', content: Buffer.from('?'), properties: {}, mandatory: true };
  const start = (publishing: PublishingOptions = {}) => {
    const broker = new SilentBroker();
    const connection = new PostageConnection({ driver: broker, name: 'x', publishing });
    const told: unknown[] = [];
    const listener = {
      onConfirmed: () => void told.push('taken'),
      onFailed: (error: unknown) => void told.push((error as { readonly code: unknown }).code),
    };
    const post = (routingKey: string): void =>
      connection.post(
        { message: { ...message, routingKey }, topology: EMPTY_TOPOLOGY, deadlineMs: DEADLINE_MS },
        listener,
      );
    return { broker, connection, post, told };
  };

  it('tells once what has become of each, and is waited for by whoever closes', async () => {
    const { broker, connection, post, told } = start();
    await connection.connectPublisher();
    await broker.declare('somebody');
    post('somebody');
    post('nobody');
    const closed = connection.close();
    expect(told).toEqual([]);
    broker.listen();
    await closed;
    expect(told).toEqual(['taken', 'UNROUTABLE']);
  });

  it('tells at once why one is neither sent nor may wait', async () => {
    const { connection, post, told } = start({ maxWaiting: 1 });
    post('first');
    post('second');
    expect(told).toEqual(['BUFFER_FULL']);
    await connection.close(1);
    expect(told).toHaveLength(2);
  });
});
