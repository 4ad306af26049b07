import { Ctx } from '@nestjs/microservices';
import {
  DEFAULT_EXCHANGE,
  GenericProducer,
  InjectProducer,
  MessageHandler,
  Parameters,
  PostageContext,
  PostageModule,
  Processor,
  Producer,
  Reject,
  Retry,
  RetryLater,
  type MessageMethod,
  type ProducerOf,
} from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { eventually, Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { DiskFull, headersOf, QUICK, retryQueue, watch } from './retry-world.js';
import { byName, command, useWorld } from './world.js';

const world = useWorld();

/** A queue whose dead letters the broker takes into another consumed queue. */
const withRescue = () => {
  const rescue = uniqueName('rescue');
  const work = retryQueue({ deadLetterExchange: '', deadLetterRoutingKey: rescue });
  return { rescue, work };
};

describe('what a message tells of its runs', () => {
  it('is not believed in another queue, whose handlers have all their attempts', async () => {
    const { rescue, work } = withRescue();
    const rescued = new Inbox<number>();
    @Processor({ eqk: work.eqk, retry: QUICK })
    class Clumsy {
      @MessageHandler('command', 'store')
      store(): never {
        throw new DiskFull();
      }
    }
    @Processor({ eqk: byName(rescue), retry: { attempts: 2, backoffMs: [20], jitter: 0 } })
    class Rescue {
      @MessageHandler('command', 'store')
      store(@Ctx() { attempt }: PostageContext): void {
        rescued.push(attempt);
        if (attempt === 1) throw new DiskFull();
      }
    }
    await world.receive([Clumsy, Rescue]);

    world.peer.publish(work.exchange, 'key', command('store', 1));

    expect(await rescued.take(2)).toEqual([1, 2]);
  });

  it('does not keep another queue from handling it when its time there is over', async () => {
    const { rescue, work } = withRescue();
    const rescued = new Inbox<number>();
    @Processor({ eqk: work.eqk, retry: { attempts: 2, backoffMs: [20], jitter: 0 } })
    class Clumsy {
      @MessageHandler('command', 'store')
      async store(@Ctx() { attempt }: PostageContext): Promise<never> {
        // Longer than the message is worth handling.
        if (attempt === 2) await new Promise((resolve) => setTimeout(resolve, 2_100));
        throw new DiskFull();
      }
    }
    @Processor({ eqk: byName(rescue) })
    class Rescue {
      @MessageHandler('command', 'store')
      store(@Ctx() { attempt }: PostageContext): void {
        rescued.push(attempt);
      }
    }
    const { events } = await world.receive([Clumsy, Rescue]);

    world.peer.publish(work.exchange, 'key', command('store', 1), { expiration: '2000' });

    expect(await rescued.take(1)).toEqual([1]);
    expect(events.of('retry.expired').items).toEqual([]);
  });

  it('is left out when a handler passes the headers of its message on', async () => {
    const { exchange, eqk } = retryQueue();
    const next = uniqueName('next');
    await world.peer.channel.assertQueue(next);
    const sent = await watch(world, next);
    @Producer({ eks: [[DEFAULT_EXCHANGE, next]] })
    class Next extends GenericProducer {
      declare messageGo: MessageMethod<number>;
    }
    @Processor({ eqk, retry: QUICK })
    class Forwarder {
      constructor(@InjectProducer(Next) readonly producer: ProducerOf<Next>) {}

      @MessageHandler('command', 'store')
      async store(@Ctx() { attempt, headers }: PostageContext): Promise<void> {
        if (attempt === 1) throw new DiskFull();
        await this.producer.with({ headers }).messageGo(1);
      }
    }
    await world.receive([Forwarder], { extra: { imports: [PostageModule.forFeature([Next])] } });

    world.peer.publish(exchange, 'key', command('store', 1), { headers: { mine: 1 } });

    const headers = headersOf((await sent.take(1))[0]);
    expect(headers).toMatchObject({ mine: 1 });
    const past = Object.keys(headers).filter((name) =>
      /^postage-(?:retry|first|last|handlers|queue)/.test(name),
    );
    expect(past).toEqual([]);
  });
});

describe('copies of messages that were sent transient', () => {
  it('outlive the broker', async () => {
    const { queue, exchange, eqk } = retryQueue();
    const modes = new Inbox<unknown>();
    @Processor({ eqk, retry: { attempts: 2, backoffMs: [20], jitter: 0 } })
    class Clumsy {
      @MessageHandler('command', 'store')
      store(@Ctx() { properties }: PostageContext): never {
        modes.push(properties.deliveryMode);
        throw new DiskFull();
      }
    }
    await world.receive([Clumsy]);
    const dead = await watch(world, `${queue}.dead`);

    world.peer.publish(exchange, 'key', command('store', 1), { persistent: false });

    expect((await dead.take(1))[0]?.properties.deliveryMode).toBe(2);
    expect((await modes.take(2))[1]).toBe(2);
  });
});

describe('a copy that can not be sent beside one that was', () => {
  it('is sent again by itself: no handler runs again, and nothing is doubled', async () => {
    const { queue, exchange, eqk } = retryQueue();
    const runs = new Inbox<string>();
    const full = { name: `${queue}.full`, flags: { maxLength: 0, overflow: 'reject-publish' as const } };
    @Processor({ eqk, deadLetter: full })
    class Several {
      @Retry({ attempts: 50, backoffMs: [60_000], jitter: 0 })
      @MessageHandler('command', 'store')
      again(): never {
        runs.push('again');
        throw new DiskFull();
      }

      @MessageHandler('command', 'store')
      never(): never {
        runs.push('never');
        throw new Reject('no');
      }
    }
    const { events } = await world.receive([Several]);
    world.peer.publish(exchange, 'key', command('store', 1));

    const failures = await events.of('copy.failed').take(3, 20_000);

    expect(new Set(failures.map(({ purpose }) => purpose))).toEqual(new Set(['dead-letter']));
    expect(runs.items.toSorted()).toEqual(['again', 'never']);
    await eventually(async () => {
      const { messageCount } = await world.peer.channel.checkQueue(`${queue}.retry.60000`);
      expect(messageCount).toBe(1);
    });
    // Until there is room.
    await world.peer.channel.deleteQueue(`${queue}.full`);
    await world.peer.channel.assertQueue(`${queue}.full`);
    const dead = await watch(world, `${queue}.full`);
    expect(headersOf((await dead.take(1, 20_000))[0])).toMatchObject({
      'postage-handlers': ['Several.never'],
    });
    await eventually(async () => expect(await world.leftIn(queue)).toBeUndefined());
    expect(runs.items).toHaveLength(2);
  });
});

describe('a quorum queue whose dead letters find no room', () => {
  it('loses none to its delivery limit', async () => {
    const { queue, exchange, eqk } = retryQueue({ type: 'quorum', deliveryLimit: 2 });
    const runs = new Inbox<number>();
    const flags = { maxLength: 0, overflow: 'reject-publish' as const };
    @Processor({ eqk, retry: { attempts: 1 }, deadLetter: { name: `${queue}.full`, flags } })
    class Clumsy {
      @MessageHandler('command', 'store')
      store(@Parameters() id: number): never {
        runs.push(id);
        throw new DiskFull();
      }
    }
    const { events } = await world.receive([Clumsy]);
    world.peer.publish(exchange, 'key', command('store', 7));

    await events.of('copy.failed').take(4, 20_000);
    await world.peer.channel.deleteQueue(`${queue}.full`);
    await world.peer.channel.assertQueue(`${queue}.full`);
    const dead = await watch(world, `${queue}.full`);

    expect(headersOf((await dead.take(1, 20_000))[0])).toMatchObject({ 'postage-reason': 'failed' });
    expect(runs.items).toEqual([7]);
  });
});

describe('a queue whose name is too long for one to wait beside it', () => {
  it('gives its messages up one by one, and only when all of their handlers have ended', async () => {
    const name = `${uniqueName('long')}${'x'.repeat(245)}`.slice(0, 245);
    const { exchange, eqk } = retryQueue({}, name);
    let finish = (): void => undefined;
    const ended = new Inbox<string>();
    @Processor({ eqk })
    class Both {
      @MessageHandler('command', 'store')
      later(): never {
        throw new RetryLater({ delayMs: 60_000 });
      }

      @MessageHandler('command', 'store')
      async slow(): Promise<void> {
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
        ended.push('slow');
      }
    }
    const { app, events } = await world.receive([Both]);
    world.peer.publish(exchange, 'key', command('store', 1));

    expect(await events.of('handler.failed').take(1)).toMatchObject([{ next: 'reject' }]);
    const closed = app.close();
    finish();
    await closed;

    expect(ended.items).toEqual(['slow']);
    expect(await world.leftIn(name)).toBeUndefined();
  });
});
