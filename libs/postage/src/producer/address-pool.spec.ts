import { getEventListeners } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { PostageConnection } from '../connection/connection.js';
import { deferred } from '../connection/deferred.js';
import type { Delivery } from '../connection/port.js';
import { BrokerError, ConnectionError } from '../errors.js';
import { MemoryBroker } from '../testing/memory-broker.js';
import { AddressPool } from './address-pool.js';
import { FakeMaker, type Renewal } from './fake-maker.spec.fixture.js';
import type { ReplyAddress, ReplyListener } from './reply-address.js';

const delivery = (text: string): Delivery => ({
  deliveryTag: 1,
  redelivered: false,
  exchange: '',
  routingKey: '',
  content: Buffer.from(text),
  properties: {},
});

const IDLE_MS = 60_000;
const opened: PostageConnection[] = [];

const startPool = () => {
  const broker = new MemoryBroker();
  const reconnect = { initialDelayMs: 1, maxDelayMs: 2 };
  const connection = new PostageConnection({ driver: broker, name: 'x', reconnect });
  opened.push(connection);
  const maker = new FakeMaker(2);
  const late: string[] = [];
  const pool = new AddressPool<ReplyAddress>({
    supervisor: connection.consuming,
    maker,
    maxCalls: 1_000,
    idleMs: IDLE_MS,
    onLate: ({ name }, { content }) => late.push(`${name}: ${content.toString()}`),
  });
  const supervisor = connection.consuming;
  const cut = async (): Promise<void> => {
    broker.disconnectAll();
    await until(() => supervisor.link === undefined);
  };
  return { broker, connection, maker, pool, late, supervisor, cut };
};

afterEach(async () => {
  vi.useRealTimers();
  await Promise.all(opened.splice(0).map((connection) => connection.close()));
});

const telling = (told: unknown[]): ReplyListener => ({
  onReply: () => undefined,
  onLost: (error) => told.push(error),
});
const patient = (): AbortSignal => new AbortController().signal;
const turn = (): Promise<void> => new Promise(setImmediate);
const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await turn();
};
/** The names of all that were handed out, and the errors of those who got none, in the order of the requests. */
const outcomes = async (requests: readonly Promise<ReplyAddress>[]): Promise<unknown[]> => {
  const results = await Promise.allSettled(requests);
  return results.map((each) => (each.status === 'fulfilled' ? each.value.name : (each.reason as unknown)));
};

describe('AddressPool', () => {
  it('connects when the first address is asked for, and makes no more than are needed', async () => {
    const { broker, pool, maker } = startPool();
    expect([pool.tryTake(), pool.size, broker.snapshot().links]).toEqual([undefined, 0, []]);
    expect((await pool.take(patient())).name).toBe('address 1');
    expect((await pool.take(patient())).name).toBe('address 2');
    expect([maker.made, pool.size, maker.restored.length]).toEqual([2, 2, 1]);
  });

  it('gives an address that was given back to the next call', async () => {
    const { pool, maker } = startPool();
    const first = await pool.take(patient());
    expect(pool.tryTake()).toBeUndefined();
    first.listener = { onReply: () => undefined, onLost: () => undefined };
    first.release();
    first.release();
    // Of the earlier call nothing is left at it.
    expect([pool.size, first.listener]).toEqual([1, undefined]);
    expect([pool.tryTake(), pool.tryTake()]).toEqual([first, undefined]);
    first.release();
    expect([await pool.take(patient()), maker.made, maker.discarded]).toEqual([first, 1, []]);
  });

  it.each<[string, () => Renewal]>([
    ['can not be renewed', () => false],
    ['turns out not to be renewable', () => Promise.resolve(false)],
    ['fails to renew', () => Promise.reject(new Error('the channel is gone'))],
  ])('discards an address that %s', async (_, renewal) => {
    const { pool, maker } = startPool();
    maker.renewal = renewal;
    (await pool.take(patient())).release();
    await until(() => maker.discarded.length > 0);
    expect([maker.discarded, pool.size, pool.tryTake()]).toEqual([['address 1'], 0, undefined]);
    expect((await pool.take(patient())).name).toBe('address 2');
  });

  it('hands out nothing that is still being renewed', async () => {
    const { pool, maker } = startPool();
    const first = await pool.take(patient());
    const renewed = deferred<boolean>();
    maker.renewal = () => renewed.promise;
    first.release();
    expect(pool.tryTake()).toBeUndefined();
    renewed.resolve(true);
    await turn();
    expect(pool.tryTake()).toBe(first);
  });

  it('makes a few at a time, and serves those who wait in their order, also with what is given back', async () => {
    const { pool, maker } = startPool();
    const gates: (() => void)[] = [];
    maker.gate = () => new Promise<void>((resolve) => gates.push(resolve));
    const served: string[] = [];
    const requests = Array.from({ length: 4 }, async (_, index) => {
      const address = await pool.take(patient());
      served.push(`${index} has ${address.name}`);
      return address;
    });
    await until(() => gates.length === 2);
    await turn();
    expect(maker.made).toBe(2);
    gates.shift()?.();
    const first = await requests[0];
    await until(() => gates.length === 2);
    first?.release();
    await turn();
    expect(served).toEqual(['0 has address 1', '1 has address 1']);
    for (const open of gates) open();
    await Promise.all(requests);
    expect([...served.slice(2), maker.made]).toEqual(['2 has address 2', '3 has address 3', 3]);
  });

  it('gives replies to the call that holds the address, and tells of those for nobody', async () => {
    const { pool, maker, late } = startPool();
    const address = await pool.take(patient());
    const replies: string[] = [];
    address.listener = {
      onReply: (_, { content }) => replies.push(content.toString()),
      onLost: () => undefined,
    };
    maker.events.onDelivery(address, delivery('in time'));
    address.release();
    maker.events.onDelivery(address, delivery('late'));
    expect([replies, late]).toEqual([['in time'], ['address 1: late']]);
  });

  it('discards an address that nobody has used for the time that is given', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { pool, maker } = startPool();
    const [first, second] = [await pool.take(patient()), await pool.take(patient())];
    first.release();
    vi.advanceTimersByTime(IDLE_MS - 1);
    expect([pool.size, maker.discarded]).toEqual([2, []]);
    vi.advanceTimersByTime(1);
    // The other one is held by a call, and stays.
    expect([pool.size, maker.discarded]).toEqual([1, ['address 1']]);
    second.release();
    vi.advanceTimersByTime(IDLE_MS);
    expect([pool.size, maker.discarded, vi.getTimerCount()]).toEqual([0, ['address 1', 'address 2'], 0]);
  });

  it('drops an address that is gone: its call is told, nobody else gets it', async () => {
    const { pool, maker } = startPool();
    const [used, resting] = [await pool.take(patient()), await pool.take(patient())];
    const told: Error[] = [];
    used.listener = telling(told);
    resting.release();
    const gone = new Error('deleted');
    maker.events.onGone(used, gone);
    maker.events.onGone(resting, gone);
    expect([told, pool.size, pool.tryTake()]).toEqual([[gone], 0, undefined]);
    used.release();
    expect([pool.size, maker.discarded]).toEqual([0, []]);
  });
});

