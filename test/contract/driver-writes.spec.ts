import { once } from 'node:events';
import { connect, type ChannelModel, type ConfirmChannel, type Options } from 'amqplib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { gatherWrites } from '../../libs/postage/src/connection/gathered-writes.js';
import { messageWriter } from '../../libs/postage/src/connection/message-writer.js';
import type { OutgoingMessage } from '../../libs/postage/src/connection/port.js';
import { brokerUrl } from '../support/rabbit.js';

/** Both use what amqplib does not document: here is what tells when another version of it is built in another way. */

interface Writing {
  write(bytes: Buffer): boolean;
}

let model: ChannelModel;
let channel: ConfirmChannel;
let written: Buffer[];

beforeEach(async () => {
  const url = new URL(brokerUrl());
  url.searchParams.set('heartbeat', '0');
  model = await connect(url.href);
  // Its types do not know the socket.
  const { stream } = model.connection as unknown as { stream: Writing };
  const write = stream.write.bind(stream);
  written = [];
  stream.write = (bytes) => {
    written.push(bytes);
    return write(bytes);
  };
  gatherWrites(model);
  channel = await model.createConfirmChannel();
  written = [];
});
afterEach(async () => {
  await model.close();
});

const message = (rest: Partial<OutgoingMessage> = {}): OutgoingMessage => ({
  exchange: '',
  routingKey: 'nobody',
  content: Buffer.from('content'),
  properties: {},
  mandatory: false,
  ...rest,
});

describe('what amqplib writes', () => {
  it('leaves with one write in each turn', async () => {
    const write = messageWriter(channel);
    for (let count = 0; count < 20; count += 1) write(message(), () => undefined);
    await channel.waitForConfirms();
    expect(written).toHaveLength(1);
    write(message(), () => undefined);
    await channel.waitForConfirms();
    expect(written).toHaveLength(2);
  });

  it('reaches a channel that has been told to wait: there is room again', async () => {
    const drained = once(channel, 'drain');
    const write = messageWriter(channel);
    const content = Buffer.alloc(300_000);
    const hadRoom = [1, 2, 3, 4].map(() => write(message({ content }), () => undefined));
    expect(hadRoom).toEqual([true, true, true, false]);
    await drained;
    await channel.waitForConfirms();
  });

  it.each<[what: string, properties: OutgoingMessage['properties']]>([
    ['no properties', {}],
    [
      'all properties',
      {
        contentType: 'application/json',
        contentEncoding: 'utf-8',
        headers: { text: 'x', number: 1, list: [1, 'a'], table: { yes: true } },
        deliveryMode: 2,
        priority: 3,
        correlationId: 'c',
        replyTo: 'r',
        expiration: '1000',
        messageId: 'm',
        timestamp: 1_700_000_000,
        type: 't',
        appId: 'a',
      },
    ],
  ])('is the same as what its `publish` writes: %s', async (_what, properties) => {
    const { exchange, routingKey, content } = message();
    messageWriter(channel)(message({ properties, mandatory: true }), () => undefined);
    await channel.waitForConfirms();
    channel.publish(exchange, routingKey, content, { ...properties, mandatory: true } as Options.Publish);
    await channel.waitForConfirms();
    const [own, theirs] = written;
    expect(own).toEqual(theirs);
  });
});
