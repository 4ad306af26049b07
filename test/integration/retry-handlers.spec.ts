import { Ctx } from '@nestjs/microservices';
import {
  MessageHandler,
  PostageContext,
  Processor,
  Reject,
  Requeue,
  Retry,
  RetryLater,
} from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { Inbox } from '../support/eventually.js';
import { DiskFull, headersOf, Offline, QUICK, retryQueue, watch } from './retry-world.js';
import { command, sorted, useWorld } from './world.js';

const world = useWorld();

describe('several handlers of one message', () => {
  it('have each a fate of their own: only those that failed run again, with their own waits', async () => {
    const { queue, exchange, eqk } = retryQueue();
    const runs = new Inbox<string>();
    @Processor({ eqk, retry: QUICK })
    class Crowd {
      @MessageHandler('command', 'store')
      fine(@Ctx() { attempt }: PostageContext): void {
        runs.push(`fine ${attempt}`);
      }

      @MessageHandler('command', 'store')
      once(@Ctx() { attempt }: PostageContext): void {
        runs.push(`once ${attempt}`);
        if (attempt === 1) throw new Offline('once');
      }

      @MessageHandler('command', 'store')
      always(@Ctx() { attempt }: PostageContext): void {
        runs.push(`always ${attempt}`);
        throw new DiskFull('always');
      }

      @Retry({ attempts: 2, backoffMs: [90], jitter: 0 })
      @MessageHandler('command', 'store')
      slow(@Ctx() { attempt }: PostageContext): void {
        runs.push(`slow ${attempt}`);
        throw new DiskFull('slow');
      }

      @MessageHandler('command', 'store')
      rejecting(@Ctx() { attempt }: PostageContext): void {
        runs.push(`rejecting ${attempt}`);
        throw new Reject('never');
      }
    }
    await world.receive([Crowd]);
    const dead = await watch(world, `${queue}.dead`);

    world.peer.publish(exchange, 'key', command('store', 1));

    const letters = (await dead.take(3)).map(headersOf);
    expect(sorted(runs.items)).toEqual([
      'always 1',
      'always 2',
      'always 3',
      'fine 1',
      'once 1',
      'once 2',
      'rejecting 1',
      'slow 1',
      'slow 2',
    ]);
    const facts = letters.map((headers) => [
      headers['postage-handlers'],
      headers['postage-reason'],
      headers['postage-retry-attempt'],
      headers['postage-last-error'],
    ]);
    expect(sorted(facts)).toEqual([
      [['Crowd.always'], 'failed', 3, 'DiskFull: always'],
      [['Crowd.rejecting'], 'rejected', 1, 'Reject: never'],
      [['Crowd.slow'], 'failed', 2, 'DiskFull: slow'],
    ]);
  });

  it('that wait equally long, and give up together, share a copy', async () => {
    const { queue, exchange, eqk } = retryQueue();
    @Processor({ eqk, retry: { attempts: 2, backoffMs: [30] } })
    class Twins {
      @MessageHandler('command', 'store')
      one(): never {
        throw new DiskFull('one');
      }

      @MessageHandler('command', 'store')
      async two(): Promise<never> {
        await new Promise(setImmediate);
        throw new Offline('two');
      }
    }
    const { events } = await world.receive([Twins]);
    const dead = await watch(world, `${queue}.dead`);

    world.peer.publish(exchange, 'key', command('store', 1));

    const failures = await events.of('handler.failed').take(4);
    expect(failures[0]?.retryInMs).toBe(failures[1]?.retryInMs);
    const [letter] = await dead.take(1);
    expect(headersOf(letter)).toMatchObject({
      'postage-handlers': ['Twins.one', 'Twins.two'],
      'postage-last-error': 'DiskFull: one | Offline: two',
    });
    // Whatever else there were would have come before the copy of this one.
    world.peer.publish(exchange, 'key', command('store', 2));
    expect(JSON.parse(String((await dead.take(2))[1]?.content))).toEqual(command('store', 2));
  });

  it('all run again when one of them gives the message back', async () => {
    const { queue, exchange, eqk } = retryQueue();
    const runs = new Inbox<string>();
    let isBack = false;
    @Processor({ eqk, retry: QUICK })
    class Crowd {
      @MessageHandler('command', 'store')
      fine(): void {
        runs.push('fine');
      }

      @MessageHandler('command', 'store')
      failing(): void {
        runs.push('failing');
        if (!isBack) throw new DiskFull();
      }

      @MessageHandler('command', 'store')
      undecided(): void {
        runs.push('undecided');
        if (isBack) return;
        isBack = true;
        throw new Requeue();
      }
    }
    const { app } = await world.receive([Crowd]);

    world.peer.publish(exchange, 'key', command('store', 1));

    await runs.take(6);
    await app.close();
    expect(sorted(runs.items)).toEqual(['failing', 'failing', 'fine', 'fine', 'undecided', 'undecided']);
    for (const name of ['', '.retry.20', '.retry.60'])
      expect(await world.leftIn(`${queue}${name}`)).toBeUndefined();
  });

  it('may wait for as long as each of them says', async () => {
    const { exchange, eqk } = retryQueue();
    const runs = new Inbox<string>();
    @Processor({ eqk })
    class Crowd {
      @MessageHandler('command', 'store')
      soon(@Ctx() { attempt }: PostageContext): void {
        runs.push(`soon ${attempt}`);
        if (attempt === 1) throw new RetryLater({ delayMs: 10 });
      }

      @MessageHandler('command', 'store')
      later(@Ctx() { attempt }: PostageContext): void {
        runs.push(`later ${attempt}`);
        if (attempt === 1) throw new RetryLater({ delayMs: 200 });
      }
    }
    await world.receive([Crowd]);

    world.peer.publish(exchange, 'key', command('store', 1));

    expect((await runs.take(4)).slice(2)).toEqual(['soon 2', 'later 2']);
  });
});

