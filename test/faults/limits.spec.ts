import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  DEFAULT_EXCHANGE,
  GenericProducer,
  MessageHandler,
  Parameters,
  PostageContext,
  PostageModule,
  Processor,
  Producer,
  RpcHandler,
  type Eqk,
  type PostageModuleOptions,
} from 'nestjs-postage';
import { Ctx } from '@nestjs/microservices';
import { describe, expect, it } from 'vitest';
import { byName, command, Events, useWorld } from '../integration/world.js';
import { eventually, Inbox } from '../support/eventually.js';
import { createVhost, uniqueName } from '../support/rabbit.js';
import { useUnhandledRejections } from '../support/unhandled.js';
import { connects } from './support/attempt.js';
import { faultNode } from './support/fault-node.js';
import { manyKeys, nestedLists, nestedTables, publishRaw, tableIn, textIn } from './support/raw-headers.js';

const world = useWorld();
const unhandled = useUnhandledRejections();

interface Handled {
  readonly parameters: unknown;
  readonly headers: Readonly<Record<string, unknown>>;
}

const echoOn = (eqk: Eqk): { controller: new () => object; handled: Inbox<Handled> } => {
  const handled = new Inbox<Handled>();
  @Processor({ eqk, prefetch: 1 })
  class Echo {
    @MessageHandler('command', 'note')
    note(@Parameters() parameters: unknown, @Ctx() { properties }: PostageContext): void {
      handled.push({ parameters, headers: properties.headers ?? {} });
    }

    @RpcHandler('command', 'echo')
    echo(@Parameters() parameters: unknown): unknown {
      return parameters;
    }

    @RpcHandler('command', 'repeat')
    repeat(@Parameters() count: number): string {
      return 'x'.repeat(count);
    }
  }
  return { controller: Echo, handled };
};

@Producer({ eks: [[DEFAULT_EXCHANGE, 'nobody']], defaults: { timeoutMs: 20_000, maxRetry: 0 } })
class Sender extends GenericProducer {}

const sender = async (
  options: Partial<PostageModuleOptions> = {},
): Promise<{ to: (key: string) => Sender; events: Events }> => {
  const events = new Events();
  const root = PostageModule.forRoot({
    connection: { url: world.url },
    ...options,
    observer: events.observe,
  });
  @Module({ imports: [PostageModule.forFeature([Sender]), root] })
  class SenderModule {}
  const app = await NestFactory.createApplicationContext(SenderModule, { logger: false });
  world.atEnd(() => app.close());
  return { to: (key) => app.get(Sender).with({ key }), events };
};

describe('maxMessageBytes', () => {
  const LIMIT = 20_000;
  const LARGE = 'x'.repeat(LIMIT);

  it('keeps what is larger from being sent: a message, a request, an answer', async () => {
    const queue = uniqueName('limits');
    const { controller, handled } = echoOn(byName(queue));
    const { events } = await world.receive([controller], { options: { maxMessageBytes: LIMIT } });
    const small = (await sender({ maxMessageBytes: LIMIT })).to(queue);

    await expect(small.command('note', LARGE)).rejects.toMatchObject({ code: 'ENCODING_FAILED' });
    await expect(small.rpc('echo', LARGE)).rejects.toMatchObject({ code: 'ENCODING_FAILED' });
    const answer = await small.rpc('repeat', LIMIT);
    expect(answer).toMatchObject({ ok: false, type: 'exception', value: 'EncodingError' });
    expect(answer.message).toContain(`limit of ${LIMIT}`);
    expect(events.of('reply.unencodable').items).toHaveLength(1);

    await small.command('note', 'small');
    expect(await handled.take(1)).toMatchObject([{ parameters: 'small' }]);
  });

  it('keeps what is larger from being read: a message is rejected once, a request answered, an answer told to its caller', async () => {
    const queue = uniqueName('limits');
    const { controller, handled } = echoOn(byName(queue));
    const { events } = await world.receive([controller], { options: { maxMessageBytes: LIMIT } });
    const large = (await sender()).to(queue);

    await large.command('note', LARGE);
    await large.command('note', 'small');
    expect(await handled.take(1)).toMatchObject([{ parameters: 'small' }]);
    expect(events.of('message.malformed').items).toMatchObject([{ at: { redelivered: false } }]);

    const refused = await large.rpc('echo', LARGE);
    expect(refused).toMatchObject({ ok: false, value: 'MalformedMessageError' });
    expect(refused.message).toContain(`limit of ${LIMIT}`);

    const other = uniqueName('limits');
    await world.receive([echoOn(byName(other)).controller]);
    const small = (await sender({ maxMessageBytes: LIMIT })).to(other);
    await expect(small.rpc('repeat', LIMIT)).rejects.toMatchObject({
      code: 'MALFORMED_MESSAGE',
      message: expect.stringContaining(`limit of ${LIMIT}`) as string,
    });
    expect((await small.rpc('repeat', 3)).unwrap()).toBe('xxx');
    expect(unhandled).toEqual([]);
  });
});

