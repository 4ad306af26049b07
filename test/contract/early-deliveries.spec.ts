import { connect, type ChannelModel } from 'amqplib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { AmqpChannel } from '../../libs/postage/src/connection/amqp-channel.js';
import { Inbox } from '../support/eventually.js';
import { brokerUrl, uniqueName } from '../support/rabbit.js';

const CONSUME_OK = 0x3c_00_15;
const DELIVER = 0x3c_00_3c;
/** The method, the header and the body of a message. */
const FRAMES_OF_MESSAGE = 3;

interface Frame {
  readonly id?: number;
}

let model: ChannelModel;
beforeEach(async () => {
  model = await connect(brokerUrl());
});
afterEach(async () => {
  await model.close();
});

/** Whatever the broker does: the first message overtakes the answer that consuming has begun. Returns what came when. */
const deliverFirst = (): string[] => {
  const order: string[] = [];
  // Its types do not know how it reads.
  const connection = model.connection as unknown as { recvFrame: () => Frame | null };
  const receiveNow = connection.recvFrame.bind(connection);
  let isInside = false;
  // It calls itself, where it has to wait for more bytes first.
  const receive = (): Frame | null => {
    isInside = true;
    try {
      return receiveNow();
    } finally {
      isInside = false;
    }
  };
  let consumeOk: Frame | undefined;
  let framesBefore = 0;
  const next = (): Frame | null => {
    if (isInside) return receiveNow();
    if (consumeOk && framesBefore === 0) {
      const frame = consumeOk;
      consumeOk = undefined;
      order.push('consume-ok');
      return frame;
    }
    const frame = receive();
    if (frame?.id === CONSUME_OK) {
      consumeOk = frame;
      framesBefore = FRAMES_OF_MESSAGE;
      return next();
    }
    if (consumeOk && frame) framesBefore -= 1;
    if (frame?.id === DELIVER) order.push('message');
    return frame;
  };
  connection.recvFrame = next;
  return order;
};

it('a message that comes before the broker says that consuming has begun is one like the others', async () => {
  const queue = uniqueName('early');
  const channel = new AmqpChannel(await model.createConfirmChannel());
  const flags = {
    durable: false,
    exclusive: true,
    autoDelete: false,
    arguments: {},
    declare: 'assert',
  } as const;
  await channel.assertQueue({ name: queue, ...flags });
  const sender = await model.createChannel();
  for (const text of ['one', 'two']) sender.sendToQueue(queue, Buffer.from(text));
  await sender.close();

  const order = deliverFirst();
  const deliveries = new Inbox<string>();
  const consumerTag = await channel.consume(queue, (delivery) => {
    deliveries.push(String(delivery?.content));
    if (delivery) channel.ack(delivery.deliveryTag, false);
  });

  expect(await deliveries.take(2)).toEqual(['one', 'two']);
  expect(order).toEqual(['message', 'consume-ok', 'message']);
  await channel.cancel(consumerTag);
  expect(await channel.checkQueue(queue)).toMatchObject({ messageCount: 0, consumerCount: 0 });
});

it('a consumer that is refused leaves nothing behind', async () => {
  const own = await model.createConfirmChannel();
  const { consumers } = own as unknown as { readonly consumers: ReadonlyMap<string, unknown> };
  const channel = new AmqpChannel(own);
  await expect(channel.consume(uniqueName('missing'), () => undefined)).rejects.toMatchObject({
    amqpCode: 404,
  });
  expect(consumers.size).toBe(0);
});
