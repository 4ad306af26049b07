import { createHash, randomBytes } from 'node:crypto';
import { MessageHandler, Parameters, Processor, type PostageModuleOptions } from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { Inbox } from '../support/eventually.js';
import { headersOf, Lines, QUICK, retryQueue, watch } from './retry-world.js';
import { command, exception, resultOf, rpc, useWorld } from './world.js';

const world = useWorld();

const good = command('good', 'after');
const POISON = {
  'half an object': Buffer.from('{"a":'),
  nothing: Buffer.alloc(0),
  null: Buffer.from('null'),
  'an array': Buffer.from('[]'),
  'a wrong category': Buffer.from(JSON.stringify({ ...good, category: 'event' })),
  noise: randomBytes(1_048_576),
  'too much': Buffer.from(JSON.stringify(command('good', 'x'.repeat(2_000_000)))),
};
const LIMIT = 1_500_000;

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

const processorOn = (eqk: ReturnType<typeof retryQueue>['eqk']) => {
  const handled = new Inbox<unknown>();
  // One at a time: when the good one runs, whatever came before has been settled.
  @Processor({ eqk, retry: QUICK, prefetch: 1 })
  class Strict {
    @MessageHandler('command', 'good')
    good(@Parameters() parameters: unknown): void {
      handled.push(parameters);
    }
  }
  return { Strict, handled };
};

const start = async (options: Omit<PostageModuleOptions, 'observer'> = {}, queue = retryQueue()) => {
  const { Strict, handled } = processorOn(queue.eqk);
  const lines = new Lines();
  const receiver = await world.receive([Strict], {
    options: { maxMessageBytes: LIMIT, ...options },
    configure: (app) => app.useLogger(lines),
  });
  return { ...receiver, ...queue, handled, lines };
};

describe('messages that can not be read', () => {
  it('are delivered once, logged once and kept as they are, and the good one behind them is handled', async () => {
    const { app, events, queue, exchange, handled, lines } = await start();
    const dead = await watch(world, `${queue}.dead`);

    for (const [messageId, bytes] of Object.entries(POISON))
      world.peer.publish(exchange, 'key', bytes, { messageId, persistent: true, headers: { mine: 1 } });
    world.peer.publish(exchange, 'key', good);

    expect(await handled.take(1)).toEqual(['after']);
    const letters = await dead.take(Object.keys(POISON).length);
    const kept = letters.map(({ properties, content }) => [properties.messageId, digest(content)]);
    expect(kept).toEqual(Object.entries(POISON).map(([id, bytes]) => [id, digest(bytes)]));
    for (const letter of letters) {
      expect(headersOf(letter)).toEqual({
        mine: 1,
        'postage-reason': 'malformed',
        'postage-retry-attempt': 1,
        'postage-first-failure': expect.any(String),
        'postage-last-error': expect.stringMatching(/^MalformedMessageError: body/),
        'postage-queue': queue,
        'postage-exchange': exchange,
        'postage-routing-key': 'key',
      });
      expect(letter.properties.deliveryMode).toBe(2);
    }
    await app.close();
    const seen = events.of('message.malformed').items;
    expect(seen.map(({ at, next }) => [at.redelivered, at.sizeBytes, next])).toEqual(
      Object.values(POISON).map((bytes) => [false, bytes.length, 'dead-letter']),
    );
    expect(lines.about('can not be read')).toHaveLength(Object.keys(POISON).length);
    expect(lines.about('error [')).toHaveLength(Object.keys(POISON).length);
    expect(events.of('handler.failed').items).toEqual([]);
    expect(await world.leftIn(queue)).toBeUndefined();
    expect(dead.items).toHaveLength(letters.length);
  });

  it('are left to the broker where no dead letters are kept, as without retries', async () => {
    const { app, events, queue, exchange, handled, lines } = await start({ deadLetter: false });

    for (const bytes of Object.values(POISON)) world.peer.publish(exchange, 'key', bytes);
    world.peer.publish(exchange, 'key', good);

    await handled.take(1);
    await app.close();
    expect(events.of('message.malformed').items.map(({ next }) => next)).toEqual(
      Object.keys(POISON).map(() => 'reject'),
    );
    expect(lines.about('rejected a message that can not be read')).toHaveLength(Object.keys(POISON).length);
    expect(await world.leftIn(queue)).toBeUndefined();
    expect((await world.vhost.queues()).map(({ name }) => name)).not.toContain(`${queue}.dead`);
  });

  it('go to the queue that the application names, which is as replicated as theirs', async () => {
    const { queue, exchange, handled } = await start(
      { deadLetter: 'poison' },
      retryQueue({ type: 'quorum' }),
    );
    const dead = await watch(world, 'poison');

    world.peer.publish(exchange, 'key', '{"a":');
    world.peer.publish(exchange, 'key', good);

    await handled.take(1);
    expect((await dead.take(1)).map(({ content }) => content.toString())).toEqual(['{"a":']);
    const { arguments: args } = (await world.vhost.queues()).find(({ name }) => name === 'poison') ?? {};
    expect(args).toEqual({ 'x-queue-type': 'quorum' });
    expect(await world.peer.channel.checkQueue(queue)).toMatchObject({ messageCount: 0 });
  });

  it('are answered, too, where somebody waits for an answer', async () => {
    const { queue } = await start();
    const dead = await watch(world, `${queue}.dead`);

    const replies = await world.ask(queue, { ...rpc('good'), content: 7 });

    expect((await replies.take(1)).map(resultOf)).toEqual([
      exception('MalformedMessageError', 'body.content must be an object'),
    ]);
    expect(headersOf((await dead.take(1))[0])).toMatchObject({ 'postage-reason': 'malformed' });
  });
});