describe('a copy for a handler that is not known here', () => {
  it('is handled by all that match: it may have got another name', async () => {
    const { queue, exchange, eqk } = retryQueue();
    const runs = new Inbox<string>();
    @Processor({ eqk, retry: { attempts: 2, backoffMs: [2_000], jitter: 0 } })
    class Before {
      @MessageHandler('command', 'store')
      store(): never {
        throw new DiskFull();
      }
    }
    @Processor({ eqk, retry: { attempts: 2, backoffMs: [2_000], jitter: 0 } })
    class After {
      @MessageHandler('command', 'store')
      one(@Ctx() { attempt, lastError }: PostageContext): void {
        runs.push(`one ${attempt} ${lastError}`);
      }

      @MessageHandler('command', 'store')
      two(@Ctx() { attempt }: PostageContext): void {
        runs.push(`two ${attempt}`);
      }
    }
    const { app, events } = await world.receive([Before]);
    world.peer.publish(exchange, 'key', command('store', 1));
    await events.of('handler.failed').take(1);
    await app.close();

    await world.receive([After]);

    expect(sorted(await runs.take(2))).toEqual(['one 2 DiskFull: ', 'two 2']);
    expect(await world.leftIn(`${queue}.dead`)).toBeUndefined();
  });
});

describe('a dead letter that is put back into its queue', () => {
  it('is handled anew, by the handlers that it was for, as what it was', async () => {
    const { queue, exchange, eqk } = retryQueue();
    const runs = new Inbox<string>();
    let isRepaired = false;
    @Processor({ eqk, retry: { attempts: 2, backoffMs: [20], jitter: 0 } })
    class Crowd {
      @MessageHandler('command', 'store')
      fine(): void {
        runs.push('fine');
      }

      @MessageHandler('command', 'store')
      broken(@Ctx() context: PostageContext): void {
        const { attempt, exchange: from, routingKey, lastError } = context;
        runs.push(`broken ${attempt} ${lastError} ${from === exchange} ${routingKey}`);
        if (!isRepaired) throw new DiskFull('no room');
      }
    }
    await world.receive([Crowd]);
    const dead = await watch(world, `${queue}.dead`);
    world.peer.publish(exchange, 'key', command('store', 1));
    const [letter] = await dead.take(1);

    // As the management's "move messages", or a shovel, does it.
    const putBack = (): void => world.peer.publish('', queue, letter?.content ?? '', letter?.properties);
    putBack();
    const [, second] = await dead.take(2);
    isRepaired = true;
    putBack();

    await runs.take(6);
    expect(runs.items).toEqual([
      'fine',
      'broken 1 undefined true key',
      'broken 2 DiskFull: no room true key',
      'broken 1 undefined true key',
      'broken 2 DiskFull: no room true key',
      'broken 1 undefined true key',
    ]);
    expect(headersOf(second)).toMatchObject({ 'postage-retry-attempt': 2, 'postage-exchange': exchange });
    expect(headersOf(second)).toHaveProperty(
      'postage-first-failure',
      expect.not.stringMatching(String(headersOf(letter)['postage-first-failure'])),
    );
  });
});
