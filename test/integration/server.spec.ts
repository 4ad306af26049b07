import { Catch, Module, UseFilters } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { BaseRpcExceptionFilter, MessagePattern } from '@nestjs/microservices';
import {
  MessageHandler,
  Parameters,
  PostageConnection,
  PostageServer,
  Processor,
  RpcHandler,
  type Handler,
  type PostageContext,
  type PostageEvent,
} from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { eventually, Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { byName, call, command, exception, message, rpc, success, useWorld, type World } from './world.js';

const world = useWorld();

@Catch()
class EveryError extends BaseRpcExceptionFilter {}

describe('a server on its own', () => {
  @RpcHandler('command', 'where')
  class Where implements Handler {
    call(_content: unknown, { queue }: PostageContext): string {
      return queue;
    }
  }

  @Processor()
  class Fails {
    @RpcHandler('command', 'fail')
    fail(): never {
      throw new RangeError('broken');
    }

    @UseFilters(new EveryError())
    @RpcHandler('command', 'filtered')
    filtered(): never {
      throw new RangeError('broken');
    }

    @MessagePattern('stock')
    stock(): never {
      throw new RangeError('broken');
    }
  }

  const alone = async (own: World, queue: string) => {
    const events = new Inbox<PostageEvent>();
    const server = new PostageServer({ url: own.url, eqk: byName(queue), prefetch: 7 });
    server.on('event', events.push);
    @Module({ controllers: [Where, Fails] })
    class App {}
    const app = await NestFactory.createMicroservice(App, { strategy: server, logger: false });
    own.atEnd(() => app.close());
    await app.listen();
    return { app, server, events };
  };

  it('serves the queues of its `eqk`', async () => {
    const queue = uniqueName('alone');
    const { events } = await alone(world, queue);

    expect(await world.resultOf(queue, rpc('where'))).toEqual(success(queue));
    for (const name of ['fail', 'filtered', 'stock']) {
      expect(await world.resultOf(queue, rpc(name))).toEqual(exception('RangeError', 'broken'));
    }
    expect(events.items).toContainEqual({ kind: 'consumer.attached', queue, prefetch: 7 });
    expect(events.items).toContainEqual(
      expect.objectContaining({ kind: 'handler.failed', handler: 'Fails.fail' }),
    );
  });

  it('tells its status, gives its connection, and closes what it has opened, however often it is closed', async () => {
    const queue = uniqueName('alone');
    const { app, server } = await alone(world, queue);
    const states: string[] = [];
    server.status.subscribe((status: string) => states.push(status));
    const connection = app.unwrap<PostageConnection>();

    expect(connection.snapshot.consuming.kind).toBe('ready');
    await app.close();
    await app.close();

    expect(connection.snapshot).toMatchObject({
      consuming: { kind: 'closed' },
      publishing: { kind: 'closed' },
    });
    expect([states[0], states.at(-1)]).toEqual(['connected', 'closed']);
    expect(await world.peer.channel.checkQueue(queue)).toMatchObject({ consumerCount: 0 });
  });

  it('that can not start says why, and leaves nothing open', async () => {
    const url = new URL(world.url);
    url.password = 'wrong-secret';
    const server = new PostageServer({ url: url.href, eqk: byName(uniqueName('never')) });
    @Module({ controllers: [Where] })
    class App {}
    const app = await NestFactory.createMicroservice(App, { strategy: server, logger: false });

    const error: unknown = await app.listen().catch((caught: unknown) => caught);

    expect(error).toMatchObject({ code: 'ACCESS_REFUSED' });
    expect(String(error)).not.toContain('wrong-secret');
    expect(server.unwrap().snapshot.consuming.kind).toBe('closed');
    await app.close();
  });
});

describe('closing an application', () => {
  it('twice is the same as once, and messages stay with the broker', async () => {
    const queue = uniqueName('twice');
    const seen = new Inbox<unknown>();
    @Processor({ eqk: byName(queue) })
    class Twice {
      @MessageHandler('command', 'go')
      go(@Parameters() parameters: unknown): void {
        seen.push(parameters);
      }
    }
    const { app } = await world.receive([Twice]);
    world.send(queue, command('go', 1));
    await seen.take(1);

    await Promise.all([app.close(), app.close()]);
    await app.close();
    world.send(queue, command('go', 2));
    world.send(queue, message('unknown'));

    const waiting = { consumerCount: 0, messageCount: 2 };
    await eventually(async () => expect(await world.peer.channel.checkQueue(queue)).toMatchObject(waiting));
    expect(seen.items).toEqual([1]);
  });

  it('waits for handlers that run, and answers for them', async () => {
    const queue = uniqueName('drain');
    const [started, gate] = [new Inbox<'started'>(), new Inbox<'open'>()];
    @Processor({ eqk: byName(queue), prefetch: 1 })
    class Slow {
      @RpcHandler('command', 'slow')
      async slow(@Parameters() id: number): Promise<number> {
        started.push('started');
        await gate.take(1);
        return id;
      }
    }
    const { app } = await world.receive([Slow]);
    const [first, second] = [
      await world.ask(queue, call('slow', 1)),
      await world.ask(queue, call('slow', 2)),
    ];
    await started.take(1);

    const closed = app.close();
    await eventually(async () =>
      expect(await world.peer.channel.checkQueue(queue)).toMatchObject({ consumerCount: 0 }),
    );
    gate.push('open');
    await closed;

    expect(await first.take(1)).toHaveLength(1);
    expect(second.items).toEqual([]);
    await eventually(async () =>
      expect(await world.peer.channel.checkQueue(queue)).toMatchObject({ messageCount: 1 }),
    );
  });
});
