import {
  Injectable,
  UseGuards,
  UseInterceptors,
  UsePipes,
  type CanActivate,
  type NestInterceptor,
  type PipeTransform,
} from '@nestjs/common';
import { Ctx } from '@nestjs/microservices';
import {
  MessageFilter,
  MessageHandler,
  Parameters,
  PostageContext,
  Processor,
  Reject,
  Requeue,
  RetryLater,
  RpcHandler,
} from 'nestjs-postage';
import { mergeMap } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { DiskFull, headersOf, Offline, QUICK, retryQueue, untilEmpty, watch } from './retry-world.js';
import { byName, command, failure, rpc, resultOf, success, useWorld } from './world.js';

const world = useWorld();

describe('a policy for some errors', () => {
  class Overloaded extends Offline {}

  @Injectable()
  class Errors {
    static readonly all = {
      disk: new DiskFull(),
      offline: new Offline(),
      overloaded: new Overloaded(),
      text: 'x',
    };
  }

  it.each([
    { what: 'classes', on: [Offline], retried: ['offline', 'overloaded'] },
    { what: 'no classes', on: [], retried: [] },
    {
      what: 'a function',
      on: (error: unknown) => error === 'x' || error instanceof DiskFull,
      retried: ['disk', 'text'],
    },
  ])('tries again those that it is for ($what)', async ({ on, retried }) => {
    const { queue, exchange, eqk } = retryQueue();
    @Processor({ eqk, retry: { ...QUICK, attempts: 2, on } })
    class Picky {
      @MessageHandler('command', 'fail')
      fail(@Parameters() which: keyof typeof Errors.all): never {
        throw Errors.all[which];
      }
    }
    const { events } = await world.receive([Picky]);
    const dead = await watch(world, `${queue}.dead`);

    const all = Object.keys(Errors.all);
    for (const which of all)
      world.peer.publish(exchange, 'key', command('fail', which), { messageId: which });

    const letters = await dead.take(all.length);
    const attempts = letters.map(({ properties }) => [
      properties.messageId,
      properties.headers?.['postage-retry-attempt'],
    ]);
    expect(Object.fromEntries(attempts)).toEqual(
      Object.fromEntries(all.map((which) => [which, retried.includes(which) ? 2 : 1])),
    );
    expect(events.of('handler.failed').items).toHaveLength(all.length + retried.length);
  });

  it('that throws itself gives up, and says so', async () => {
    const { queue, exchange, eqk } = retryQueue();
    const on = (): never => {
      throw new TypeError('on is broken');
    };
    @Processor({ eqk, retry: { ...QUICK, on } })
    class Picky {
      @MessageHandler('command', 'fail')
      fail(): never {
        throw new DiskFull('no room');
      }
    }
    const { events } = await world.receive([Picky]);
    const dead = await watch(world, `${queue}.dead`);

    world.peer.publish(exchange, 'key', command('fail', 1));

    expect(headersOf((await dead.take(1))[0])).toMatchObject({ 'postage-last-error': 'DiskFull: no room' });
    expect(events.of('internal.failure').items).toMatchObject([{ error: { message: 'on is broken' } }]);
  });
});

const thrower = (error: () => Error) => {
  const throws = (): never => {
    throw error();
  };
  const guard: CanActivate = { canActivate: throws };
  const pipe: PipeTransform = { transform: throws };
  const before: NestInterceptor = { intercept: throws };
  const after: NestInterceptor = { intercept: (_host, next) => next.handle().pipe(mergeMap(throws)) };
  return { throws, guard, pipe, before, after };
};

/** Handlers that throw it in every place where something can be thrown. */
const everywhere = (queue: string, error: () => Error) => {
  const { throws, guard, pipe, before, after } = thrower(error);
  @Processor({ eqk: byName(queue), retry: { attempts: 3, backoffMs: [5], on: [] }, deadLetter: true })
  class Everywhere {
    @MessageHandler('command', 'handler')
    handler(): void {
      throws();
    }

    @MessageHandler('command', 'promise')
    async promise(): Promise<void> {
      await Promise.resolve();
      throws();
    }

    @UseGuards(guard)
    @MessageHandler('command', 'guard')
    guard(): void {}

    @UsePipes(pipe)
    @MessageHandler('command', 'pipe')
    pipe(_content: unknown): void {}

    @UseInterceptors(before)
    @MessageHandler('command', 'before')
    before(): void {}

    @UseInterceptors(after)
    @MessageHandler('command', 'after')
    after(): void {}
  }
  return Everywhere;
};

