import { readFileSync } from 'node:fs';
import { Module, type INestApplicationContext, type INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, Payload } from '@nestjs/microservices';
import type { Channel, ConsumeMessage } from 'amqplib';
import {
  defineExchange,
  GenericProducer,
  MessageCommand,
  MessageHandlerFullBody,
  MessageResult,
  MessageResultError,
  MessageResultException,
  MessageStatus,
  PostageContext,
  PostageModule,
  Processor,
  Producer,
  RpcCommand,
  RpcHandler,
  type MessageBody,
  type PostageEvent,
  type ProducerOf,
} from 'nestjs-postage';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startReceiver } from '../support/apps.js';
import { eventually, Inbox } from '../support/eventually.js';
import { RawPeer } from '../support/raw-peer.js';
import { createVhost, type Vhost } from '../support/rabbit.js';

interface Vector {
  readonly case: string;
  readonly exchange: string;
  readonly routing_key: string;
  readonly properties: { readonly content_type?: string; readonly reply_to?: string };
  readonly body: string;
}

const vectors = JSON.parse(
  readFileSync(new URL('../fixtures/wire/vectors.json', import.meta.url), 'utf8'),
) as readonly Vector[];
const vector = (name: string): Vector => {
  const found = vectors.find((candidate) => candidate.case === name);
  if (!found) throw new Error(`no vector ${name}`);
  return found;
};

const requests = vectors.filter(({ exchange }) => exchange !== '');
const messages = requests.filter(({ body }) => body.includes('"category": "message"'));

/** The exchange and the fingerprint of the recorded messages. */
const VectorExchange = defineExchange({ name: 'vec-exchange', durable: false });
const FINGERPRINT = {
  name: 'echo_send',
  type: 'application',
  pid: '4242',
  host: 'host-1',
  user: 'svc',
  vhost: '/',
};

@Producer({ eks: [[VectorExchange, 'vec-rk']] })
class VectorProducer extends GenericProducer {
  buildMessageLog(level: string, text: string): MessageCommand {
    return new MessageCommand('log', { level, text });
  }

  buildMessageStatusOnline(): MessageStatus {
    return new MessageStatus('online');
  }

  buildRpcSum(a: number, b: number): RpcCommand<number> {
    return new RpcCommand('sum', { a, b });
  }
}

type Undeclared = Record<string, (parameters?: unknown) => Promise<unknown>>;

/** The same calls as in the vectors, by the case's name. */
const CALLS: Readonly<
  Record<string, (producer: ProducerOf<VectorProducer>, undeclared: Undeclared) => unknown>
> = {
  'command-string': (_, any) => any['messageEcho']?.('A test message'),
  'command-no-parameters': (_, any) => any['messageEcho']?.(),
  'command-none': (_, any) => any['messageEcho']?.(null),
  'command-unicode': (_, any) => any['messageEcho']?.('caf\u00e9 \u2615 \u{1f4ee}'),
  'command-built': (producer) => producer.messageLog('warn', 'disk'),
  'command-join-group': (_, any) => any['messageJoinGroup']?.({ group_name: 'eu' }),
  'command-big-integer': (_, any) => any['messageEcho']?.(2 ** 63),
  'command-float': (_, any) => any['messageEcho']?.(1.0),
  'command-quit': (_, any) => any['messageQuit']?.(),
  'command-restart': (_, any) => any['messageRestart']?.(),
  status: (producer) => producer.messageStatusOnline(),
  generic: (producer) => producer.message([1, 'str'], { values: [1, 2, 3, 'numbers'] }),
  forward: (producer) => producer.forward({ any: 'body' }),
  'rpc-undeclared': (producer) => producer.with({ queueOnly: true }).rpc('echo', 'RPC test message'),
  'rpc-built': (producer) => producer.with({ queueOnly: true }).rpcSum(5, 6),
};

/** NaN and Infinity are no JSON: we read them, and do not write them. */
const NOT_JSON = ['command-nan', 'command-infinity'];

const received = new Inbox<MessageBody>();

@Processor({ eqk: [[VectorExchange, [['vec-queue', 'vec-in']]]] })
class VectorController {
  @MessageHandlerFullBody('command')
  @MessageHandlerFullBody('status')
  @MessageHandlerFullBody('none')
  onMessage(@Payload() body: MessageBody): void {
    received.push(body);
  }

  @RpcHandler('command', 'echo')
  echo(@Ctx() context: PostageContext): string {
    received.push(context.body);
    return 'RPC message received';
  }

  @RpcHandler('command', 'sum')
  sum(): MessageResult<{ sum: number }> {
    return new MessageResult({ sum: 11 }, 'added');
  }

  @RpcHandler('command', 'refuse')
  refuse(): MessageResultError {
    return new MessageResultError('no such user');
  }

