import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { PostageConnection, PostageModule, type BackoffOptions } from 'nestjs-postage';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Events } from '../integration/world.js';
import { createVhost, type Vhost } from '../support/rabbit.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const closers: (() => Promise<unknown>)[] = [];
let vhost: Vhost;
let proxy: TcpProxy;

beforeEach(async () => {
  vhost = await createVhost('backoff');
  proxy = await TcpProxy.to(vhost.url);
});

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  await proxy.close();
  await vhost.delete();
});

const start = async (reconnect: BackoffOptions): Promise<Events> => {
  const events = new Events();
  const options = { connection: { url: proxy.url }, log: false, reconnect, observer: events.observe };
  @Module({ imports: [PostageModule.forRoot(options)] })
  class Program {}
  const app = await NestFactory.createApplicationContext(Program, { logger: false });
  closers.push(() => app.close());
  void app
    .get(PostageConnection)
    .connectPublisher()
    .catch(() => undefined);
  return events;
};

/** Cuts every connection as soon as it is ready, so many times; resolves with the numbers of the attempts. */
const flap = async (
  events: Events,
  times: number,
  lasts: () => Promise<unknown> = () => Promise.resolve(),
): Promise<number[]> => {
  const ready = events.of('connection.ready');
  for (let round = 1; round <= times; round += 1) {
    await ready.take(round, 30_000);
    await lasts();
    proxy.cut();
  }
  return (await ready.take(times)).map(({ attempts }) => attempts);
};

describe('the waits between attempts', () => {
  it('are random below a bound that doubles up to its limit', async () => {
    proxy.refuse();
    const events = await start({ initialDelayMs: 8, maxDelayMs: 32 });
    const failures = await events.of('connection.failed').take(12, 30_000);
    const waits = failures.map(({ retryInMs = Infinity }) => retryInMs);
    for (const [index, waitMs] of waits.entries())
      expect(waitMs).toBeLessThanOrEqual(Math.min(32, 8 * 2 ** index));
    expect(new Set(waits).size).toBeGreaterThan(3);
  });

  it('grow while connections are lost as soon as they are there', async () => {
    const events = await start({ initialDelayMs: 5, maxDelayMs: 40, stableAfterMs: 60_000 });
    const attempts = await flap(events, 5);
    expect(attempts).toEqual(attempts.toSorted((a, b) => a - b));
    expect(new Set(attempts).size).toBe(5);
  });

  it('start anew behind a connection that lasted', async () => {
    const events = await start({ initialDelayMs: 5, maxDelayMs: 40, stableAfterMs: 1 });
    // The cut itself may come into the next attempt.
    // It lasts for a conversation with the broker.
    const attempts = await flap(events, 5, () => vhost.queues());
    for (const attempt of attempts) expect(attempt).toBeLessThanOrEqual(3);
  });
});
