import { afterEach, describe, expect, it, vi } from 'vitest';
import { PostageConnection } from '../connection/connection.js';
import { deferred } from '../connection/deferred.js';
import { BrokerError, ConnectionError } from '../errors.js';
import { MemoryBroker } from '../testing/memory-broker.js';
import { AddressPool } from './address-pool.js';
import { FakeMaker } from './fake-maker.spec.fixture.js';
import type { ReplyAddress } from './reply-address.js';

/** How long a pool makes no further address after it could not. */
const FULL_MS = 1_000;

const opened: PostageConnection[] = [];

const startPool = (maxCalls = 1_000) => {
  const broker = new MemoryBroker();
  const reconnect = { initialDelayMs: 1, maxDelayMs: 2 };
  const connection = new PostageConnection({ driver: broker, name: 'x', reconnect });
  opened.push(connection);
  const maker = new FakeMaker(4);
  const supervisor = connection.consuming;
  const options = { supervisor, maker, maxCalls, idleMs: 60_000 };
  const pool = new AddressPool<ReplyAddress>({ ...options, onLate: () => undefined });
  return { broker, connection, maker, pool, supervisor };
};

afterEach(async () => {
  vi.useRealTimers();
  await Promise.all(opened.splice(0).map((connection) => connection.close()));
});

const patient = (): AbortSignal => new AbortController().signal;
const turns = async (count: number): Promise<void> => {
  for (let n = 0; n < count; n += 1) await new Promise(setImmediate);
};
const full = (): Promise<never> => Promise.reject(new Error('No channels left to allocate'));

describe('AddressPool, for those who give up', () => {
  /** Asks for an address that is never made, lets so many microtasks go by, and tells whether the request settled. */
  const settles = async (
    ticks: number,
    end: (stop: AbortController, connection: PostageConnection) => unknown,
  ): Promise<boolean> => {
    const { connection, maker, pool } = startPool();
    await pool.take(patient());
    maker.gate = () => new Promise(() => undefined);
    const stop = new AbortController();
    let isSettled = false;
    const done = (): void => {
      isSettled = true;
    };
    pool.take(stop.signal).then(done, done);
    for (let n = 0; n < ticks; n += 1) await Promise.resolve();
    await end(stop, connection);
    await turns(5);
    return isSettled;
  };
  const moments = Array.from({ length: 25 }, (_, ticks) => ticks);

  it('settles in whatever microtask that is', async () => {
    for (const ticks of moments)
      expect([ticks, await settles(ticks, (stop) => stop.abort())]).toEqual([ticks, true]);
  });

  it('settles in whatever microtask we close', async () => {
    for (const ticks of moments)
      expect([ticks, await settles(ticks, (_, connection) => connection.close())]).toEqual([ticks, true]);
  });

  it('lets nobody wait whose signal has aborted before', async () => {
    const { pool, maker } = startPool();
    const aborted = AbortSignal.abort('too late');
    await expect(pool.take(aborted)).rejects.toBe('too late');
    await pool.take(patient());
    await expect(pool.take(aborted)).rejects.toBe('too late');
    expect([maker.made, pool.size]).toEqual([1, 1]);
  });

  it('leaves nobody to be told of a connection that is refused: the run would fail of an unhandled rejection', async () => {
    const { broker, pool } = startPool();
    broker.refuseConnections(new ConnectionError('ACCESS_REFUSED', 'who are you?'));
    await expect(pool.take(AbortSignal.abort('late'))).rejects.toBe('late');
    await turns(20);
    // It has not kept the pool from asking again.
    broker.refuseConnections(undefined);
    await expect(pool.take(patient())).resolves.toBeDefined();
  });
});