describe('AddressPool, on a connection that is lost', () => {
  it('tells those who use an address, and lets those who wait go on waiting', async () => {
    const { cut, pool, maker } = startPool();
    const told: Error[] = [];
    (await pool.take(patient())).listener = telling(told);
    const held = deferred<never>();
    maker.gate = () => held.promise;
    const waiting = [pool.take(patient()), pool.take(patient())];
    await until(() => maker.made === 3);
    await cut();
    expect([told.length, pool.size]).toEqual([1, 0]);
    maker.gate = () => Promise.resolve();
    held.reject(new Error('the channel ended with its connection'));
    expect(await outcomes(waiting)).toEqual(['address 4', 'address 5']);
    expect([told.length, maker.restored.length, pool.size]).toEqual([1, 2, 2]);
  });

  it('hands out nothing of the old connection: neither what rested, nor what was just being made', async () => {
    const { cut, pool, maker, supervisor } = startPool();
    const resting = await pool.take(patient());
    const held = deferred<void>();
    maker.gate = () => held.promise;
    const stop = new AbortController();
    const given = outcomes([pool.take(stop.signal)]);
    await until(() => maker.made === 2);
    stop.abort('no patience');
    resting.release();
    await cut();
    held.resolve();
    await supervisor.ready();
    expect([await given, pool.tryTake(), pool.size]).toEqual([['no patience'], undefined, 0]);
    expect((await pool.take(patient())).name).toBe('address 3');
    // They went with their connection: the broker is not asked to delete them.
    expect(maker.discarded).toEqual([]);
  });

  it('forgets an address that was being renewed', async () => {
    const { cut, pool, maker, supervisor } = startPool();
    const address = await pool.take(patient());
    const renewed = deferred<boolean>();
    maker.renewal = () => renewed.promise;
    address.release();
    await cut();
    await supervisor.ready();
    renewed.resolve(true);
    await turn();
    expect([pool.size, pool.tryTake(), maker.discarded]).toEqual([0, undefined, []]);
  });

  it('is put back on the same connection when all its addresses are gone with their channel', async () => {
    const { pool, maker } = startPool();
    const used = await pool.take(patient());
    const told: Error[] = [];
    used.listener = telling(told);
    const broken = new Error('channel closed');
    const { events } = maker;
    events.onBroken(broken);
    expect([told, pool.size]).toEqual([[broken], 0]);
    expect((await pool.take(patient())).name).toBe('address 2');
    const [first, second] = maker.restored;
    expect([maker.restored.length, first === second]).toEqual([2, true]);
  });

  it('hears no more of a link that was replaced', async () => {
    const { cut, pool, maker } = startPool();
    await pool.take(patient());
    const { events } = maker;
    await cut();
    const used = await pool.take(patient());
    const told: Error[] = [];
    used.listener = telling(told);
    events.onBroken(new Error('that channel'));
    expect([told, pool.size, maker.restored.length]).toEqual([[], 1, 2]);
  });
});

