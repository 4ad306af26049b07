import { afterEach, describe, expect, it, vi } from 'vitest';
import { PostageConnection } from '../connection/connection.js';
import type { Delivery, Driver, Link, MessageProperties } from '../connection/port.js';
import { ConnectionError } from '../errors.js';
import { silent } from '../observability/observer.js';
import { MemoryBroker } from '../testing/memory-broker.js';
import { RpcCaller } from './rpc-caller.js';
import { requestTo } from './rpc-request.spec.fixture.js';

const request = requestTo({ exchange: '', routingKey: 'replier' });

/** Hands whatever comes to the replier's queue to `onRequest`, with the way to send something back. */
const serve = async (
  broker: MemoryBroker,
  onRequest: (delivery: Delivery, send: Send) => void,
  queue = 'replier',
): Promise<void> => {
  const channel = await (await broker.connect({ connectionName: 'replier' })).openChannel();
  const flags = {
    durable: false,
    exclusive: false,
    autoDelete: false,
    arguments: {},
    declare: 'assert',
  } as const;
  await channel.assertQueue({ name: queue, ...flags });
  const answering = (delivery: Delivery): void =>
    onRequest(delivery, (properties) => {
      const { replyTo = '' } = delivery.properties;
      const message = { exchange: '', routingKey: replyTo, content: Buffer.from('!'), properties };
      channel.publish({ ...message, mandatory: false }, () => undefined);
    });
  await channel.consume(queue, (delivery) => void (delivery && answering(delivery)), { noAck: true });
};
type Send = (properties: MessageProperties) => void;

/** Answers whatever comes to its queue, with the correlation id of the request or, as a script would, without properties. */
const startReplier = (broker: MemoryBroker, kind: 'echoing' | 'silent' = 'silent'): Promise<void> =>
  serve(broker, ({ properties: { correlationId } }, send) =>
    send(kind === 'echoing' ? { correlationId } : {}),
  );

/** Lets time pass, which stands still otherwise, with all that happens meanwhile. */
const pass = async (ms: number): Promise<void> => {
  for (let passedMs = 0; passedMs < ms; passedMs += 10) {
    vi.advanceTimersByTime(10);
    await turns(10);
  }
};
const stopTime = (): unknown => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });

const turns = async (count: number): Promise<void> => {
  for (let n = 0; n < count; n += 1) await new Promise(setImmediate);
};

const DIRECT = 'amq.rabbitmq.reply-to';

/** Calls until the target is known to echo ids, and the queue for such calls is there; resolves with its name. */
const reachShared = async (caller: RpcCaller): Promise<string> => {
  for (;;) {
    const { routingKey } = await caller.call(request);
    if (!routingKey.startsWith(DIRECT)) return routingKey;
  }
};

afterEach(() => {
  vi.useRealTimers();
});

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

const publishingLinkOf = ({ publishing: { link } }: PostageConnection): Link => {
  if (!link) throw new Error('there is no connection');
  return link;
};

