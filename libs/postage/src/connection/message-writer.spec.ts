import type { ConfirmChannel } from 'amqplib';
import { describe, expect, it, vi } from 'vitest';
import { messageWriter } from './message-writer.js';
import type { MessageProperties, OutgoingMessage } from './port.js';

const messageWith = (properties: MessageProperties): OutgoingMessage => ({
  exchange: 'ex',
  routingKey: 'key',
  content: Buffer.from('x'),
  properties,
  mandatory: true,
});

// Only what is looked at.
const channelOf = (parts: object): ConfirmChannel => parts as unknown as ConfirmChannel;

describe('messageWriter', () => {
  it('writes the message as it is, and leaves the listener for the confirm after it', () => {
    const calls: string[] = [];
    const sendMessage = vi.fn<() => boolean>(() => {
      calls.push('sent');
      return false;
    });
    const pushConfirmCallback = vi.fn<() => void>(() => calls.push('listener'));
    const write = messageWriter(channelOf({ sendMessage, pushConfirmCallback }));
    const message = messageWith({ messageId: 'm', headers: { a: 1 } });
    const onAnswer = vi.fn<() => void>();
    expect(write(message, onAnswer)).toBe(false);
    const fields = { exchange: 'ex', routingKey: 'key', mandatory: true };
    expect(sendMessage).toHaveBeenCalledWith(fields, message.properties, message.content);
    expect(pushConfirmCallback).toHaveBeenCalledWith(onAnswer);
    expect(calls).toEqual(['sent', 'listener']);
  });

  it('sends an empty table of headers where there are none, as amqplib does', () => {
    const sendMessage = vi.fn<() => boolean>(() => true);
    const write = messageWriter(channelOf({ sendMessage, pushConfirmCallback: vi.fn<() => void>() }));
    expect(write(messageWith({ messageId: 'm' }), vi.fn<() => void>())).toBe(true);
    expect(sendMessage).toHaveBeenCalledWith(
      expect.anything(),
      { messageId: 'm', headers: {} },
      expect.anything(),
    );
  });

  it('leaves no listener for what could not be written', () => {
    const pushConfirmCallback = vi.fn<() => void>();
    const sendMessage = (): never => {
      throw new TypeError('no');
    };
    const write = messageWriter(channelOf({ sendMessage, pushConfirmCallback }));
    expect(() => write(messageWith({}), vi.fn<() => void>())).toThrow('no');
    expect(pushConfirmCallback).not.toHaveBeenCalled();
  });

  it('publishes where amqplib is built in another way', () => {
    const publish = vi.fn<() => boolean>(() => true);
    const write = messageWriter(channelOf({ publish }));
    const onAnswer = vi.fn<() => void>();
    const message = messageWith({ messageId: 'm', headers: { a: 1 } });
    expect(write(message, onAnswer)).toBe(true);
    const options = { messageId: 'm', headers: { a: 1 }, mandatory: true };
    expect(publish).toHaveBeenCalledWith('ex', 'key', message.content, options, onAnswer);
  });
});
