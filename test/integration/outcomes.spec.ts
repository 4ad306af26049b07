import { MessageFilter, MessageHandler, Processor, RpcHandler } from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { byName, call, exception, message, PEER, resultOf, rpc, success, useWorld } from './world.js';

const world = useWorld();

class DiskFull extends Error {}

describe('a message nobody handles', () => {
  it('is acked and reported', async () => {
    const { queue, eqk, dead } = await world.guardedQueue();
    @Processor({ eqk })
    class Deaf {
      @MessageHandler('command', 'something_else')
      somethingElse(): void {}
    }
    const { app, events } = await world.receive([Deaf]);

    world.send(queue, message('nobody', { type: 'status' }));

    const [event] = await events.of('message.unhandled').take(1);
    expect(event).toMatchObject({
      at: { queue, exchange: '', routingKey: queue },
      message: { category: 'message', type: 'status', name: 'nobody', fingerprint: PEER },
    });
    await app.close();
    expect(await world.leftIn(queue)).toBeUndefined();
    expect(await world.firstDeadLetter({ queue, dead })).toBe('mark');
  });

  it('does not hold up the queue, and an unknown rpc does not either', async () => {
    const queue = uniqueName('one-by-one');
    const handled = new Inbox<string>();
    @Processor({ eqk: byName(queue), prefetch: 1 })
    class Known {
      @MessageHandler('command', 'known')
      known(): void {
        handled.push('known');
      }
    }
    const { app } = await world.receive([Known]);

    world.send(queue, message('unknown'));
    world.send(queue, rpc('unknown'));
    const replies = await world.ask(queue, rpc('unknown'));
    world.send(queue, message('known'));

    await handled.take(1);
    expect((await replies.take(1)).map(resultOf)).toMatchObject([{ value: 'NoHandlerError' }]);
    await app.close();
    expect(await world.leftIn(queue)).toBeUndefined();
  });

  it('is not taken for one that only has the same name, or the same name in another category', async () => {
    const queue = uniqueName('exact');
    const handled: string[] = [];
    @Processor({ eqk: byName(queue) })
    class Picky {
      @MessageHandler('command', 'go')
      go(): void {
        handled.push('command go');
      }

      @RpcHandler('status', 'go')
      status(): string {
        return 'rpc status go';
      }
    }
    const { events } = await world.receive([Picky]);

    world.send(queue, message('go', { type: 'status' }));
    world.send(queue, message('GO'));
    expect(await world.resultOf(queue, rpc('go'))).toMatchObject({ value: 'NoHandlerError' });

    expect(await events.of('message.unhandled').take(3)).toHaveLength(3);
    expect(handled).toEqual([]);
  });
});

