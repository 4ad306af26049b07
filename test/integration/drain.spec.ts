import { Module, type OnModuleDestroy } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { GenericConsumer, InjectConsumer, PostageModule, PostageState } from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { processorOf, Work } from './pause-world.js';
import { byName, command, useWorld } from './world.js';

const world = useWorld();

class Pool implements OnModuleDestroy {
  isClosed = false;

  onModuleDestroy(): void {
    this.isClosed = true;
  }
}

describe('an application with two connections', () => {
  it('stops consuming on both at once, and destroys nothing before the handlers of both have ended', async () => {
    const [first, second] = [uniqueName('first'), uniqueName('second')];
    const [work, otherWork] = [new Work(), new Work()];
    const connection = { url: world.url };
    // Nobody has to wait for it.
    const drainTimeoutMs = 60_000;
    @Module({
      // Not last, and not together.
      imports: [
        PostageModule.forRoot({ connection, drainTimeoutMs }),
        PostageModule.forRoot({ name: 'other', connection, drainTimeoutMs }),
      ],
      providers: [Pool],
      controllers: [
        processorOf(work, { eqk: byName(first) }),
        processorOf(otherWork, { eqk: byName(second), connection: 'other' }),
      ],
    })
    class App {
      constructor(
        readonly consumer: GenericConsumer,
        @InjectConsumer('other') readonly other: GenericConsumer,
      ) {}
    }
    const app = await NestFactory.create(App, { logger: false, abortOnError: false });
    world.atEnd(() => app.close());
    app.connectMicroservice(PostageModule.microservice());
    app.connectMicroservice(PostageModule.microservice('other'));
    await app.startAllMicroservices();
    world.send(first, command('go', 1));
    world.send(second, command('go', 2));
    await Promise.all([work.begun.take(1), otherWork.begun.take(1)]);

    const closed = app.close();
    for (const queue of [first, second]) {
      await eventually(async () =>
        expect(await world.peer.channel.checkQueue(queue)).toMatchObject({ consumerCount: 0 }),
      );
    }
    const { consumer, other } = app.get(App);
    expect([consumer, other].map(({ snapshot }) => snapshot[0]?.inFlight)).toEqual([1, 1]);
    expect([app.get(Pool).isClosed, app.get(PostageState).snapshot.phase]).toEqual([false, 'draining']);
    work.finish();
    await work.ended.take(1);
    expect(app.get(Pool).isClosed).toBe(false);
    otherWork.finish();
    await closed;
    expect([app.get(Pool).isClosed, app.get(PostageState).snapshot.phase]).toEqual([true, 'closed']);
  });
});
