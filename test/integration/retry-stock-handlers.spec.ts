import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, MessagePattern } from '@nestjs/microservices';
import { PostageContext, PostageServer, Reject, Retry, RetryLater } from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { DiskFull, headersOf, watch } from './retry-world.js';
import { byName, command, Events, failure, rpc, useWorld } from './world.js';

const world = useWorld();

describe("handlers of Nest's own decorators", () => {
  @Controller()
  class Stock {
    static readonly runs: Inbox<string> = new Inbox();

    @EventPattern({ type: 'command', name: 'reject' })
    reject(): never {
      throw new Reject('never');
    }

    @Retry({ attempts: 2, backoffMs: [5] })
    @EventPattern({ type: 'command', name: 'fail' })
    fail(): never {
      Stock.runs.push('fail');
      throw new DiskFull('no room');
    }

    @EventPattern({ type: 'command', name: 'later' })
    later(@Ctx() { attempt }: PostageContext): void {
      if (attempt === 1) throw new RetryLater({ delayMs: 5 });
      Stock.runs.push('later');
    }

    @MessagePattern('refuse')
    refuse(): never {
      throw new Reject('not today');
    }
  }

  it('are tried again, and may say themselves what becomes of a message', async () => {
    const queue = uniqueName('stock');
    const { events } = await world.receive([Stock], { options: { eqk: byName(queue) } });
    const dead = await watch(world, `${queue}.dead`);

    for (const name of ['reject', 'fail', 'later']) world.send(queue, command(name, 1));

    const letters = (await dead.take(2)).map(headersOf);
    expect(letters).toContainEqual(expect.objectContaining({ 'postage-last-error': 'Reject: never' }));
    expect(letters).toContainEqual(
      expect.objectContaining({ 'postage-last-error': 'DiskFull: no room', 'postage-retry-attempt': 2 }),
    );
    expect((await Stock.runs.take(3)).toSorted()).toEqual(['fail', 'fail', 'later']);
    expect(await world.resultOf(queue, rpc('refuse'))).toEqual(failure('not today'));
    expect(events.of('handler.failed').items).toHaveLength(5);
  });

  it('may do so on a server without the module', async () => {
    const queue = uniqueName('stock');
    const events = new Events();
    const server = new PostageServer({
      url: world.url,
      eqk: byName(queue),
      deadLetter: true,
      observer: events.observe,
    });
    @Module({ controllers: [Stock] })
    class App {}
    const app = await NestFactory.createMicroservice(App, { strategy: server, logger: false });
    world.atEnd(() => app.close());
    await app.listen();
    const dead = await watch(world, `${queue}.dead`);

    world.send(queue, command('reject', 1));

    expect((await dead.take(1)).map(headersOf)).toMatchObject([
      { 'postage-reason': 'rejected', 'postage-last-error': 'Reject: never' },
    ]);
    expect(await world.resultOf(queue, rpc('refuse'))).toEqual(failure('not today'));
  });
});
