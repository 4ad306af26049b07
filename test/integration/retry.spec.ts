import { Ctx } from '@nestjs/microservices';
import { MessageHandler, PostageContext, Processor } from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { Inbox } from '../support/eventually.js';
import { DiskFull, headersOf, QUICK, retryQueue, seen, watch, type RunSeen } from './retry-world.js';
import { command, useWorld } from './world.js';

const world = useWorld();

describe('a handler that always throws', () => {
  it('runs as often as its policy says, waits as its ladder says, and leaves a dead letter that tells all', async () => {
    const { queue, exchange, eqk } = retryQueue();
    const runs = new Inbox<RunSeen>();
    @Processor({ eqk, retry: QUICK })
    class Clumsy {
      @MessageHandler('command', 'store')
      store(_content: unknown, @Ctx() context: PostageContext): void {
        runs.push(seen(context));
        throw new DiskFull(`run ${context.attempt}`);
      }
    }
    const { events } = await world.receive([Clumsy]);
    const dead = await watch(world, `${queue}.dead`);
    const sentAtMs = Date.now();

    world.peer.publish(exchange, 'key', command('store', { id: 7 }), {
      contentType: 'application/json',
      persistent: true,
      messageId: 'the-id',
      correlationId: 'the-correlation',
      priority: 3,
      appId: 'the-app',
      type: 'the-type',
      timestamp: 1_700_000_000,
      headers: { mine: 'kept', list: [1, 'two'], 'postage-correlation-id': 'began-it' },
    });

    const [letter] = await dead.take(1);
    expect(runs.items).toMatchObject([
      { attempt: 1, lastError: undefined, firstFailureAt: undefined, exchange, routingKey: 'key' },
      { attempt: 2, lastError: 'DiskFull: run 1', exchange, routingKey: 'key' },
      { attempt: 3, lastError: 'DiskFull: run 2', exchange, routingKey: 'key' },
    ]);
    const [first, second, third] = runs.items;
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(18);
    expect((third?.atMs ?? 0) - (second?.atMs ?? 0)).toBeGreaterThanOrEqual(58);
    expect(JSON.parse(String(letter?.content))).toEqual(command('store', { id: 7 }));
    expect(letter?.properties).toMatchObject({
      contentType: 'application/json',
      deliveryMode: 2,
      messageId: 'the-id',
      correlationId: 'the-correlation',
      priority: 3,
      appId: 'the-app',
      type: 'the-type',
      timestamp: 1_700_000_000,
      expiration: undefined,
    });
    const headers = headersOf(letter);
    expect(headers).toEqual({
      mine: 'kept',
      list: [1, 'two'],
      'postage-correlation-id': 'began-it',
      'postage-retry-attempt': 3,
      'postage-first-failure': expect.any(String),
      'postage-last-error': 'DiskFull: run 3',
      'postage-exchange': exchange,
      'postage-routing-key': 'key',
      'postage-handlers': ['Clumsy.store'],
      'postage-reason': 'failed',
    });
    const firstFailureMs = Date.parse(String(headers['postage-first-failure']));
    expect(firstFailureMs).toBeGreaterThanOrEqual(sentAtMs);
    expect(second?.firstFailureAt?.getTime()).toBe(firstFailureMs);
    expect(third?.firstFailureAt?.getTime()).toBe(firstFailureMs);
    expect(events.of('handler.failed').items).toMatchObject([
      { attempt: 1, next: 'retry', retryInMs: 20, at: { exchange, routingKey: 'key' } },
      { attempt: 2, next: 'retry', retryInMs: 60, at: { exchange, routingKey: 'key' } },
      { attempt: 3, next: 'dead-letter', at: { exchange, routingKey: 'key' } },
    ]);
  });
});
