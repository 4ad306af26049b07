import { getEventListeners } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Ctx } from '@nestjs/microservices';
import { GenericConsumer, Parameters, PostageContext, RpcHandler } from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { TEST_BROKERS } from '../support/test-brokers.js';
import { useRpcWorld } from './rpc-world.js';

const CALLS = 100_000;
const CONCURRENCY = 100;
/**
 * The server consumes and declares on one connection, and publishes and declares on the other; the caller publishes to its
 * exchange and to the default one, declares, and keeps a channel for reply queues.
 */
const CHANNELS = 8;
const MEGABYTE = 1024 * 1024;

class Handlers {
  @RpcHandler('command', 'echo')
  echo(@Parameters() n: number): number {
    return n;
  }

  /** Until nobody waits any more. */
  @RpcHandler('command', 'never')
  never(@Parameters() _n: number, @Ctx() { signal }: PostageContext): Promise<string> {
    return new Promise((resolve) => {
      if (signal.aborted) resolve('too late');
      signal.addEventListener('abort', () => resolve('too late'), { once: true });
    });
  }
}

/** Garbage is not what is looked for. */
const heapMegabytes = (): number => {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed / MEGABYTE;
};

const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;

describe.each(TEST_BROKERS.filter(({ broker }) => broker === 'RabbitMQ'))('on $broker', ({ open }) => {
  const world = useRpcWorld(open);

  it('100,000 calls, a tenth of which time out, leave everything as it was', async () => {
    const queue = uniqueName('leaks');
    const recentCalls = { maxCalls: 1_000 };
    const { app, events } = await world.server(queue, Handlers, { prefetch: 1_000, recentCalls });
    const consumer = app.get(GenericConsumer);
    const caller = await world.caller({ replyQueueIdleMs: 300 });
    const stop = new AbortController();
    const echo = caller.to(queue, { signal: stop.signal });
    const never = caller.to(queue, { signal: stop.signal, timeoutMs: 100, maxRetry: 0 });
    let timeouts = 0;
    const call = async (n: number): Promise<void> => {
      if (n % 10 !== 0) expect((await echo.rpc('echo', n)).unwrap()).toBe(n);
      else if ((await never.rpc('never', n)).value === 'TimeoutError') timeouts += 1;
    };
    // Before the clock of a short call runs, there should be a connection.
    await Promise.all(Array.from({ length: CONCURRENCY }, (_, n) => echo.rpc('echo', n)));
    const atRest = (): Promise<void> =>
      eventually(() => {
        expect(caller.snapshot()).toMatchObject({ pending: 0, waiting: 0, replyQueues: 0, directReplies: 0 });
        expect(consumer.snapshot.map(({ inFlight }) => inFlight)).toEqual([0]);
      });
    let next = 0;
    const callUntil = async (end: number): Promise<void> => {
      const work = async (): Promise<void> => {
        while (next < end) await call(next++);
      };
      await Promise.all(Array.from({ length: CONCURRENCY }, work));
      await atRest();
      for (const each of [events, caller.events]) each.forget();
    };

    // What is filled once, such as the window of recent calls, is full after a fifth.
    await callUntil(CALLS / 5);
    await eventually(async () => expect(await world.broker.channels()).toBe(CHANNELS));
    const before = { heap: heapMegabytes(), timers: timers() };
    await callUntil(CALLS);

    expect(timeouts).toBe(CALLS / 10);
    expect(consumer.recentCalls).toBe(1_000);
    expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
    await eventually(async () => expect(await world.queues()).toEqual([queue]));
    await eventually(async () => expect(await world.broker.channels()).toBe(CHANNELS));
    expect(timers()).toBeLessThanOrEqual(before.timers);
    expect(heapMegabytes() - before.heap).toBeLessThan(8);
  }, 240_000);
});
