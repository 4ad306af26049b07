import { randomBytes } from 'node:crypto';
import { MessageHandler, Parameters, Processor, RpcHandler, type Eqk } from 'nestjs-postage';
import type { Type } from '@nestjs/common';
import { describe, expect, it } from 'vitest';
import { Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { byName, command, exception, message, resultOf, rpc, useWorld } from './world.js';

const world = useWorld();

/** A processor that takes `good` one at a time, so that whatever came before has been settled when it runs. */
const processorOn = (eqk: Eqk): { processor: Type; handled: Inbox<unknown> } => {
  const handled = new Inbox<unknown>();

  @Processor({ eqk, prefetch: 1 })
  class Strict {
    @MessageHandler('command', 'good')
    good(@Parameters() parameters: unknown): void {
      handled.push(parameters);
    }

    @RpcHandler('command', 'whoami')
    whoami(): string {
      return 'a member';
    }
  }
  return { processor: Strict, handled };
};

const good = command('good', 'after');
const padded = command('good', 'x'.repeat(70_000));
const without = (key: string): object =>
  Object.fromEntries(Object.entries(good).filter(([name]) => name !== key));

interface Undecodable {
  readonly what: string;
  readonly bytes: string | Buffer | object;
  readonly contentType?: string;
  readonly maxMessageBytes?: number;
}

const UNDECODABLE: readonly Undecodable[] = [
  { what: 'half an object', bytes: '{"a":' },
  { what: 'nothing at all', bytes: '' },
  { what: 'null', bytes: 'null' },
  { what: 'an array', bytes: '[]' },
  { what: 'a bare text', bytes: '"good"' },
  { what: 'a wrong category', bytes: { ...good, category: 'event' } },
  { what: 'no category', bytes: without('category') },
  { what: 'no content', bytes: without('content') },
  { what: 'a content that is a list', bytes: { ...good, content: [] } },
  { what: 'no type', bytes: without('type') },
  { what: 'no name', bytes: without('name') },
  { what: '1 MB of noise', bytes: randomBytes(1_048_576) },
  { what: 'bytes that are no UTF-8', bytes: Buffer.from([0x22, 0xff, 0xfe, 0x22]) },
  { what: 'an unknown content type', bytes: good, contentType: 'application/x-pickle' },
  { what: 'more bytes than are allowed', bytes: padded, maxMessageBytes: 65_536 },
];

describe('a message that can not be read', () => {
  it.each(UNDECODABLE)(
    '($what) is logged once, dead-lettered, and does not hold up the next one',
    async ({ bytes, contentType = 'application/json', maxMessageBytes }) => {
      const { queue, exchange, eqk, dead } = await world.guardedQueue();
      const { processor, handled } = processorOn(eqk);
      const { app, events } = await world.receive([processor], { options: { maxMessageBytes } });

      world.peer.publish(exchange.name, queue, bytes, { contentType });
      world.peer.publish(exchange.name, queue, good);

      expect(await handled.take(1)).toEqual(['after']);
      const size =
        typeof bytes === 'string' || Buffer.isBuffer(bytes)
          ? Buffer.from(bytes).length
          : Buffer.byteLength(JSON.stringify(bytes));
      expect(events.of('message.malformed').items).toMatchObject([
        { at: { queue, exchange: exchange.name, routingKey: queue, sizeBytes: size, redelivered: false } },
      ]);
      const [letter] = await dead.take(1);
      expect(letter?.properties.headers?.['x-death']).toMatchObject([
        { reason: 'rejected', queue, count: 1 },
      ]);
      expect(letter?.content.length).toBe(size);
      await app.close();
      expect(dead.items).toHaveLength(1);
      expect(await world.leftIn(queue)).toBeUndefined();
    },
  );

  it('is dropped where the queue has no dead-letter exchange', async () => {
    const queue = uniqueName('strict');
    const { processor, handled } = processorOn(byName(queue));
    const { app, events } = await world.receive([processor]);

    world.send(queue, '{"a":');
    world.send(queue, good);

    await handled.take(1);
    await app.close();
    expect(events.of('message.malformed').items).toHaveLength(1);
    expect(await world.leftIn(queue)).toBeUndefined();
  });

  it('says what is wrong, and nothing of what was in it', async () => {
    const queue = uniqueName('strict');
    const { processor } = processorOn(byName(queue));
    const { events } = await world.receive([processor]);

    world.send(queue, '{"password": "hunter2", oops}');
    world.send(queue, { ...message('x'), category: 'event' });

    const [syntax, category] = await events.of('message.malformed').take(2);
    expect(syntax?.error).toMatchObject({ code: 'MALFORMED_MESSAGE', field: 'body' });
    expect(syntax?.error.message).not.toContain('hunter2');
    expect(category?.error).toMatchObject({ field: 'body.category' });
  });

  it('is answered with an exception where somebody waits for an answer', async () => {
    const queue = uniqueName('strict');
    const { processor } = processorOn(byName(queue));
    await world.receive([processor]);

    expect(await world.resultOf(queue, { ...rpc('whoami'), content: 7 })).toEqual(
      exception('MalformedMessageError', 'body.content must be an object'),
    );
  });

  it('is not answered from a private queue behind a fan-out key, where another member may be able to read it', async () => {
    const fanout = world.exchange('fanout');
    const queue = uniqueName('private');
    const { processor } = processorOn([[fanout, [[{ name: queue, flags: { exclusive: true } }, '']]]]);
    const { events } = await world.receive([processor]);

    const replies = await world.askVia(fanout.name, '', Buffer.from([0x80]), {
      contentType: 'application/msgpack',
    });
    await events.of('message.malformed').take(1);
    // Replies of one application keep their order: a reply to the first request would be there before this one.
    expect(await world.resultOf(queue, rpc('whoami'))).toMatchObject({ value: 'a member' });

    expect(replies.items.map(resultOf)).toEqual([]);
  });

  it('is read when it only has unknown keys, another version or no fingerprint', async () => {
    const queue = uniqueName('strict');
    const { processor, handled } = processorOn(byName(queue));
    await world.receive([processor]);

    world.send(queue, { ...command('good', 1), extra: { any: 'thing' }, version: '3' });
    world.send(queue, { type: 'command', name: 'good', category: 'message', content: { parameters: 2 } });
    world.send(queue, command('good', 3), { contentType: 'Application/JSON; charset=utf-8' });

    expect(await handled.take(3)).toEqual([1, 2, 3]);
  });
});