const endless: Record<string, unknown> = {};
endless['self'] = endless;

describe('headers that AMQP can not carry', () => {
  it.for([
    ['of 100 kB', { big: 'x'.repeat(100_000) }, '65536 bytes'],
    [
      'of 10,000 keys',
      Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`key ${at}`, at])),
      '65536 bytes',
    ],
    ['that contain themselves', endless, 'contain themselves'],
    ['with a BigInt', { big: 1n }, 'bigint'],
    ['with a function', { call: () => 1 }, 'function'],
    ['with a key of 300 bytes', { ['k'.repeat(300)]: 1 }, '300'],
    ['with NaN', { nan: Number.NaN }, 'NaN'],
    ['with Infinity in a list', { list: [1, Infinity] }, 'Infinity'],
  ] as const)('%s fail alone, and the hundred messages beside it arrive', async ([, headers, part]) => {
    const queue = uniqueName('limits');
    const { controller, handled } = echoOn(byName(queue));
    await world.receive([controller], { options: { prefetch: 50 } });
    const { to, events } = await sender();
    const notes = to(queue);
    const begin = notes.command('note', 'begin');

    const beside = Array.from({ length: 100 }, (_, number) => notes.command('note', number));
    const failing = notes.with({ headers }).command('note', 'never');
    const behind = Array.from({ length: 100 }, (_, number) => notes.command('note', 100 + number));

    await expect(failing).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      option: 'headers',
      message: expect.stringContaining(part) as string,
    });
    await Promise.all([begin, ...beside, ...behind]);
    expect(await handled.take(201)).not.toContainEqual(expect.objectContaining({ parameters: 'never' }));
    expect(events.of('connection.lost').items).toEqual([]);
    await expect(notes.with({ headers }).rpc('echo', 1)).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  });

  it('of 60 kB arrive', async () => {
    const queue = uniqueName('limits');
    const { controller, handled } = echoOn(byName(queue));
    await world.receive([controller]);
    const big = 'x'.repeat(60_000);
    await (await sender()).to(queue).with({ headers: { big } }).command('note', 1);
    expect(await handled.take(1)).toMatchObject([{ headers: { big } }]);
  });
});

