import { Ctx } from '@nestjs/microservices';
import {
  MessageHandler,
  PostageContext,
  Processor,
  Reject,
  Requeue,
  RetryLater,
  RpcHandler,
} from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { DiskFull, Lines, retryQueue, watch } from './retry-world.js';
import { command, rpc, useWorld } from './world.js';

const world = useWorld();

describe('the log', () => {
  it('has one line of ours for each attempt, which says what comes next', async () => {
    const { queue, exchange, eqk } = retryQueue();
    @Processor({ eqk, retry: { attempts: 3, backoffMs: [10, 20], jitter: 0 } })
    class Clumsy {
      @MessageHandler('command', 'store')
      store(): never {
        throw new DiskFull('no room');
      }
    }
    const lines = new Lines();
    await world.receive([Clumsy], { configure: (app) => app.useLogger(lines) });
    const dead = await watch(world, `${queue}.dead`);

    world.peer.publish(exchange, 'key', command('store', { secret: 'hunter2' }));

    await dead.take(1);
    const where = `(queue "${queue}", exchange "${exchange}", key "key",`;
    const ours = lines.about('[Postage] Clumsy.store failed');
    expect(ours).toEqual([
      expect.stringMatching(/^warn .*, attempt 1, which is tried again in 10 ms: DiskFull: no room /),
      expect.stringMatching(/^warn .*, attempt 2, which is tried again in 20 ms: DiskFull: no room /),
      expect.stringMatching(/^error .*, attempt 3, which is dead-lettered: DiskFull: no room /),
    ]);
    for (const line of ours) expect(line).toContain(where);
    expect(lines.all.join('\n')).not.toContain('hunter2');
  });

  it('has no line of Nest, and no stack, for errors that decide', async () => {
    const { queue, eqk } = retryQueue();
    const errors = {
      reject: new Reject('never'),
      later: new RetryLater({ delayMs: 5 }),
      requeue: new Requeue(),
    };
    @Processor({ eqk, deadLetter: true })
    class Deciding {
      @MessageHandler('command', 'reject')
      reject(): never {
        throw errors.reject;
      }

      @MessageHandler('command', 'later')
      later(@Ctx() { attempt }: PostageContext): void {
        if (attempt === 1) throw errors.later;
      }

      @MessageHandler('command', 'requeue')
      requeue(@Ctx() { redelivered }: PostageContext): void {
        if (!redelivered) throw errors.requeue;
      }

      @RpcHandler('command', 'ask')
      ask(): never {
        throw errors.reject;
      }
    }
    const lines = new Lines();
    const { app, events } = await world.receive([Deciding], { configure: (nest) => nest.useLogger(lines) });

    for (const name of Object.keys(errors)) world.send(queue, command(name, 1));
    await world.resultOf(queue, rpc('ask'));

    await events.of('handler.failed').take(4);
    await app.close();
    expect(lines.about('RpcExceptionsHandler')).toEqual([]);
    expect(lines.all.join('\n')).not.toMatch(/\n\s+at /);
    expect(lines.about('failed on').map((line) => line.split(' ')[0])).toHaveLength(4);
    expect(lines.about('given back to the queue')).toHaveLength(1);
  });

  it('says why a message could not be put where it was to wait', async () => {
    const { queue, exchange, eqk } = retryQueue();
    let isBroken = true;
    @Processor({ eqk, retry: { attempts: 2, backoffMs: [10] } })
    class Clumsy {
      @MessageHandler('command', 'store')
      store(): void {
        if (isBroken) throw new DiskFull();
      }
    }
    const lines = new Lines();
    const { events } = await world.receive([Clumsy], { configure: (app) => app.useLogger(lines) });
    // Somebody puts another queue into its place.
    await world.peer.channel.deleteQueue(`${queue}.retry.10`);
    await world.peer.channel.assertQueue(`${queue}.retry.10`, {
      durable: true,
      arguments: { 'x-max-length': 0, 'x-overflow': 'reject-publish' },
    });

    world.peer.publish(exchange, 'key', command('store', 1));

    const [event] = await events.of('copy.failed').take(1);
    isBroken = false;
    expect(event).toMatchObject({ purpose: 'retry', error: { code: 'NACKED' } });
    expect(lines.about('could not be published')).toEqual([
      expect.stringMatching(
        new RegExp(`^error .*goes back to its queue, since its copy for queue "${queue}\\.retry\\.10"`),
      ),
    ]);
  });
});
