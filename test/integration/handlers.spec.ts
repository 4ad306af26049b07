import { Ctx, Payload } from '@nestjs/microservices';
import {
  Content,
  GenericConsumer,
  MessageFilter,
  MessageHandler,
  MessageHandlerFullBody,
  Parameters,
  Processor,
  RpcHandler,
  type MessageBody,
  type PostageContext,
} from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { byName, call, command, message, success, useWorld, sorted } from './world.js';

const world = useWorld();

interface Note {
  readonly parameters: { tags: string[] };
}

/** Lets everybody go once so many have come. */
const barrier = (size: number): (() => Promise<void>) => {
  const waiting: (() => void)[] = [];
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      if (waiting.length === size) for (const go of waiting) go();
    });
};

describe('several message handlers for one message', () => {
  it('all run, each on a copy of its own', async () => {
    const queue = uniqueName('copies');
    const seen = new Inbox<readonly [string, string[], string[]]>();
    const together = barrier(4);
    const mutate = async (label: string, content: Note, body: MessageBody): Promise<void> => {
      content.parameters.tags.push(label);
      await together();
      seen.push([label, content.parameters.tags, (body.content as unknown as Note).parameters.tags]);
    };
    @Processor({ eqk: byName(queue) })
    class Copies {
      @MessageHandler('command', 'note')
      one(@Content() content: Note, @Ctx() { body }: PostageContext): Promise<void> {
        return mutate('one', content, body);
      }

      @MessageHandler('command', 'note')
      two(@Content() content: Note, @Ctx() { body }: PostageContext): Promise<void> {
        return mutate('two', content, body);
      }

      @MessageHandlerFullBody('command', 'note')
      three(@Payload() body: MessageBody): Promise<void> {
        return mutate('three', body.content as unknown as Note, body);
      }

      @MessageHandler('command')
      any(@Content() content: Note, @Ctx() { body }: PostageContext): Promise<void> {
        return mutate('any', content, body);
      }
    }
    await world.receive([Copies]);

    world.send(queue, command('note', { tags: [] }));

    const all = sorted(await seen.take(4));
    expect(all).toEqual(['any', 'one', 'three', 'two'].map((label) => [label, [label], [label]]));
  });

  it('run whether or not others fail, and the message is rejected once, when the last has ended', async () => {
    const { queue, eqk, dead } = await world.guardedQueue();
    const steps = new Inbox<string>();
    const gate = new Inbox<'open'>();
    @Processor({ eqk })
    class Isolated {
      @MessageHandler('command', 'go')
      throws(): never {
        steps.push('throws');
        throw new RangeError('one');
      }

      @MessageHandler('command', 'go')
      async rejects(): Promise<never> {
        steps.push('rejects');
        await Promise.resolve();
        throw new TypeError('two');
      }

      @MessageHandler('command', 'go')
      async works(): Promise<void> {
        steps.push('works');
        await gate.take(1);
        steps.push('done');
      }
    }
    const { app, events } = await world.receive([Isolated]);

    world.send(queue, message('go'));

    const failed = await events.of('handler.failed').take(2);
    expect(sorted(failed.map(({ handler }) => handler))).toEqual(['Isolated.rejects', 'Isolated.throws']);
    expect(sorted(await steps.take(3))).toEqual(['rejects', 'throws', 'works']);
    await world.peer.channel.checkExchange('amq.direct');
    expect(app.get(GenericConsumer).snapshot).toMatchObject([{ queue, inFlight: 1 }]);
    expect(dead.items).toEqual([]);
    gate.push('open');
    expect((await dead.take(1))[0]?.properties.headers?.['x-death']).toMatchObject([
      { reason: 'rejected', count: 1 },
    ]);
    expect(steps.items.at(-1)).toBe('done');
    await app.close();
    expect(steps.items).toHaveLength(4);
    expect(await world.leftIn(queue)).toBeUndefined();
  });

  it('of several processors on one queue all run', async () => {
    const queue = uniqueName('shared');
    const seen = new Inbox<string>();
    @Processor({ eqk: byName(queue) })
    class First {
      @MessageHandler('command', 'go')
      go(): void {
        seen.push('first');
      }
    }
    @Processor({ eqk: byName(queue) })
    class Second {
      @MessageHandler('command', 'go')
      go(): void {
        seen.push('second');
      }
    }
    await world.receive([First, Second]);

    for (let index = 0; index < 10; index += 1) world.send(queue, message('go'));

    const all = await seen.take(20);
    expect(all.filter((label) => label === 'first')).toHaveLength(10);
    expect(await world.peer.channel.checkQueue(queue)).toMatchObject({ consumerCount: 1 });
  });
});