describe('headers as only a hostile peer writes them', () => {
  const body = (parameters: unknown): string => JSON.stringify(command('note', parameters));

  it.for([
    ['lists, 26,000 deep', nestedLists(26_000)],
    ['tables, 18,000 deep', nestedTables(18_000)],
  ] as const)(
    '%s: the message is rejected once, and costs neither the connection nor the next message',
    async ([, headers]) => {
      const [queue, deadLetterExchange, dead] = [uniqueName('limits'), uniqueName('dlx'), uniqueName('dead')];
      const { channel } = world.peer;
      await channel.assertExchange(deadLetterExchange, 'fanout');
      // Nobody reads it: amqplib as it is would not survive that.
      await channel.assertQueue(dead);
      await channel.bindQueue(dead, deadLetterExchange, '');
      const eqk: Eqk = [[DEFAULT_EXCHANGE, [[{ name: queue, flags: { deadLetterExchange } }, queue]]]];
      const { controller, handled } = echoOn(eqk);
      const { app, events } = await world.receive([controller]);

      for (let round = 0; round < 3; round += 1)
        publishRaw(channel, { key: queue, headers, content: body('never') });
      world.send(queue, command('note', 'good'));

      expect(await handled.take(1)).toMatchObject([{ parameters: 'good' }]);
      const malformed = { at: { queue, redelivered: false }, error: { field: 'properties' } };
      expect(events.of('message.malformed').items).toMatchObject([malformed, malformed, malformed]);
      expect(events.of('connection.lost').items).toEqual([]);
      expect(events.of('consumer.attached').items).toHaveLength(1);
      await app.close();
      expect(await world.leftIn(queue)).toBeUndefined();
      await eventually(async () => expect(await channel.checkQueue(dead)).toMatchObject({ messageCount: 3 }));
      expect(unhandled).toEqual([]);
    },
  );

  it('on an answer end that call alone', async () => {
    const queue = uniqueName('limits');
    await world.peer.channel.assertQueue(queue, { autoDelete: true });
    const requests = await world.peer.consume(queue);
    const { to, events } = await sender();
    const calls = [to(queue).rpc('echo', 1), to(queue).rpc('echo', 2)];
    const outcomes = Promise.allSettled(calls);
    const [first, second] = await requests.take(2);
    const content = JSON.stringify({
      ...command('none', 0),
      type: 'result',
      content: { type: 'success', value: 'fine', message: '' },
    });
    const reply = { content, correlationId: String(first?.properties.correlationId) };
    publishRaw(world.peer.channel, {
      ...reply,
      key: String(first?.properties.replyTo),
      headers: nestedLists(26_000),
    });
    world.peer.publish('', String(second?.properties.replyTo), content, {
      correlationId: String(second?.properties.correlationId),
    });

    expect(await outcomes).toMatchObject([
      { status: 'rejected', reason: { code: 'MALFORMED_MESSAGE', field: 'properties' } },
      { status: 'fulfilled', value: { value: 'fine' } },
    ]);
    expect(events.of('connection.lost').items).toEqual([]);
  });

  it.for([
    ['as many keys as a frame holds', manyKeys(9_000), 9_000],
    ['lists, 1,000 deep', nestedLists(1_000), 1],
  ] as const)('%s are read', async ([, headers, count]) => {
    const queue = uniqueName('limits');
    const { controller, handled } = echoOn(byName(queue));
    await world.receive([controller]);
    publishRaw(world.peer.channel, { key: queue, headers, content: body(1) });
    const [message] = await handled.take(1);
    expect(Object.keys(message?.headers ?? {})).toHaveLength(count);
  });

  it('with the key __proto__, at any level, show nothing that is not a key of theirs', async () => {
    const queue = uniqueName('limits');
    const { controller, handled } = echoOn(byName(queue));
    await world.receive([controller]);
    const proto = tableIn('__proto__', textIn('isAdmin', 'yes'));
    const headers = Buffer.concat([textIn('real', 'r'), proto, tableIn('inner', proto)]);
    publishRaw(world.peer.channel, { key: queue, headers, content: body(1) });

    const [message] = await handled.take(1);
    const seen = message?.headers ?? {};
    expect(Object.keys(seen)).toEqual(['real', 'inner']);
    for (const table of [seen, seen['inner']] as Record<string, unknown>[]) {
      expect(table['isAdmin']).toBeUndefined();
      expect(Object.getPrototypeOf(table)).toBe(Object.prototype);
    }
    expect(({} as Record<string, unknown>)['isAdmin']).toBeUndefined();
  });
});

describe('a broker with small frames', () => {
  const node = faultNode({ config: { frame_max: 8_192 } });

  it('takes large messages, and headers that do not fit fail alone', async () => {
    const vhost = await createVhost('frames', node);
    const connection = { url: vhost.url };
    const queue = uniqueName('limits');
    const { controller, handled } = echoOn(byName(queue));
    await world.receive([controller], { options: { connection } });
    const { to, events } = await sender({ connection });
    const notes = to(queue);

    await notes.command('note', 'x'.repeat(1_000_000));
    await notes.with({ headers: { big: 'x'.repeat(7_000) } }).command('note', 'fits');
    const beside = Array.from({ length: 100 }, (_, number) => notes.command('note', number));
    await expect(
      notes.with({ headers: { big: 'x'.repeat(9_000) } }).command('note', 'x'),
    ).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      option: 'headers',
      message: expect.stringContaining('frame_max') as string,
    });
    await Promise.all(beside);
    await handled.take(102);
    expect(events.of('connection.lost').items).toEqual([]);
  });

  it('whose virtual host is down for a while is waited for: that is no refusal', async () => {
    const vhost = await createVhost('down', node);
    await node.ctl('eval', `rabbit_vhost_sup_sup:stop_and_delete_vhost(<<"${vhost.name}">>).`);
    await expect(connects({ url: vhost.url })).rejects.toMatchObject({
      code: 'CONNECTION_FAILED',
      permanent: false,
      message: expect.stringContaining('is down') as string,
    });
    await node.ctl('restart_vhost', '-p', vhost.name);
    expect(await connects({ url: vhost.url })).toContain(vhost.name);
  });
});