describe('AddressPool, for those who get no address', () => {
  it.each<[string, unknown, unknown]>([
    ['an error as it is', new Error('not allowed'), new Error('not allowed')],
    ['anything else as an error', 'not allowed', new Error('not allowed')],
  ])('rejects everybody who waits when the broker makes none: %s', async (_, refusal, expected) => {
    const { pool, maker } = startPool();
    maker.gate = () => Promise.reject(refusal);
    const waiting = Array.from({ length: 3 }, () => pool.take(patient()));
    expect(await outcomes(waiting)).toEqual([expected, expected, expected]);
    maker.gate = () => Promise.resolve();
    await expect(pool.take(patient())).resolves.toBeDefined();
  });

  it('tells those who wait, and those who use one, that the connection was closed by us', async () => {
    const { connection, pool, maker } = startPool();
    const told: Error[] = [];
    (await pool.take(patient())).listener = telling(told);
    maker.gate = () => new Promise(() => undefined);
    const waiting = outcomes([pool.take(patient()), pool.take(patient())]);
    await until(() => maker.made === 3);
    await connection.close();
    const closed = expect.objectContaining({ code: 'CONNECTION_CLOSED' }) as Error;
    expect(await waiting).toEqual([closed, closed]);
    expect([told, pool.size]).toEqual([[closed], 0]);
    await expect(pool.take(patient())).rejects.toThrow(closed);
  });

  it('lets them wait for one that is given back when the connection has no room for more', async () => {
    const { cut, pool, maker } = startPool();
    const first = await pool.take(patient());
    maker.gate = () => Promise.reject(new Error('No channels left to allocate'));
    const waiting = Array.from({ length: 3 }, () => pool.take(patient()));
    await until(() => maker.made === 3);
    await turn();
    first.release();
    expect(await waiting[0]).toBe(first);
    maker.gate = () => Promise.resolve();
    await turn();
    // It does not ask again and again, but on the next connection.
    expect([maker.made, pool.size]).toEqual([3, 1]);
    await cut();
    expect(await outcomes(waiting.slice(1))).toEqual(['address 4', 'address 5']);
  });

  it('tells those who wait that the broker refuses it, also where there was one before', async () => {
    const { pool, maker } = startPool();
    await pool.take(patient());
    maker.gate = () => Promise.reject(new BrokerError(403, 'ACCESS_REFUSED'));
    await expect(pool.take(patient())).rejects.toMatchObject({ amqpCode: 403 });
  });

  it('asks again for a connection that was refused', async () => {
    const { broker, pool } = startPool();
    broker.refuseConnections(new ConnectionError('ACCESS_REFUSED', 'who are you?'));
    await expect(pool.take(patient())).rejects.toMatchObject({ code: 'ACCESS_REFUSED' });
    broker.refuseConnections(undefined);
    await expect(pool.take(patient())).resolves.toMatchObject({ name: 'address 1' });
  });

  it('lets a caller give up while there is no connection', async () => {
    const { broker, pool, maker } = startPool();
    broker.refuseConnections(new Error('not now'));
    const stop = new AbortController();
    const taken = pool.take(stop.signal);
    await turn();
    stop.abort(new Error('no patience'));
    await expect(taken).rejects.toThrow('no patience');
    broker.refuseConnections(undefined);
    await pool.take(patient());
    expect([maker.made, pool.size]).toEqual([1, 1]);
  });

  it('lets a caller give up who waits for an address; what is made for it is for the next', async () => {
    const { pool, maker } = startPool();
    const held = deferred<void>();
    maker.gate = () => held.promise;
    const stop = new AbortController();
    const taken = pool.take(stop.signal);
    await until(() => maker.made === 1);
    stop.abort(new Error('no patience'));
    await expect(taken).rejects.toThrow('no patience');
    held.resolve();
    await until(() => pool.size === 1);
    expect([pool.tryTake()?.name, maker.made]).toEqual(['address 1', 1]);
  });

  it('loses no address to a caller who gives up in the moment of getting one', async () => {
    const { pool, maker } = startPool();
    const first = await pool.take(patient());
    maker.gate = () => new Promise(() => undefined);
    const stop = new AbortController();
    const taken = pool.take(stop.signal);
    await until(() => maker.made === 2);
    first.release();
    // Handed out, but nobody has run on yet.
    expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
    stop.abort(new Error('no patience'));
    const address = await taken;
    expect([address, pool.size]).toEqual([first, 1]);
    address.release();
    expect(pool.tryTake()).toBe(first);
  });
});