  @RpcHandler('command', 'break')
  break(): MessageResultException {
    return new MessageResultException('KeyError', "'group_name'");
  }
}

const events = new Inbox<PostageEvent>();
/** amqplib takes the whole connection down over a channel error that nobody listens to. */
const withoutError = (channel: Channel): Channel => channel.on('error', () => undefined);

let vhost: Vhost;
let peer: RawPeer;
let receiver: INestMicroservice;
let sender: INestApplicationContext;
let producer: ProducerOf<VectorProducer>;

beforeAll(async () => {
  vhost = await createVhost('interop');
  peer = await RawPeer.connect(vhost.url);
  const connection = { url: vhost.url };
  const fingerprint = FINGERPRINT;
  receiver = await startReceiver({ connection, fingerprint }, [VectorController]);
  @Module({
    imports: [
      PostageModule.forFeature([VectorProducer]),
      PostageModule.forRoot({ connection, fingerprint, observer: events.push }),
    ],
  })
  class SenderModule {}
  sender = await NestFactory.createApplicationContext(SenderModule, { logger: false });
  producer = sender.get<ProducerOf<VectorProducer>>(VectorProducer);
});

afterAll(async () => {
  await sender.close();
  await receiver.close();
  await peer.close();
  await vhost.delete();
});

describe('what we send', () => {
  it('has a call for every recorded request', () => {
    expect([...Object.keys(CALLS), ...NOT_JSON].toSorted()).toEqual(
      requests.map((each) => each.case).toSorted(),
    );
  });

  it.for(Object.keys(CALLS))('is for the call of vector "%s" what the original sent', async (name) => {
    const { body, properties, routing_key: key } = vector(name);
    const inbox = await peer.listen(VectorExchange.name, key);

    await CALLS[name]?.(producer, producer as unknown as Undeclared);

    const [message] = (await inbox.take(1)) as [ConsumeMessage];
    expect(JSON.parse(message.content.toString())).toEqual(JSON.parse(body));
    // Byte for byte, but for the blanks that Python puts after separators, the escapes it uses, and 1.0.
    expect(message.content.toString()).toBe(JSON.stringify(JSON.parse(body)));
    expect(message.properties.contentType).toBe(properties.content_type);
    expect(typeof message.properties.replyTo).toBe('reply_to' in properties ? 'string' : 'undefined');
  });
});

describe('what the original sends', () => {
  it.for(messages)('reaches its handler: vector "$case"', async ({ body, properties }) => {
    const before = received.items.length;
    peer.publish(VectorExchange.name, 'vec-in', body, { contentType: properties.content_type ?? '' });
    const got = (await received.take(before + 1)).at(-1);
    const parameters = got?.content['parameters'];
    if (body.includes(': NaN}')) expect(parameters).toBeNaN();
    else if (body.includes(': Infinity}')) expect(parameters).toBe(Infinity);
    else expect(got).toEqual(JSON.parse(body));
  });

  it.for([
    ['rpc-undeclared', undefined, 'reply-success'],
    ['rpc-built', undefined, 'reply-success-message'],
    ['rpc-built', 'refuse', 'reply-error'],
    ['rpc-built', 'break', 'reply-exception'],
  ] as const)('is answered as the original would: %s %s', async ([request, name, reply]) => {
    const { body, properties } = vector(request);
    const { queue } = await peer.channel.assertQueue('', { exclusive: true, autoDelete: true });
    const replies = await peer.consume(queue);
    const content = name === undefined ? body : body.replace('"name": "sum"', `"name": "${name}"`);

    peer.publish(VectorExchange.name, 'vec-in', content, {
      contentType: properties.content_type ?? '',
      replyTo: queue,
    });

    const [answer] = (await replies.take(1)) as [ConsumeMessage];
    const expected = JSON.parse(vector(reply).body) as MessageBody;
    // Ours adds who answered; everything else is the same.
    expect(JSON.parse(answer.content.toString())).toEqual({ ...expected, fingerprint: FINGERPRINT });
    expect(answer.properties.correlationId).toBeUndefined();
  });
});

