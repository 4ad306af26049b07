import { GenericConsumer, MessageHandler, Parameters, Processor } from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { startReceiver } from '../support/apps.js';
import { eventually, Inbox } from '../support/eventually.js';
import { management, uniqueName } from '../support/rabbit.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { useUnhandledRejections } from '../support/unhandled.js';
import { Gate } from './rpc-once-asker.js';
import { byName, command, Events, useWorld } from './world.js';

const PREFETCH = 5;
/** Nobody has to wait for it: a test that does takes too long. */
const DRAIN_TIMEOUT_MS = 100_000;

/** What connection.close begins with: class 10, method 50; and basic.consume: class 60, method 20. */
const CONNECTION_CLOSE = Buffer.from([0, 10, 0, 50]);
const BASIC_CONSUME = Buffer.from([0, 60, 0, 20]);

const world = useWorld();

const unhandled = useUnhandledRejections();

/** A line to the broker on which what an application sends waits for `before`. */
const lineTo = (target: string, before: (sent: Buffer) => Promise<void>): Promise<TcpProxy> =>
  TcpProxy.to(target, {
    requests: async function* (chunks) {
      for await (const chunk of chunks) {
        await before(chunk);
        yield chunk;
      }
    },
  });

/**
 * An application that is busy with one queue before it consumes another one. Its handlers end at the worst moment: it has
 * said that it closes their connection, and the broker has not answered yet.
 */
const prepare = async () => {
  const [busy, other, events] = [uniqueName('busy'), uniqueName('other'), new Events()];
  const [begun, gate] = [new Inbox<unknown>(), new Gate()];
  const test = { runs: PREFETCH, meanwhile: async (): Promise<void> => undefined };
  const user = await userOf(world.url);
  world.atEnd(() => user.delete());
  const line = await lineTo(user.url, async (sent) => {
    if (sent.includes(BASIC_CONSUME) && sent.includes(other)) await begun.take(test.runs);
    if (!sent.includes(CONNECTION_CLOSE)) return;
    gate.open();
    await new Promise(setImmediate);
  });
  world.atEnd(() => line.close());
  @Processor({ eqk: byName(busy), prefetch: PREFETCH })
  class Busy {
    @MessageHandler('command', 'work')
    async work(@Parameters() parameters: unknown): Promise<void> {
      begun.push(parameters);
      await gate.passed();
    }
  }
  @Processor({ eqk: byName(other) })
  class Other {
    @MessageHandler('command', 'work')
    work(): void {}
  }
  let consumer: GenericConsumer | undefined;
  const start = async () => {
    const options = {
      connection: async () => {
        await test.meanwhile();
        return { url: line.url };
      },
      reconnect: { initialDelayMs: 20, maxDelayMs: 100 },
      drainTimeoutMs: DRAIN_TIMEOUT_MS,
      observer: events.observe,
    };
    const app = await startReceiver(options, [Busy, Other], {}, (made) => {
      consumer = made.get(GenericConsumer);
    });
    world.atEnd(() => app.close());
    return app;
  };
  const inFlight = (): number[] | undefined => consumer?.snapshot.map((queue) => queue.inFlight);
  return { busy, events, begun, test, line, start, inFlight, mayRead: user.mayRead };
};

/** Messages for a queue that nobody consumes yet. */
const fill = async (queue: string, count: number): Promise<void> => {
  await world.peer.channel.assertQueue(queue);
  for (let number = 0; number < count; number += 1) world.send(queue, command('work', number));
  await waitsIn(queue, count);
};

const waitsIn = (queue: string, messageCount: number): Promise<void> =>
  eventually(async () => expect(await world.peer.channel.checkQueue(queue)).toMatchObject({ messageCount }));

/** A user that may do everything at first, whatever it may read later. */
const userOf = async (target: string) => {
  const [name, password, url] = [uniqueName('user'), uniqueName('secret'), new URL(target)];
  const mayRead = (read: string): Promise<void> =>
    management('PUT', `/permissions${url.pathname}/${name}`, { configure: '.*', write: '.*', read });
  await management('PUT', `/users/${name}`, { password, tags: '' });
  await mayRead('.*');
  url.username = name;
  url.password = password;
  return { url: url.href, mayRead, delete: (): Promise<void> => management('DELETE', `/users/${name}`) };
};

describe('handlers that end while the application closes their connection', () => {
  it('leave nothing behind where the broker refuses the start, and their messages go back to the queue', async () => {
    const { busy, events, start, inFlight, mayRead } = await prepare();
    // Everything is declared, and one of the two consumed.
    await mayRead('^busy.*$');
    await fill(busy, 2 * PREFETCH);

    await expect(start()).rejects.toMatchObject({ code: 'TOPOLOGY_REFUSED' });

    expect([inFlight(), unhandled, events.of('warning').items]).toEqual([[0, 0], [], []]);
    await waitsIn(busy, 2 * PREFETCH);
  });

  it('leave nothing behind where the broker refuses a reconnect, and the application goes on when it may', async () => {
    const { busy, events, begun, test, line, start, inFlight, mayRead } = await prepare();
    await fill(busy, 2 * PREFETCH);
    const app = await start();
    // They run on, and begin once more on the next connection.
    test.runs = 2 * PREFETCH;
    test.meanwhile = async () => {
      test.meanwhile = async () => undefined;
      await mayRead('^busy.*$');
    };
    line.cut();

    expect(await events.of('connection.failed').take(1)).toMatchObject([
      { role: 'consume', error: { code: 'TOPOLOGY_REFUSED' } },
    ]);
    await mayRead('.*');
    await events.of('connection.ready').take(2);
    // Behind all that were put back.
    world.send(busy, command('work', 'last'));
    await eventually(() => expect(begun.items).toContain('last'));
    await app.close();

    expect([inFlight(), unhandled, events.of('warning').items]).toEqual([[0, 0], [], []]);
    await waitsIn(busy, 0);
  });
});
