import { expect } from 'vitest';
import type { ChannelPort } from '../../libs/postage/src/connection/port.js';
import { uniqueName } from '../support/rabbit.js';
import { consume, publish, type Consuming } from './messages.js';

/** What a client consumes, and names for its replies, without declaring it. */
export const DIRECT = 'amq.rabbitmq.reply-to';

export interface DirectConsuming extends Consuming {
  readonly address: string;
}

/** The address of a channel's consumer of direct replies: a message that comes back tells it. */
export const addressOf = async (channel: ChannelPort): Promise<string> => {
  const replyTos: (string | undefined)[] = [];
  channel.onReturn(({ properties }) => replyTos.push(properties.replyTo));
  const routingKey = uniqueName('nowhere');
  expect(
    await publish(channel, { routingKey, mandatory: true, properties: { replyTo: DIRECT } }),
  ).toBeUndefined();
  const [address] = replyTos;
  if (address === undefined) throw new Error('the message did not come back with an address');
  return address;
};

export const consumeDirectly = async (channel: ChannelPort): Promise<DirectConsuming> => {
  const consuming = await consume(channel, DIRECT, { noAck: true });
  return { ...consuming, address: await addressOf(channel) };
};

/** Whether a mandatory message to an address is returned to its publisher. */
export const comesBack = async (channel: ChannelPort, address: string): Promise<boolean> => {
  const returned: string[] = [];
  channel.onReturn(({ routingKey }) => returned.push(routingKey));
  expect(await publish(channel, { routingKey: address, mandatory: true })).toBeUndefined();
  return returned.includes(address);
};
