import { expect } from 'vitest';
import type { ChannelPort } from '../../libs/postage/src/connection/port.js';
import { endOf } from './messages.js';

export type Operation = (channel: ChannelPort) => Promise<unknown>;

/** The vhost is the suite's own on RabbitMQ, and `/` in memory. */
const inRootVhost = (text: string): string => text.replace(/in vhost '[^']*'/g, "in vhost '/'");

/** Expects a refusal in RabbitMQ's words, which our own errors are made from, and that it closes the channel. */
export const expectRefusal = async (
  channel: ChannelPort,
  operation: Operation,
  [code, text]: readonly [code: number, text: string],
): Promise<void> => {
  const end = endOf(channel);
  const error: unknown = await operation(channel).then(
    () => 'no refusal',
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: 'BrokerError', code: 'BROKER_ERROR', amqpCode: code });
  expect(inRootVhost(String(error))).toBe(`BrokerError: ${text}`);
  expect(await end).toMatchObject({ name: 'BrokerError', amqpCode: code });
  expect(channel.isOpen).toBe(false);
};
