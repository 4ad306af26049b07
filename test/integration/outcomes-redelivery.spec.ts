import { Ctx } from '@nestjs/microservices';
import { MessageHandler, Processor, RpcHandler, type PostageContext } from 'nestjs-postage';
import { Observable } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { byName, message, resultOf, rpc, useWorld, type Receiver } from './world.js';

const world = useWorld();
const RECONNECT = { initialDelayMs: 20, maxDelayMs: 100 };

/** A gate that a handler waits at until the test opens it. */
class Gate {
  readonly #inbox = new Inbox<'open'>();

  open(): void {
    this.#inbox.push('open');
  }

  async passed(): Promise<void> {
    await this.#inbox.take(1);
  }
}

const start = (processor: new () => object): Promise<Receiver> =>
  world.receive([processor], { options: { reconnect: RECONNECT } });

describe('a message', () => {
  it('stays with the broker until its promise has resolved: a lost connection brings it back, marked', async () => {
    const queue = uniqueName('slow');
    const runs = new Inbox<boolean>();
    const gate = new Gate();
    @Processor({ eqk: byName(queue) })
    class Slow {
      @MessageHandler('command', 'work')
      async work(@Ctx() { redelivered }: PostageContext): Promise<void> {
        runs.push(redelivered);
        if (!redelivered) await gate.passed();
      }
    }
    const { app, events } = await start(Slow);

    world.send(queue, message('work'));
    expect(await runs.take(1)).toEqual([false]);
    await world.cut(events);

    expect(await runs.take(2)).toEqual([false, true]);
    gate.open();
    await app.close();
    expect(runs.items).toHaveLength(2);
    expect(await world.leftIn(queue)).toBeUndefined();
  });

  it('stays with the broker until its observable has completed', async () => {
    const queue = uniqueName('stream');
    const runs = new Inbox<boolean>();
    @Processor({ eqk: byName(queue) })
    class Streaming {
      @MessageHandler('command', 'work')
      work(@Ctx() { redelivered }: PostageContext): Observable<number> {
        runs.push(redelivered);
        return new Observable((subscriber) => {
          subscriber.next(1);
          if (redelivered) subscriber.complete();
        });
      }
    }
    const { events } = await start(Streaming);

    world.send(queue, message('work'));
    await runs.take(1);
    await world.cut(events);

    expect(await runs.take(2)).toEqual([false, true]);
  });

  it('stays with the broker until the slowest of its handlers is done', async () => {
    const queue = uniqueName('pair');
    const [fast, slow] = [new Inbox<boolean>(), new Inbox<boolean>()];
    const gate = new Gate();
    @Processor({ eqk: byName(queue) })
    class Pair {
      @MessageHandler('command', 'work')
      fast(@Ctx() { redelivered }: PostageContext): void {
        fast.push(redelivered);
      }

      @MessageHandler('command', 'work')
      async slow(@Ctx() { redelivered }: PostageContext): Promise<void> {
        slow.push(redelivered);
        if (!redelivered) await gate.passed();
      }
    }
    const { events } = await start(Pair);

    world.send(queue, message('work'));
    await slow.take(1);
    await world.cut(events);

    expect(await slow.take(2)).toEqual([false, true]);
    expect(await fast.take(2)).toEqual([false, true]);
    gate.open();
  });

  it('whose handler waits is not settled by one that has failed already', async () => {
    const queue = uniqueName('pair');
    const [failed, slow] = [new Inbox<boolean>(), new Inbox<boolean>()];
    const gate = new Gate();
    @Processor({ eqk: byName(queue) })
    class Pair {
      @MessageHandler('command', 'work')
      failing(@Ctx() { redelivered }: PostageContext): void {
        failed.push(redelivered);
        throw new Error('broken');
      }

      @MessageHandler('command', 'work')
      async slow(@Ctx() { redelivered }: PostageContext): Promise<void> {
        slow.push(redelivered);
        if (!redelivered) await gate.passed();
      }
    }
    const { events } = await start(Pair);

    world.send(queue, message('work'));
    await slow.take(1);
    await failed.take(1);
    await world.cut(events);

    expect(await slow.take(2)).toEqual([false, true]);
    gate.open();
  });

  it('is marked as redelivered in the facts of its failure too', async () => {
    const queue = uniqueName('marked');
    await world.peer.channel.assertQueue(queue);
    world.send(queue, message('work'));
    await world.rejectBack(queue);
    @Processor({ eqk: byName(queue) })
    class Failing {
      @MessageHandler('command', 'work')
      work(): never {
        throw new Error('broken');
      }
    }
    const { events } = await start(Failing);

    expect(await events.of('handler.failed').take(1)).toMatchObject([{ at: { redelivered: true } }]);
  });
});

describe('an rpc', () => {
  it('that was interrupted is run again, and answered over the new connection', async () => {
    const queue = uniqueName('slow-rpc');
    const replyTo = uniqueName('replies');
    await world.peer.channel.assertQueue(replyTo);
    const runs = new Inbox<boolean>();
    const gate = new Gate();
    @Processor({ eqk: byName(queue) })
    class Slow {
      @RpcHandler('command', 'work')
      async work(@Ctx() { redelivered }: PostageContext): Promise<string> {
        runs.push(redelivered);
        if (!redelivered) await gate.passed();
        return redelivered ? 'second run' : 'first run';
      }
    }
    const { events } = await start(Slow);

    world.send(queue, rpc('work'), { replyTo });
    await runs.take(1);
    await world.cut(events);

    const replies = await world.peer.consume(replyTo);
    expect((await replies.take(1)).map(resultOf)).toMatchObject([{ value: 'second run' }]);
    expect(runs.items).toEqual([false, true]);
    gate.open();
  });
});