const PLACES = ['handler', 'promise', 'guard', 'pipe', 'before', 'after'];

describe('Reject', () => {
  it('is not tried again, wherever in the pipeline it is thrown, and is a dead letter with its reason', async () => {
    const queue = uniqueName('reject');
    class Refused extends Reject {}
    const { events } = await world.receive([everywhere(queue, () => new Refused('never', { cause: 7 }))]);
    const dead = await watch(world, `${queue}.dead`);

    for (const name of PLACES) world.send(queue, command(name, 1));

    const letters = await dead.take(PLACES.length);
    expect(letters.map(headersOf)).toEqual(
      PLACES.map(() =>
        expect.objectContaining({
          'postage-reason': 'rejected',
          'postage-last-error': 'Refused: never',
          'postage-retry-attempt': 1,
        }),
      ),
    );
    const failures = events.of('handler.failed').items;
    expect(
      failures.map(({ next, error }) => [next, error instanceof Refused, (error as Error).cause]),
    ).toEqual(PLACES.map(() => ['dead-letter', true, 7]));
  });

  it('is nothing but a refusal where a filter throws it', async () => {
    const { queue, exchange, eqk } = retryQueue();
    const filter = (): never => {
      throw new Reject('not for me');
    };
    @Processor({ eqk, retry: QUICK })
    class Filtered {
      @MessageFilter(filter)
      @MessageHandler('command', 'store')
      store(): void {}
    }
    const { app, events } = await world.receive([Filtered]);
    const dead = await watch(world, `${queue}.dead`);

    world.peer.publish(exchange, 'key', command('store', 1));

    await events.of('message.filtered').take(1);
    await app.close();
    expect(await world.leftIn(queue)).toBeUndefined();
    expect(dead.items).toEqual([]);
  });

  it('of an rpc is an error result with its message, and is acked', async () => {
    const { queue, eqk } = retryQueue();
    class SoldOut extends Reject {}
    @Processor({ eqk, deadLetter: true })
    class Shop {
      @RpcHandler('command', 'buy')
      buy(): never {
        throw new SoldOut('no more of that');
      }
    }
    const { app } = await world.receive([Shop]);
    const dead = await watch(world, `${queue}.dead`);

    const [reply] = await (await world.ask(queue, rpc('buy'))).take(1);

    expect(reply && resultOf(reply)).toEqual(failure('no more of that'));
    expect(reply?.properties.headers).toMatchObject({ 'postage-error-name': 'SoldOut' });
    await app.close();
    expect([await world.leftIn(queue), dead.items]).toEqual([undefined, []]);
  });
});

describe('RetryLater', () => {
  it('is tried again though the policy would not, wherever it is thrown, for as many attempts as the policy has', async () => {
    const queue = uniqueName('later');
    const error = () => new RetryLater({ reason: 'busy' });
    const { events } = await world.receive([everywhere(queue, error)]);
    const dead = await watch(world, `${queue}.dead`);

    for (const name of PLACES) world.send(queue, command(name, 1));

    const letters = await dead.take(PLACES.length);
    expect(letters.map(headersOf)).toEqual(
      PLACES.map(() =>
        expect.objectContaining({
          'postage-reason': 'failed',
          'postage-last-error': 'RetryLater: busy',
          'postage-retry-attempt': 3,
        }),
      ),
    );
    expect(events.of('handler.failed').items).toHaveLength(3 * PLACES.length);
  });

  it('waits exactly as long as it says, in a queue of its own that goes by itself', async () => {
    const { queue, exchange, eqk } = retryQueue();
    const runs = new Inbox<number>();
    @Processor({ eqk })
    class Busy {
      @MessageHandler('command', 'store')
      store(@Ctx() { attempt }: PostageContext): void {
        runs.push(performance.now());
        if (attempt === 1) throw new RetryLater({ delayMs: 333 });
      }
    }
    const { events } = await world.receive([Busy]);

    world.peer.publish(exchange, 'key', command('store', 1));

    const [first = 0, second = 0] = await runs.take(2);
    expect(second - first).toBeGreaterThanOrEqual(330);
    expect(events.of('handler.failed').items).toMatchObject([{ next: 'retry', retryInMs: 333 }]);
    const wait = (await world.vhost.queues()).find(({ name }) => name === `${queue}.retry-later.333`);
    expect(wait).toMatchObject({
      durable: true,
      arguments: { 'x-message-ttl': 333, 'x-expires': 333 + 120_000, 'x-dead-letter-routing-key': queue },
    });
    await untilEmpty(world, [queue]);
  });

  it('of an rpc is answered like any failure', async () => {
    const { queue, eqk } = retryQueue();
    @Processor({ eqk, retry: QUICK })
    class Shop {
      @RpcHandler('command', 'buy')
      buy(): never {
        throw new RetryLater({ reason: 'we open at nine', delayMs: 5 });
      }
    }
    const { events } = await world.receive([Shop]);

    expect(await world.resultOf(queue, rpc('buy'))).toEqual(failure('we open at nine'));
    expect(events.of('handler.failed').items).toMatchObject([{ next: 'answer' }]);
  });
});