const append =
  (text: string) =>
  (content: { parameters: string }): object => ({ ...content, parameters: content.parameters + text });

describe('filters', () => {
  it('run in the order in which they are written, each on what the one before it made', async () => {
    const queue = uniqueName('filters');
    @Processor({ eqk: byName(queue) })
    class Filtered {
      @MessageFilter(append('1'))
      @MessageFilter(async (content: { parameters: string }) => Promise.resolve(append('2')(content)))
      @RpcHandler('command', 'go')
      @MessageFilter(append('3'))
      go(@Parameters() parameters: string, @Ctx() { body }: PostageContext): unknown {
        return [parameters, body.content];
      }
    }
    await world.receive([Filtered]);

    expect(await world.resultOf(queue, call('go', ''))).toEqual(success(['123', { parameters: '123' }]));
  });

  it('may change the content where it is, and return nothing', async () => {
    const queue = uniqueName('filters');
    const upper = (content: { parameters: string }): void => {
      content.parameters = content.parameters.toUpperCase();
    };
    @Processor({ eqk: byName(queue) })
    class Filtered {
      @MessageFilter(upper)
      @RpcHandler('command', 'go')
      go(@Parameters() parameters: string): string {
        return parameters;
      }
    }
    await world.receive([Filtered]);

    expect(await world.resultOf(queue, call('go', 'loud'))).toEqual(success('LOUD'));
  });

  it('are called with the further arguments they were given', async () => {
    const queue = uniqueName('filters');
    const scale = (
      content: { parameters: number },
      factor: number,
      { offset }: { offset: number },
    ): object => ({
      parameters: content.parameters * factor + offset,
    });
    @Processor({ eqk: byName(queue) })
    class Filtered {
      @MessageFilter(scale, 10, { offset: 1 })
      @RpcHandler('command', 'go')
      go(@Parameters() parameters: number): number {
        return parameters;
      }
    }
    await world.receive([Filtered]);

    expect(await world.resultOf(queue, call('go', 4))).toEqual(success(41));
  });

  it('change the content for their own handler only', async () => {
    const queue = uniqueName('filters');
    const seen = new Inbox<readonly [string, string]>();
    const mutate = (content: { parameters: string }): void => {
      content.parameters = 'changed';
    };
    @Processor({ eqk: byName(queue) })
    class Filtered {
      @MessageFilter(mutate)
      @MessageHandler('command', 'go')
      first(@Parameters() parameters: string): void {
        seen.push(['first', parameters]);
      }

      @MessageHandler('command', 'go')
      second(@Parameters() parameters: string): void {
        seen.push(['second', parameters]);
      }

      @MessageFilter(mutate)
      @MessageHandler('command', 'go')
      third(@Parameters() parameters: string): void {
        seen.push(['third', parameters]);
      }
    }
    await world.receive([Filtered]);

    world.send(queue, command('go', 'original'));

    expect(Object.fromEntries(await seen.take(3))).toEqual({
      first: 'changed',
      second: 'original',
      third: 'changed',
    });
  });

  it('that throw keep the message from their own handler only, and it is acked', async () => {
    const { queue, eqk, dead } = await world.guardedQueue();
    const seen = new Inbox<string>();
    const later: string[] = [];
    const refuse = (): never => {
      throw new RangeError('not for you');
    };
    @Processor({ eqk })
    class Filtered {
      @MessageFilter(refuse)
      @MessageFilter(() => later.push('a later filter'))
      @MessageHandler('command', 'go')
      refused(): void {
        seen.push('refused');
      }

      @MessageFilter(() => Promise.reject(new RangeError('not for you either')))
      @MessageHandler('command', 'go')
      refusedLater(): void {
        seen.push('refused later');
      }

      @MessageHandler('command', 'go')
      taken(): void {
        seen.push('taken');
      }
    }
    const { app, events } = await world.receive([Filtered]);

    world.send(queue, message('go'));

    await seen.take(1);
    const filtered = await events.of('message.filtered').take(2);
    expect(sorted(filtered.map(({ handler }) => handler))).toEqual([
      'Filtered.refused',
      'Filtered.refusedLater',
    ]);
    await app.close();
    expect([seen.items, later]).toEqual([['taken'], []]);
    expect(events.of('handler.failed').items).toEqual([]);
    expect(await world.firstDeadLetter({ queue, dead })).toBe('mark');
  });
});
