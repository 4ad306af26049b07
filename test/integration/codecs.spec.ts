import { decode, encode } from '@msgpack/msgpack';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx } from '@nestjs/microservices';
import {
  defineExchange,
  GenericProducer,
  JsonEncoder,
  MessageHandler,
  Parameters,
  PostageContext,
  PostageModule,
  Processor,
  Producer,
  RpcHandler,
  type Encoder,
  type MessageMethod,
  type PostageEvent,
  type ProducerOf,
  type RpcMethod,
} from 'nestjs-postage';
import { expect, it } from 'vitest';
import { startReceiver } from '../support/apps.js';
import { Inbox } from '../support/eventually.js';
import { RawPeer } from '../support/raw-peer.js';
import { brokerUrl, uniqueName } from '../support/rabbit.js';

const messagePack: Encoder = {
  contentType: 'application/msgpack',
  encode: (body) => Buffer.from(encode(body)),
  decode: (bytes) => decode(bytes),
};

const Exchange = defineExchange({ name: uniqueName('codecs'), durable: false, autoDelete: true });
const queue = uniqueName('codecs');

class Base extends GenericProducer {
  declare messageEcho: MessageMethod<unknown>;
  declare rpcEcho: RpcMethod<unknown>;
}

@Producer({ eks: [[Exchange, 'rk']] })
class JsonProducer extends Base {}

@Producer({ eks: [[Exchange, 'rk']], encoder: messagePack })
class PackProducer extends Base {}

const inbox = new Inbox<readonly [contentType: string | undefined, parameters: unknown]>();

@Processor({ eqk: [[Exchange, [[{ name: queue, flags: { exclusive: true } }, 'rk']]]] })
class Echo {
  @MessageHandler('command', 'echo')
  onEcho(@Parameters() parameters: unknown, @Ctx() context: PostageContext): void {
    inbox.push([context.properties.contentType, parameters]);
  }

  @RpcHandler('command', 'echo')
  echo(@Parameters() parameters: unknown): unknown {
    return parameters;
  }
}

it('two codecs share one queue: each message is read by its content type, and answered in it', async () => {
  const events = new Inbox<PostageEvent>();
  const connection = { url: brokerUrl() };
  const receiver = await startReceiver({ connection, encoders: [messagePack] }, [Echo]);
  const root = PostageModule.forRoot({
    connection,
    debug: true,
    observer: events.push,
    encoder: new JsonEncoder(),
  });
  @Module({ imports: [PostageModule.forFeature([JsonProducer, PackProducer]), root] })
  class SenderModule {}
  const app = await NestFactory.createApplicationContext(SenderModule, { logger: false });
  const json = app.get<ProducerOf<JsonProducer>>(JsonProducer);
  const pack = app.get<ProducerOf<PackProducer>>(PackProducer);
  const bytes = new Uint8Array([0, 255, 7]);

  await json.messageEcho({ text: 'café' });
  await pack.messageEcho({ bytes });
  const packed = (await pack.rpcEcho({ bytes })).unwrap() as { bytes: Uint8Array };
  const plain = (await json.rpcEcho({ text: 'café' })).unwrap();

  expect(await inbox.take(2)).toEqual([
    ['application/json', { text: 'café' }],
    ['application/msgpack', { bytes: expect.any(Uint8Array) as unknown }],
  ]);
  expect([...packed.bytes]).toEqual([...bytes]);
  expect(plain).toEqual({ text: 'café' });

  await using peer = await RawPeer.connect(brokerUrl());
  const { queue: replyQueue } = await peer.channel.assertQueue('', { exclusive: true });
  const replies = await peer.consume(replyQueue);
  const request = { type: 'command', name: 'echo', category: 'rpc', content: { parameters: 1 } };
  peer.publish(Exchange.name, 'rk', Buffer.from(encode(request)), {
    contentType: 'application/msgpack; v=1',
    replyTo: replyQueue,
  });
  const [reply] = await replies.take(1);
  expect(reply?.properties.contentType).toBe('application/msgpack');
  expect(decode(reply?.content ?? new Uint8Array())).toMatchObject({
    content: { type: 'success', value: 1 },
  });

  await app.close();
  await receiver.close();
});