describe('Requeue', () => {
  it('gives the message straight back, wherever it is thrown, and counts as no attempt', async () => {
    const queue = uniqueName('requeue');
    let runs = 0;
    let isClosed = true;
    const handled = new Inbox<string>();
    const canActivate = (): boolean => {
      if (isClosed) throw new Requeue('closed');
      return true;
    };
    @Processor({ eqk: byName(queue), retry: { ...QUICK, attempts: 2 } })
    class Undecided {
      @MessageHandler('command', 'handler')
      handler(@Ctx() { attempt, redelivered }: PostageContext): void {
        runs += 1;
        if (runs < 5) throw new Requeue(`attempt ${attempt}, redelivered ${redelivered}`);
        handled.push('handler');
      }

      @UseGuards({ canActivate } satisfies CanActivate)
      @MessageHandler('command', 'guard')
      guarded(): void {
        handled.push('guard');
      }
    }
    const { events } = await world.receive([Undecided]);

    world.send(queue, command('handler', 1));
    const failures = await events.of('handler.failed').take(4);
    expect(failures.map(({ next, attempt, error }) => [next, attempt, (error as Error).message])).toEqual([
      ['requeue', 1, 'attempt 1, redelivered false'],
      ...[1, 2, 3].map(() => ['requeue', 1, 'attempt 1, redelivered true']),
    ]);
    world.send(queue, command('guard', 1));
    await events.of('handler.failed').take(7);
    isClosed = false;

    expect(await handled.take(2)).toEqual(['handler', 'guard']);
  });

  it('of an rpc leaves it unanswered until another run answers it', async () => {
    const { queue, eqk } = retryQueue();
    let runs = 0;
    @Processor({ eqk })
    class Shop {
      @RpcHandler('command', 'buy')
      buy(): number {
        runs += 1;
        if (runs < 3) throw new Requeue();
        return runs;
      }
    }
    const { app, events } = await world.receive([Shop]);

    const attempt = { 'postage-attempt': 1 };
    const replies = await world.ask(queue, rpc('buy'), { messageId: 'the-call', headers: attempt });

    expect((await replies.take(1)).map(resultOf)).toEqual([success(3)]);
    expect(events.of('handler.failed').items).toMatchObject([{ next: 'requeue' }, { next: 'requeue' }]);
    expect(events.of('call.repeated').items).toEqual([]);
    await app.close();
    expect(replies.items).toHaveLength(1);
    expect(await world.leftIn(queue)).toBeUndefined();
  });

  it('of an rpc lets another replica answer', async () => {
    const { queue, eqk } = retryQueue();
    @Processor({ eqk, prefetch: 1 })
    class Closing {
      @RpcHandler('command', 'buy')
      buy(): never {
        throw new Requeue();
      }
    }
    @Processor({ eqk, prefetch: 1 })
    class Open {
      @RpcHandler('command', 'buy')
      buy(): string {
        return 'sold';
      }
    }
    await world.receive([Closing]);
    await world.receive([Open]);

    for (let index = 0; index < 5; index += 1) {
      const options = { messageId: `call-${index}`, headers: { 'postage-attempt': 1 } };
      const replies = await world.ask(queue, rpc('buy'), options);
      expect((await replies.take(1)).map(resultOf)).toEqual([success('sold')]);
    }
  });
});