describe('a replier without correlation ids', () => {
  it('is understood, one call after the other and many at once', async () => {
    const { queue } = await peer.channel.assertQueue('old-replier', { exclusive: true });
    await peer.channel.bindQueue(queue, VectorExchange.name, 'old');
    await peer.channel.consume(queue, (request) => {
      if (!request) return;
      const { content } = JSON.parse(request.content.toString()) as { content: { parameters: number } };
      const body = JSON.parse(vector('reply-success').body) as { content: { value: unknown } };
      body.content.value = content.parameters * 2;
      // As the original does: no properties at all.
      peer.channel.sendToQueue(String(request.properties.replyTo), Buffer.from(JSON.stringify(body)));
      peer.channel.ack(request);
    });
    const numbers = Array.from({ length: 1_000 }, (_, index) => index);
    const old = producer.with({ key: 'old' });

    const one = await old.rpc<number>('double', 21);
    const many = await Promise.all(numbers.map((number) => old.rpc<number>('double', number)));

    expect(one.unwrap()).toBe(42);
    expect(one.body.fingerprint).toEqual({});
    expect(many.map((result) => result.unwrap())).toEqual(numbers.map((number) => number * 2));
  });

  it('may answer with an error or an exception', async () => {
    const { queue } = await peer.channel.assertQueue('grumpy-replier', { exclusive: true });
    await peer.channel.bindQueue(queue, VectorExchange.name, 'grumpy');
    await peer.channel.consume(
      queue,
      (request) => {
        const { name } = JSON.parse(request?.content.toString() ?? '{}') as { name?: string };
        const reply = vector(name === 'refuse' ? 'reply-error' : 'reply-exception').body;
        if (request) peer.channel.sendToQueue(String(request.properties.replyTo), Buffer.from(reply));
      },
      { noAck: true },
    );
    const grumpy = producer.with({ key: 'grumpy' });

    const refused = await grumpy.rpc('refuse');
    const broken = await grumpy.rpc('break');

    expect(refused).toMatchObject({ ok: false, type: 'error', value: null, message: 'no such user' });
    expect(() => refused.unwrap()).toThrow(
      expect.objectContaining({ code: 'REMOTE_ERROR', message: 'no such user' }),
    );
    expect(broken).toMatchObject({
      ok: false,
      type: 'exception',
      value: 'KeyError',
      message: "'group_name'",
    });
    expect(() => broken.unwrap()).toThrow(
      expect.objectContaining({ code: 'REMOTE_EXCEPTION', remoteName: 'KeyError' }),
    );
  });

  it('that is too slow is told as a TimeoutError result after all attempts, with one id on all of them', async () => {
    const inbox = await peer.listen(VectorExchange.name, 'slow');

    const result = await producer.with({ key: 'slow', timeoutMs: 100, maxRetry: 2 }).rpc('sleep');

    expect(result).toMatchObject({ ok: false, type: 'exception', value: 'TimeoutError' });
    const attempts = await inbox.take(3);
    expect(new Set(attempts.map(({ properties }) => properties.messageId as string)).size).toBe(1);
    expect(attempts.map(({ properties }) => properties.expiration as string)).toEqual(['100', '100', '100']);
    expect(attempts.map(({ content }) => content.toString())).toEqual(
      Array(3).fill(attempts[0]?.content.toString()),
    );
  });
});

describe('a reply queue of its own', () => {
  it('collects the replies of several repliers, and is deleted when it is closed', async () => {
    for (const who of ['a', 'b', 'c']) {
      const { queue } = await peer.channel.assertQueue(`replier-${who}`, { exclusive: true });
      await peer.channel.bindQueue(queue, VectorExchange.name, 'everybody');
      await peer.channel.consume(
        queue,
        (request) => {
          const body = vector('reply-success').body.replace('RPC message received', who);
          if (request) peer.channel.sendToQueue(String(request.properties.replyTo), Buffer.from(body));
        },
        { noAck: true },
      );
    }

    const replies = await producer.with({ key: 'everybody', queueOnly: true }).rpc('who');
    const three = await replies.take(3, 5_000);
    expect(new Set(three.map(({ value }) => value))).toEqual(new Set(['a', 'b', 'c']));
    await expect(
      peer.model.createChannel().then((channel) => withoutError(channel).checkQueue(replies.name)),
    ).rejects.toThrow('RESOURCE_LOCKED');

    replies.close();
    await eventually(async () => {
      const names = (await vhost.queues()).map(({ name }) => name);
      expect(names).not.toContain(replies.name);
    });
  });

  it('tells of a reply that can not be read, and hands out the others', async () => {
    const { queue } = await peer.channel.assertQueue('mumbler', { exclusive: true });
    await peer.channel.bindQueue(queue, VectorExchange.name, 'mumble');
    const asked = await peer.consume(queue);

    const replies = await producer.with({ key: 'mumble', queueOnly: true }).rpc('say');
    const [request] = await asked.take(1);
    const replyTo = String(request?.properties.replyTo);
    peer.channel.sendToQueue(replyTo, Buffer.from('junk'));
    peer.channel.sendToQueue(replyTo, Buffer.from(vector('reply-success').body));

    expect((await replies.take(1, 5_000)).map(({ value }) => value)).toEqual(['RPC message received']);
    expect(events.items).toContainEqual(expect.objectContaining({ kind: 'reply.malformed', queue: replyTo }));
    replies.close();
    expect(await replies.take(1, 5_000)).toEqual([]);
  });
});
