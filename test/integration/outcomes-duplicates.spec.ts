import { Processor, RpcHandler } from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { uniqueName } from '../support/rabbit.js';
import { byName, rpc, success, useWorld } from './world.js';

const world = useWorld();

describe('two rpc handlers for one pattern', () => {
  it('on one queue keep the application from starting, which names both', async () => {
    const queue = uniqueName('contested');
    @Processor({ eqk: byName(queue) })
    class First {
      @RpcHandler('command', 'sum')
      add(): void {}
    }
    @Processor({ eqk: byName(queue) })
    class Second {
      @RpcHandler('command', 'sum')
      plus(): void {}
    }

    await expect(world.receive([First, Second])).rejects.toMatchObject({
      code: 'DUPLICATE_HANDLER',
      handlers: ['First.add', 'Second.plus'],
      message: expect.stringMatching(/First\.add.*Second\.plus/) as string,
    });
  });

  it('are allowed on different queues, and each answers on its own', async () => {
    const [one, two] = [uniqueName('one'), uniqueName('two')];
    @Processor({ eqk: byName(one) })
    class First {
      @RpcHandler('command', 'which')
      which(): string {
        return 'first';
      }
    }
    @Processor({ eqk: byName(two) })
    class Second {
      @RpcHandler('command', 'which')
      which(): string {
        return 'second';
      }
    }
    await world.receive([First, Second]);

    expect(await world.resultOf(one, rpc('which'))).toEqual(success('first'));
    expect(await world.resultOf(two, rpc('which'))).toEqual(success('second'));
  });

  it('are allowed where one is for any name: the one that names it answers', async () => {
    const queue = uniqueName('any');
    @Processor({ eqk: byName(queue) })
    class Both {
      @RpcHandler('command')
      any(): string {
        return 'any';
      }

      @RpcHandler('command', 'sum')
      sum(): string {
        return 'sum';
      }
    }
    await world.receive([Both]);

    expect(await world.resultOf(queue, rpc('sum'))).toEqual(success('sum'));
    expect(await world.resultOf(queue, rpc('other'))).toEqual(success('any'));
  });
});