describe('RpcCaller', () => {
  it('uses no reply queue again that was deleted at the broker while it rested', async () => {
    const broker = new MemoryBroker();
    await startReplier(broker, 'echoing');
    const { connection, caller } = callerOn(broker);
    const queue = await reachShared(caller);
    expect((await caller.call(request)).routingKey).toBe(queue);
    // Only its owner may delete an exclusive queue: this is the owner's own connection.
    const channel = await connection.consuming.link?.openChannel();
    await channel?.deleteQueue(queue);
    const next = await caller.call({ ...request, maxRetry: 0 });
    expect(next.routingKey).not.toBe(queue);
    await connection.close();
  });

  it('fails all calls whose replies would have come to the queue that was deleted, and no later one', async () => {
    const broker = new MemoryBroker();
    let held: (() => void)[] | undefined;
    await serve(broker, ({ properties: { correlationId } }, send) => {
      const answer = (): void => send({ correlationId });
      if (held) held.push(answer);
      else answer();
    });
    const { connection, caller } = callerOn(broker);
    const queue = await reachShared(caller);
    held = [];
    const calls = Array.from({ length: 5 }, () => caller.call(request).catch((error: unknown) => error));
    while (held.length < calls.length) await turns(1);

    const channel = await connection.consuming.link?.openChannel();
    await channel?.deleteQueue(queue);

    const lost: unknown = expect.objectContaining({ code: 'CONNECTION_LOST' });
    expect(await Promise.all(calls)).toEqual(calls.map(() => lost));
    held = undefined;
    const another = await reachShared(caller);
    expect([another === queue, caller.snapshot]).toMatchObject([false, { pending: 0, replyQueues: 1 }]);
    await connection.close();
  });

  it('sends a call again when its next attempt begins where there is no address of its own, and never after its time', async () => {
    stopTime();
    const broker = new MemoryBroker();
    let sentMs: number[] = [];
    let isMute = false;
    await serve(broker, ({ properties: { correlationId } }, send) => {
      sentMs.push(performance.now());
      send(isMute ? {} : { correlationId });
    });
    const { connection, caller } = callerOn(broker);
    await reachShared(caller);
    const link = publishingLinkOf(connection);
    // Calls that nobody answers keep the addresses that there are.
    const kept: Delivery[] = [];
    await serve(broker, (delivery) => kept.push(delivery), 'nobody');
    const unanswered = { ...requestTo({ exchange: '', routingKey: 'nobody' }), timeoutMs: 5_000 };
    for (let n = 0; n < 5; n += 1) caller.call(unanswered).catch(() => undefined);
    while (kept.length < 5) await turns(1);
    link.openChannel = () => new Promise(() => undefined);
    isMute = true;
    sentMs = [];
    const startedMs = performance.now();
    const { timeoutMs, maxRetry } = request;
    const failure = caller.call(request).catch((error: unknown) => error);
    await pass(timeoutMs * (maxRetry + 1) + 100);
    expect(await failure).toMatchObject({ code: 'RPC_TIMEOUT' });
    const endMs = startedMs + timeoutMs * (maxRetry + 1);
    expect(sentMs.length).toBeGreaterThan(1);
    expect(sentMs.filter((atMs) => atMs > endMs)).toEqual([]);
    expect(sentMs.length).toBeLessThanOrEqual(maxRetry + 1);
    await connection.close();
  });

  it('sends calls again with addresses of their own where those take a while, at the end of their attempt', async () => {
    stopTime();
    const broker = new MemoryBroker();
    const replyTos: string[] = [];
    let isMute = false;
    const held: (() => void)[] = [];
    await serve(broker, ({ properties: { correlationId, replyTo = '' } }, send) => {
      replyTos.push(replyTo);
      const answer = (): void => send(isMute && !replyTo.startsWith(DIRECT) ? {} : { correlationId });
      if (isMute) held.push(answer);
      else answer();
    });
    const { connection, caller } = callerOn(broker);
    await reachShared(caller);
    const link = publishingLinkOf(connection);
    const open = link.openChannel.bind(link);
    link.openChannel = async () => {
      // Of the time that this test lets pass.
      await new Promise((resolve) => setTimeout(resolve, request.timeoutMs / 5));
      return open();
    };
    replyTos.length = 0;
    isMute = true;
    // More than there are addresses at rest, and none is given back before all have been sent again.
    const calls = Array.from({ length: 8 }, () => caller.call(request));
    while (held.length < calls.length) await turns(1);
    for (const answer of held) answer();
    while (held.length < 2 * calls.length) await pass(10);
    for (const answer of held.slice(calls.length)) answer();
    await Promise.all(calls);
    expect(replyTos.map((replyTo) => replyTo.startsWith(DIRECT))).toEqual([
      ...calls.map(() => false),
      ...calls.map(() => true),
    ]);
    await connection.close();
  });

  it('sends a call again once, however many replies without an id come while it has no other address yet', async () => {
    const broker = new MemoryBroker();
    let sent = 0;
    let isMute = false;
    await serve(broker, ({ properties: { correlationId, replyTo } }, send) => {
      sent += 1;
      const isShared = !replyTo?.startsWith(DIRECT);
      // Many of them, at the address that it shares; none at its own.
      for (let n = isMute && isShared ? 5 : 0; n > 0; n -= 1) send({});
      if (!(isMute && isShared)) send({ correlationId });
    });
    const { connection, caller } = callerOn(broker);
    await reachShared(caller);
    sent = 0;
    isMute = true;
    const { routingKey } = await caller.call(request);
    expect([sent, routingKey.startsWith(DIRECT)]).toEqual([2, true]);
    // That one came with an id. Others of them give none, so it has to prove itself again all the same.
    isMute = false;
    expect((await caller.call(request)).routingKey).toContain(DIRECT);
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

describe('RpcCaller, of attempts', () => {
  it('gives each its time, however many there may be', async () => {
    stopTime();
    const broker = new MemoryBroker();
    const atMs: number[] = [];
    await serve(broker, () => atMs.push(performance.now()));
    const { connection, caller } = callerOn(broker);
    const stop = new AbortController();
    const call = caller.call({ ...request, maxRetry: Number.MAX_SAFE_INTEGER, signal: stop.signal });
    await turns(30);
    await pass(1_000);
    stop.abort();
    await expect(call).rejects.toMatchObject({ code: 'ABORTED' });
    const [first = NaN] = atMs;
    expect(atMs.map((each) => each - first)).toEqual([0, 200, 400, 600, 800, 1_000]);
    await connection.close();
  });

  it('sends no request again that has been answered meanwhile', async () => {
    const broker = new MemoryBroker();
    let requests = 0;
    let isLate = false;
    await serve(broker, ({ properties: { correlationId } }, send) => {
      requests += 1;
      // A reply of an earlier call, without an id, and right behind it ours.
      if (isLate) send({});
      send({ correlationId });
    });
    const { connection, caller } = callerOn(broker);
    await reachShared(caller);
    isLate = true;
    requests = 0;
    const { properties } = await caller.call(request);
    await turns(20);
    expect([requests, properties.correlationId]).toEqual([1, expect.any(String)]);
    await connection.close();
  });

  it('takes an empty correlation id for none: no proof that the target echoes ids', async () => {
    const broker = new MemoryBroker();
    await serve(broker, (_, send) => send({ correlationId: '' }));
    const { connection, caller } = callerOn(broker);
    const kinds = new Set<boolean>();
    for (let count = 0; count < 110; count += 1) {
      const { routingKey } = await caller.call({ ...request, maxRetry: 0 });
      kinds.add(routingKey.startsWith('amq.rabbitmq.reply-to'));
    }
    expect([...kinds]).toEqual([true]);
    await connection.close();
  });
});
