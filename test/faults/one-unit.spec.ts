import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  DEFAULT_EXCHANGE,
  MessageHandler,
  PostageConnection,
  PostageModule,
  PostageServer,
  Processor,
  type PostageModuleOptions,
} from 'nestjs-postage';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { Events } from '../integration/world.js';
import { eventually } from '../support/eventually.js';
import { createVhost, type Vhost } from '../support/rabbit.js';
import { RawPeer } from '../support/raw-peer.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { useUnhandledRejections } from '../support/unhandled.js';

const unhandled = useUnhandledRejections();
let vhost: Vhost;
let peer: RawPeer;

beforeEach(async () => {
  vhost = await createVhost('unit');
  peer = await RawPeer.connect(vhost.url);
});

afterEach(async () => {
  await peer.close();
  await vhost.delete();
  if (unhandled.length > 0) throw new Error(`unhandled: ${unhandled.map(String).join(', ')}`);
});

const job = (): object => {
  const head = { type: 'command', name: 'job', category: 'message', version: '2' };
  return { ...head, fingerprint: {}, content: { parameters: {} }, _reserved: {} };
};

/** A program with a queue that is busy, and one that may be refused. */
const program = async (options: PostageModuleOptions) => {
  const runs = { count: 0 };
  @Processor({ eqk: [[DEFAULT_EXCHANGE, [['busy', 'busy']]]] })
  class Busy {
    @MessageHandler('command', 'job')
    job(): void {
      runs.count += 1;
    }
  }
  @Processor({ eqk: [[DEFAULT_EXCHANGE, [[{ name: 'other', flags: { maxLength: 5 } }, 'other']]]] })
  class Other {
    @MessageHandler('command', 'job')
    job(): void {
      runs.count += 1;
    }
  }
  const events = new Events();
  const root = PostageModule.forRoot({ log: false, ...options, observer: events.observe });
  @Module({ imports: [root], controllers: [Busy, Other] })
  class Program {}
  const strategy = { ...PostageModule.microservice(), logger: false as const };
  const app = await NestFactory.createMicroservice(Program, strategy);
  onTestFinished(() => app.close());
  return { app, events, runs };
};

describe('what lives on a connection', () => {
  it('is put in place as one unit: nothing is handled as long as anything of it is refused', async () => {
    await peer.channel.assertQueue('busy');
    // With other arguments than ours.
    await peer.channel.assertQueue('other');
    for (let number = 0; number < 5; number += 1) peer.publish('', 'busy', job());
    const reconnect = { initialDelayMs: 20, maxDelayMs: 50 };
    const { app, events, runs } = await program({
      connection: { url: vhost.url },
      startup: 'background',
      reconnect,
    });
    await app.listen();
    const failures = await events.of('connection.failed').take(5, 30_000);
    expect(failures[0]?.error.message).toContain('queue "other"');
    expect([runs.count, events.of('consumer.attached').items.length]).toEqual([0, 0]);

    await peer.channel.deleteQueue('other');
    await events.of('consumer.attached').take(2, 30_000);
    await eventually(() => expect(runs.count).toBe(5));
  });
});

describe('a program that is closed', () => {
  it('before it was started consumes nothing any more', async () => {
    await peer.channel.assertQueue('busy');
    peer.publish('', 'busy', job());
    const { app, events, runs } = await program({ connection: { url: vhost.url } });
    await app.init();
    await app.close();
    await expect(app.listen()).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' });
    const server = new PostageServer({ url: vhost.url, log: false });
    await server.close();
    await expect(new Promise((resolve) => void server.listen(resolve))).resolves.toMatchObject({
      code: 'CONNECTION_CLOSED',
    });
    expect([runs.count, events.of('consumer.attached').items]).toEqual([0, []]);
    expect(events.of('connection.ready').items).toEqual([]);
    // The broker counts what has come to the queue a moment later.
    await eventually(async () => expect((await peer.channel.checkQueue('busy')).messageCount).toBe(1));
  });

  it('while the broker has fallen silent in the middle of its start ends within seconds', async () => {
    const proxy = await TcpProxy.to(vhost.url);
    onTestFinished(() => proxy.close());
    const { app, events } = await program({ connection: { url: proxy.url, heartbeatSeconds: 0 } });
    app.get(PostageConnection).onChange(({ consuming }) => {
      if (consuming.kind === 'connecting') proxy.delayMs = 100;
    });
    const listening = app.listen().catch(() => undefined);
    // The handshake is over, and the topology on its way.
    await eventually(() => expect(proxy.open).toBeGreaterThan(0));
    proxy.freeze();
    expect(events.of('consumer.attached').items).toEqual([]);
    const begunMs = performance.now();
    await app.close();
    expect(performance.now() - begunMs).toBeLessThan(9_000);
    void listening;
  });
});
