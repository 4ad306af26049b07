import type { ConfirmChannel, Options } from 'amqplib';
import type { OutgoingMessage } from './port.js';

type OnAnswer = (error: Error | null) => void;

/** Writes a message to a channel; false when it should have no more for now. */
export type MessageWriter = (message: OutgoingMessage, onAnswer: OnAnswer) => boolean;

/** What the `publish` of amqplib's channels is made of; its types leave it out. */
interface InnerChannel {
  sendMessage(fields: object, properties: object, content: Buffer): boolean;
  pushConfirmCallback(onAnswer: OnAnswer): void;
}

/**
 * amqplib's `publish` makes the headers the prototype of an empty object, which costs about as much as all else that a
 * message costs there: ours go without it. Where amqplib is built in another way than today, `publish` it is.
 */
export const messageWriter = (channel: ConfirmChannel): MessageWriter => {
  if (!isAsKnown(channel)) return (message, onAnswer) => publish(channel, message, onAnswer);
  return ({ exchange, routingKey, mandatory, content, properties }, onAnswer) => {
    // amqplib sends a table in any case, and peers may rely on it.
    const written = properties.headers === undefined ? { ...properties, headers: NO_HEADERS } : properties;
    const hasRoom = channel.sendMessage({ exchange, routingKey, mandatory }, written, content);
    channel.pushConfirmCallback(onAnswer);
    return hasRoom;
  };
};

const NO_HEADERS = Object.freeze({});

const publish = (channel: ConfirmChannel, message: OutgoingMessage, onAnswer: OnAnswer): boolean => {
  const { exchange, routingKey, content, properties, mandatory } = message;
  // amqplib declares its option fields without `undefined`, but treats undefined as absent.
  const options = { ...properties, mandatory } as Options.Publish;
  return channel.publish(exchange, routingKey, content, options, onAnswer);
};

const isAsKnown = (channel: object): channel is InnerChannel => {
  const { sendMessage, pushConfirmCallback } = channel as Partial<InnerChannel>;
  return typeof sendMessage === 'function' && typeof pushConfirmCallback === 'function';
};
