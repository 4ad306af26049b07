import { Ctx } from '@nestjs/microservices';
import { MessageHandler, Parameters, PostageContext, Processor } from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { eventually, Inbox } from '../support/eventually.js';
import { TcpProxy, type Way } from '../support/tcp-proxy.js';
import { DiskFull, QUICK, retryQueue, watch } from './retry-world.js';
import { command, useWorld } from './world.js';

const world = useWorld();

const RECONNECT = { reconnect: { initialDelayMs: 20, maxDelayMs: 200 } };

/** Hands on what the client sends, but nothing of the consuming connections from the moment in which it is told to hold. */
class AckHolder {
  #isHolding = false;
  #held: Promise<void> = Promise.resolve();
  #release = (): void => undefined;

  hold(): void {
    this.#isHolding = true;
    this.#held = new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  release(): void {
    this.#isHolding = false;
    this.#release();
  }

  async *#requests(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let isConsuming = false;
    for await (const chunk of chunks) {
      // The client says at once which of its connections this is.
      isConsuming ||= chunk.includes('(consume)');
      if (isConsuming && this.#isHolding) await this.#held;
      yield chunk;
    }
  }

  readonly requests: Way = (chunks) => this.#requests(chunks);
}

describe('a connection that is lost between the copy and the ack', () => {
  it('leaves the copy, and the broker delivers the original again: once too often, rather than never', async () => {
    const { queue, exchange, eqk } = retryQueue();
    const runs = new Inbox<string>();
    @Processor({ eqk, retry: { attempts: 2, backoffMs: [400], jitter: 0 } })
    class Moody {
      @MessageHandler('command', 'store')
      store(@Ctx() { attempt, redelivered }: PostageContext): void {
        runs.push(`${attempt}${redelivered ? ' redelivered' : ''}`);
        if (attempt === 1) throw new DiskFull();
      }
    }
    const holder = new AckHolder();
    const proxy = await TcpProxy.to(world.url, { requests: holder.requests });
    world.atEnd(() => proxy.close());
    await world.receive([Moody], { options: { ...RECONNECT, connection: { url: proxy.url } } });

    holder.hold();
    world.peer.publish(exchange, 'key', command('store', 1));
    await eventually(async () => {
      const { messageCount } = await world.peer.channel.checkQueue(`${queue}.retry.400`);
      expect(messageCount).toBe(1);
    });
    proxy.cut();
    holder.release();

    // The first run twice, and the second for each of the copies.
    expect((await runs.take(4, 20_000)).toSorted()).toEqual(['1', '1 redelivered', '2', '2']);
    await eventually(async () => {
      expect(await world.leftIn(queue)).toBeUndefined();
    });
  });
});

describe('connections that are cut again and again', () => {
  const COUNT = 300;

  it('lose no message: each is handled, or is a dead letter', async () => {
    const { queue, exchange, eqk } = retryQueue();
    const handled = new Map<number, number>();
    const runs = new Map<number, number>();
    @Processor({ eqk, retry: { attempts: 4, backoffMs: [10, 40, 80] }, prefetch: 20 })
    class Moody {
      @MessageHandler('command', 'store')
      async store(@Parameters() id: number): Promise<void> {
        runs.set(id, (runs.get(id) ?? 0) + 1);
        await new Promise(setImmediate);
        // Some always fail, others by chance.
        if (id % 10 === 0 || Math.random() < 0.4) throw new DiskFull(String(id));
        handled.set(id, (handled.get(id) ?? 0) + 1);
      }
    }
    const proxy = await TcpProxy.to(world.url);
    world.atEnd(() => proxy.close());
    const { app, events } = await world.receive([Moody], {
      options: { ...RECONNECT, connection: { url: proxy.url } },
    });
    const dead = await watch(world, `${queue}.dead`);

    const attached = events.of('consumer.attached');
    for (let id = 0; id < COUNT; id += 1) {
      world.peer.publish(exchange, 'key', command('store', id), { messageId: `m${id}`, persistent: true });
      if (id % 60 !== 59) continue;
      const before = attached.items.length;
      await eventually(() => expect(runs.size).toBeGreaterThan(id - 50));
      proxy.cut();
      await attached.take(before + 1, 20_000);
    }

    const idsOfDead = (): readonly number[] =>
      dead.items.map(({ content }) => Number(JSON.parse(content.toString()).content.parameters));
    await eventually(() => {
      const done = new Set([...handled.keys(), ...idsOfDead()]);
      expect(done.size).toBe(COUNT);
    }, 20_000);
    // Those that always fail were never handled, and so are dead letters.
    expect(new Set(idsOfDead().filter((id) => id % 10 === 0)).size).toBe(COUNT / 10);
    await eventually(async () => {
      for (const name of ['', '.retry.10', '.retry.40', '.retry.80'])
        expect(await world.peer.channel.checkQueue(`${queue}${name}`)).toMatchObject({ messageCount: 0 });
    });
    await app.close();
    expect(await world.leftIn(queue)).toBeUndefined();
    const letters = dead.items.map(({ properties }) => properties.headers?.['postage-retry-attempt']);
    expect(new Set(letters)).toEqual(new Set([4]));
  });
});

describe('an application that is closed', () => {
  it('publishes the copies of what has failed, and acks, before it has closed', async () => {
    const { queue, exchange, eqk } = retryQueue();
    let fail = (): void => undefined;
    const failing = new Promise<void>((resolve) => {
      fail = resolve;
    });
    const begun = new Inbox<number>();
    @Processor({ eqk, retry: { ...QUICK, backoffMs: [60_000] } })
    class Slow {
      @MessageHandler('command', 'store')
      async store(@Parameters() id: number): Promise<never> {
        begun.push(id);
        await failing;
        throw new DiskFull();
      }
    }
    const { app } = await world.receive([Slow]);
    for (const id of [1, 2, 3]) world.peer.publish(exchange, 'key', command('store', id));
    await begun.take(3);

    const closed = app.close();
    fail();
    await closed;

    expect(await world.peer.channel.checkQueue(`${queue}.retry.60000`)).toMatchObject({ messageCount: 3 });
    expect(await world.peer.channel.checkQueue(queue)).toMatchObject({ messageCount: 0 });
  });
});