describe('an rpc nobody handles', () => {
  it('is answered at once with an exception result, and acked', async () => {
    const { queue, eqk, dead } = await world.guardedQueue();
    @Processor({ eqk })
    class Deaf {
      @MessageHandler('command', 'something_else')
      somethingElse(): void {}
    }
    const options = {
      fingerprint: { name: 'deaf', type: 'app', pid: '7', host: 'h', user: 'u', vhost: 'v' },
    };
    const { app, events } = await world.receive([Deaf], { options });

    const [reply] = await (await world.ask(queue, call('sum', { a: 1 }))).take(1);

    expect(reply?.content.toString()).toBe(
      '{"type":"result","name":"none","category":"message","version":"2",' +
        '"fingerprint":{"name":"deaf","type":"app","pid":"7","host":"h","user":"u","vhost":"v"},' +
        '"content":{"type":"exception","value":"NoHandlerError","message":"nobody handles rpc command \\"sum\\""},' +
        '"_reserved":{}}',
    );
    expect(events.of('message.unhandled').items).toMatchObject([
      { message: { category: 'rpc', name: 'sum' } },
    ]);
    await app.close();
    expect(await world.leftIn(queue)).toBeUndefined();
    expect(await world.firstDeadLetter({ queue, dead })).toBe('mark');
  });

  it('is left to another member where it came to a private queue through an exchange', async () => {
    const fanout = world.exchange('fanout');
    const [deafQueue, skilledQueue] = [uniqueName('deaf'), uniqueName('skilled')];
    @Processor({ eqk: [[fanout, [[{ name: deafQueue, flags: { exclusive: true } }, '']]]] })
    class Deaf {
      @RpcHandler('command', 'whoami')
      whoami(): string {
        return 'deaf';
      }
    }
    @Processor({ eqk: [[fanout, [[{ name: skilledQueue, flags: { exclusive: true } }, '']]]] })
    class Skilled {
      @RpcHandler('command', 'sum')
      sum(): number {
        return 3;
      }
    }
    const deaf = await world.receive([Deaf]);
    await world.receive([Skilled]);

    const replies = await world.askVia(fanout.name, '', rpc('sum'));
    await deaf.events.of('message.unhandled').take(1);
    // Replies of one application keep their order: an answer to the first request would be there before this one.
    expect(await world.resultOf(deafQueue, rpc('whoami'))).toEqual(success('deaf'));

    await replies.take(1);
    expect(replies.items.map(resultOf)).toEqual([success(3)]);
  });

  it('is answered from a private queue that was addressed by its name', async () => {
    const queue = uniqueName('private');
    const direct = world.exchange();
    @Processor({ eqk: [[direct, [[{ name: queue, flags: { exclusive: true } }, 'rk']]]] })
    class Deaf {
      @MessageHandler('command', 'something_else')
      somethingElse(): void {}
    }
    await world.receive([Deaf]);

    expect(await world.resultOf(queue, rpc('sum'))).toMatchObject({ value: 'NoHandlerError' });
  });

  it('is answered from a shared queue behind an exchange', async () => {
    const direct = world.exchange();
    @Processor({ eqk: [[direct, [[uniqueName('shared'), 'rk']]]] })
    class Deaf {
      @MessageHandler('command', 'something_else')
      somethingElse(): void {}
    }
    await world.receive([Deaf]);

    const replies = await world.askVia(direct.name, 'rk', rpc('sum'));

    expect((await replies.take(1)).map(resultOf)).toMatchObject([{ value: 'NoHandlerError' }]);
  });
});

describe('an rpc refused by a filter', () => {
  const refuse = (): never => {
    throw new DiskFull('no room for this');
  };

  it('is answered with the refusal, and acked', async () => {
    const { queue, eqk, dead } = await world.guardedQueue();
    let ran = false;
    @Processor({ eqk })
    class Choosy {
      @MessageFilter(refuse)
      @RpcHandler('command', 'store')
      store(): void {
        ran = true;
      }
    }
    const { app, events } = await world.receive([Choosy]);

    expect(await world.resultOf(queue, rpc('store'))).toEqual(exception('DiskFull', 'no room for this'));

    expect(events.of('message.filtered').items).toMatchObject([
      { handler: 'Choosy.store', message: { name: 'store' } },
    ]);
    expect(ran).toBe(false);
    await app.close();
    expect(await world.leftIn(queue)).toBeUndefined();
    expect(await world.firstDeadLetter({ queue, dead })).toBe('mark');
  });

  it('is left to another member where it came to a private queue through an exchange', async () => {
    const fanout = world.exchange('fanout');
    const queue = uniqueName('choosy');
    @Processor({ eqk: [[fanout, [[{ name: queue, flags: { exclusive: true } }, '']]]] })
    class Choosy {
      @MessageFilter(refuse)
      @RpcHandler('command', 'store')
      store(): void {}

      @RpcHandler('command', 'whoami')
      whoami(): string {
        return 'choosy';
      }
    }
    await world.receive([Choosy]);

    const replies = await world.askVia(fanout.name, '', rpc('store'));
    expect(await world.resultOf(queue, rpc('whoami'))).toEqual(success('choosy'));

    expect(replies.items.map(resultOf)).toEqual([]);
  });
});