describe('AddressPool, on a connection that opens', () => {
  it('hands out nothing before that is ready', async () => {
    const { pool, supervisor } = startPool();
    await pool.take(patient());
    expect(supervisor.state.kind).toBe('ready');
  });

  it('hands out nothing of a connection that fails while it opens: nobody would be told that it is gone', async () => {
    const { pool, maker, supervisor } = startPool();
    const madeOn: number[] = [];
    maker.gate = async () => void madeOn.push(maker.restored.length);
    const taken = pool.take(patient());
    let attempts = 0;
    const other = {
      restore: () => ((attempts += 1) === 1 ? Promise.reject(new Error('not yet')) : Promise.resolve()),
      lost: () => undefined,
    };
    await supervisor.attach(other);
    expect([(await taken).name, madeOn, pool.size]).toEqual(['address 1', [2], 1]);
  });
});

describe('AddressPool, of addresses that are gone', () => {
  it('hands out none that was gone before it was in the pool', async () => {
    const { maker, pool } = startPool();
    // The broker ends the consumer in the same breath as it accepts it.
    maker.gate = async (address) => {
      if (maker.made === 1) maker.events.onGone(address, new Error('deleted'));
    };
    expect([(await pool.take(patient())).name, pool.size]).toEqual(['address 2', 1]);
  });

  it('hands out none that was gone while it was renewed', async () => {
    const { maker, pool } = startPool();
    const first = await pool.take(patient());
    maker.renewal = async () => {
      maker.events.onGone(first, new Error('the broker ended a reply address'));
      return true;
    };
    first.release();
    await turns(1);
    expect([pool.tryTake(), pool.size]).toEqual([undefined, 0]);
  });
});

describe('AddressPool, on a connection that is full', () => {
  it('makes none for a while after it could not, then as many as before', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { maker, pool } = startPool();
    const first = await pool.take(patient());
    maker.gate = full;
    const second = pool.take(patient());
    await turns(1);
    maker.gate = () => Promise.resolve();
    first.release();
    expect(await second).toBe(first);
    const made = maker.made;
    const waiting = Array.from({ length: 10 }, () => pool.take(patient()));
    vi.advanceTimersByTime(FULL_MS - 1);
    await turns(5);
    expect(maker.made).toBe(made);
    vi.advanceTimersByTime(1);
    const names = (await Promise.all(waiting)).map(({ name }) => name);
    expect([new Set(names).size, pool.size]).toEqual([10, 11]);
  });

  it.for([403, 406])(
    'tells those who wait that it is refused, where that ends the channel (%i)',
    async (code) => {
      const { maker, pool } = startPool();
      maker.gate = () => {
        maker.events.onBroken(new ConnectionError('CONNECTION_LOST', 'the channel is gone'));
        return Promise.reject(new BrokerError(code, 'refused'));
      };
      await expect(pool.take(patient())).rejects.toMatchObject({ amqpCode: code });
      await turns(50);
      expect(maker.made).toBe(1);
    },
  );

  it('makes another one as soon as one is gone', async () => {
    const { maker, pool } = startPool();
    const first = await pool.take(patient());
    maker.gate = full;
    const waiting = pool.take(patient());
    await turns(1);
    maker.gate = () => Promise.resolve();
    maker.events.onGone(first, new Error('deleted'));
    expect((await waiting).name).toBe('address 3');
  });

  it.each([
    ['the link has room for', 2, 1_000],
    ['calls may wait', 1_000, 2],
  ])(
    'makes no more than %s; whoever comes then waits for one that is given back',
    async (_, room, maxCalls) => {
      const { maker, pool } = startPool(maxCalls);
      maker.room = room;
      const [first, , third] = [1, 2, 3].map(() => pool.take(patient()));
      const address = await first;
      await turns(5);
      expect([maker.made, pool.size]).toEqual([2, 2]);
      address?.release();
      expect(await third).toBe(address);
      expect(maker.made).toBe(2);
    },
  );

  it('counts those that are being renewed, for which everybody can wait', async () => {
    const { maker, pool } = startPool();
    const only = await pool.take(patient());
    const renewed = deferred<boolean>();
    maker.renewal = () => renewed.promise;
    only.release();
    expect(pool.size).toBe(1);
    maker.gate = full;
    const waiting = pool.take(patient());
    await turns(1);
    renewed.resolve(true);
    await expect(waiting).resolves.toBe(only);
  });
});
